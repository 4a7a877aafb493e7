// Numbers frequency tables in the order in which they are first used; equal ones share a number.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "backends/backend.hpp"
#include "weft/archive.hpp"

namespace weft::engine {

class TableBook {
 public:
  explicit TableBook(Index& index) : index_(index), tables_(index.tables) {}
  // Fills in a segment's record and the sizes of its blocks.
  void record(SegmentRecord& segment, const EncodedRecord& encoded) {
    for (std::size_t p = 0; p < encoded.tables.size(); p++) segment.tables[p] = number(encoded.tables[p]);
    segment.class_tables.clear();
    for (const std::uint8_t table : encoded.table_of_class)
      segment.class_tables.push_back(number(encoded.class_tables[table]) - 1);
    segment.corrections = encoded.corrections;
    for (std::uint32_t b = 0; b < segment.block_count; b++)
      index_.blocks[segment.first_block + b].size = encoded.block_sizes[b];
  }

 private:
  std::uint32_t number(const std::optional<FrequencyTable>& table) {
    if (!table) return 0;
    const auto [found, is_new] =
        numbers_.try_emplace({table->pair_base, table->first, table->frequencies}, tables_.size() + 1);
    if (is_new) tables_.push_back(*table);
    return static_cast<std::uint32_t>(found->second);
  }

  Index& index_;
  std::vector<FrequencyTable>& tables_;
  std::map<std::tuple<std::optional<std::uint8_t>, std::uint8_t, std::vector<std::uint16_t>>, std::size_t> numbers_;
};

}  // namespace weft::engine
