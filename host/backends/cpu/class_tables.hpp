// Frequency tables by class: which units' symbols of a plane share one (FORMAT.md 3.1).
//
// Read me first:
// * Units whose distributions are alike share a table, whatever their classes: a table has to save more than it takes.
// * Few symbols say little about a class, so the decision is by what was counted, in integers and in a fixed order: the same
//   on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "weft/archive.hpp"
#include "weft/core/plane_tables.hpp"

namespace weft::cpu {

// The classes of units, one for each symbol of a plane, and between which they may be. Borrowed.
struct UnitClasses {
  std::span<const std::uint8_t> of_unit;
  int lowest = 0, highest = 0;
};

struct ClassTables {
  std::vector<FrequencyTable> tables;        // none: classes do not pay
  std::vector<std::uint8_t> table_of_class;  // from the lowest on
  std::uint64_t length = 0;                  // of the symbols and the tables, in 1/256 bit
};

// A segment's tables by class, each once, and which of them a class has.
struct DifferentTables {
  std::vector<const FrequencyTable*> tables;
  std::vector<std::uint8_t> numbers;
};
[[nodiscard]] DifferentTables different_tables(std::span<const FrequencyTable* const> table_of_class);

// The tables for symbols that take `plain` 1/256 bits without classes, if they save enough.
[[nodiscard]] ClassTables choose_class_tables(std::span<const std::uint8_t> symbols, const UnitClasses& classes,
                                              std::uint64_t plain);

// What a plane of n symbols takes as it was decided, its table included, in 1/256 bit; `work` is what the decision left.
[[nodiscard]] std::uint64_t plain_length(const core::PlaneTables& plane, const core::PlaneChoice work[2],
                                         std::uint64_t n);

}  // namespace weft::cpu
