// Planes of one-byte symbols: choosing a table, coding a plane into a block, and reading it back.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "archive/block.hpp"
#include "backends/cpu/class_tables.hpp"
#include "backends/cpu/kernels.hpp"
#include "weft/archive.hpp"
#include "weft/core/plane_tables.hpp"
#include "weft/core/trellis.hpp"

namespace weft::cpu {

// The symbols from the first to the last that has a frequency; one has.
[[nodiscard]] FrequencyTable compact_table(const std::uint16_t frequencies[256]);
// The table that a plane is coded with; none if it is not coded.
[[nodiscard]] std::optional<FrequencyTable> table_of(const core::PlaneTables& plane);

// Whether the plane of so many symbols may be coded in pairs.
[[nodiscard]] constexpr bool may_pair(std::uint64_t symbols) noexcept {
  return symbols >= core::kFewestForPairs && symbols % 2 == 0;
}

// Frequencies of all 256 symbols.
void expand_table(const FrequencyTable& table, std::uint16_t frequencies[256]) noexcept;

// What is wrong with a coded plane that ended like this; empty: nothing.
[[nodiscard]] std::string fault_of(core::Status status);

// A plane of pairs in its parts. None if they do not add up: an odd number of symbols, or more records than bytes.
struct PairPlane {
  std::span<const std::byte> words, records;
};
[[nodiscard]] std::optional<PairPlane> split_pairs(std::span<const std::byte> plane, std::uint64_t n);

// Codes the planes of a segment: chooses its table first, then codes its blocks.
class PlaneEncoder {
 public:
  explicit PlaneEncoder(const Kernels& kernels) : kernels_(kernels) {}
  // Chooses how to code a segment with these symbols, which are borrowed, in pairs if they may be, or by class if they have
  // classes. A table is worth having when it saves this fraction of the raw plane, and its own bytes.
  void begin(std::span<const std::uint8_t> symbols, double min_saving, std::optional<core::WindowTies> pairs,
             const std::optional<UnitClasses>& classes = {});
  [[nodiscard]] std::optional<FrequencyTable> table() const { return table_of(tables_); }
  [[nodiscard]] const ClassTables& class_tables() const { return by_class_; }
  // Which of them a symbol has.
  [[nodiscard]] std::span<const std::uint8_t> table_numbers() const { return numbers_; }
  // What all symbols take as that was chosen, tables included, in 1/256 bit.
  [[nodiscard]] std::uint64_t length() const { return length_; }
  // Adds symbols [at, at + n) as a constant, coded or raw, whichever is smallest; returns whether they were coded with the
  // table or those of their classes. `at` is even.
  bool encode(std::size_t at, std::size_t n, archive::BlockBuilder& block);

 private:
  void begin_by_class(const UnitClasses& classes);
  bool encode_words(std::size_t at, std::size_t n, archive::BlockBuilder& block);
  bool encode_pairs(std::span<const std::uint8_t> symbols, std::span<const std::uint8_t> pairs,
                    archive::BlockBuilder& block);

  const Kernels& kernels_;
  std::span<const std::uint8_t> symbols_;
  core::PlaneTables tables_{};
  ClassTables by_class_;
  std::uint64_t length_ = 0;
  std::vector<core::EncodeTable> class_encode_;
  std::vector<std::uint8_t> numbers_;  // of the symbols' tables
  std::vector<std::uint8_t> pairs_, restored_;
  std::vector<std::uint16_t> words_;
  std::vector<std::uint32_t> records_;
  std::vector<std::byte> bytes_;
};

class PlaneDecoder {
 public:
  explicit PlaneDecoder(const Kernels& kernels) : kernels_(kernels) {}
  // One table for all symbols, or none.
  void set_table(const FrequencyTable* table);
  // One for each class, from this one on; there is one.
  void set_class_tables(int lowest, std::span<const FrequencyTable* const> tables);
  // Decodes n symbols to out; `classes` are those of their units, which matter where a plane is coded by class. Returns an
  // empty string or what is wrong. A raw plane is handed out as it lies in the block, with no copy: the symbols are then at the
  // returned pointer, not in out.
  [[nodiscard]] std::string decode(const archive::PlaneView& plane, std::uint64_t n, std::uint8_t* out,
                                   const std::uint8_t*& symbols, std::span<const std::uint8_t> classes = {});

 private:
  // Makes table number `number`, unless it is there already.
  void make_table(std::size_t number, const FrequencyTable& table);
  [[nodiscard]] std::string decode_words(std::span<const std::byte> words, int lanes_log2, std::uint64_t n,
                                         std::uint8_t* out) const;
  [[nodiscard]] std::string decode_by_class(const archive::PlaneView& plane, std::span<const std::uint8_t> classes,
                                            std::uint8_t* out);
  [[nodiscard]] std::string decode_pairs(const archive::PlaneView& plane, std::uint64_t n, std::uint8_t* out);

  const Kernels& kernels_;
  bool has_table_ = false, by_class_ = false;
  std::vector<FrequencyTable> made_;  // whose slots are in slots_
  std::vector<std::uint32_t> slots_;  // 4096 each
  std::array<std::uint8_t, core::kScaleClasses> number_of_class_{};
  std::vector<std::uint8_t> numbers_, pairs_;
};

}  // namespace weft::cpu
