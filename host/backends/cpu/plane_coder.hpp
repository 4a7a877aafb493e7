// Planes of one-byte symbols: choosing a table, coding a plane into a block, and reading it back.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "archive/block.hpp"
#include "backends/cpu/kernels.hpp"
#include "weft/archive.hpp"
#include "weft/core/table_choice.hpp"

namespace weft::cpu {

// A table is worth having when it saves this fraction of the raw plane, and its own bytes.
[[nodiscard]] std::optional<FrequencyTable> choose_table(const std::uint64_t counts[256], double min_saving);

// The symbols from the first to the last that has a frequency; one has.
[[nodiscard]] FrequencyTable compact_table(const std::uint16_t frequencies[256]);

// Frequencies of all 256 symbols.
void expand_table(const FrequencyTable& table, std::uint16_t frequencies[256]) noexcept;

// What is wrong with a coded plane that ended like this; empty: nothing.
[[nodiscard]] std::string fault_of(core::Status status);

class PlaneEncoder {
 public:
  explicit PlaneEncoder(const Kernels& kernels) : kernels_(kernels) {}
  // Uses this table for the planes to come; null: none.
  void set_table(const FrequencyTable* table);
  // Adds the plane as a constant, coded or raw, whichever is smallest; returns whether it was coded with the table.
  bool encode(std::span<const std::uint8_t> symbols, archive::BlockBuilder& block);

 private:
  const Kernels& kernels_;
  bool has_table_ = false;
  core::EncodeTable table_{};
  std::vector<std::uint16_t> words_;
};

class PlaneDecoder {
 public:
  explicit PlaneDecoder(const Kernels& kernels) : kernels_(kernels) {}
  void set_table(const FrequencyTable* table);
  // Decodes n symbols to out. Returns an empty string or what is wrong. A raw plane is handed out as it lies in the block, with
  // no copy: the symbols are then at the returned pointer, not in out.
  [[nodiscard]] std::string decode(const archive::PlaneView& plane, std::uint64_t n, std::uint8_t* out,
                                   const std::uint8_t*& symbols) const;

 private:
  const Kernels& kernels_;
  FrequencyTable current_;
  std::vector<std::uint32_t> table_;
};

}  // namespace weft::cpu
