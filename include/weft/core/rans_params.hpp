// The numbers of the entropy coder (FORMAT.md 3.1) and their reasons.
#pragma once

#include "weft/core/platform.hpp"

namespace weft::core {

inline constexpr int kLanes = 32;  // a GPU warp
inline constexpr int kLanesLog2 = 5;
inline constexpr int kProbBits = 12;  // 32-bit table entries hold frequency, offset and symbol
inline constexpr std::uint32_t kProbScale = 1u << kProbBits;
inline constexpr std::uint32_t kStateLow = 1u << 15;  // states stay below 2^31: signed compares and reciprocals hold
inline constexpr int kWordBits = 16;                  // at most one word per lane and step, so no loop
inline constexpr std::uint32_t kMostClassTables = 8;  // of a plane that is coded by class: a device keeps them close
inline constexpr int kRefillShift = 31 - kProbBits;   // encoder: emit a word when state >= frequency << this

// A slot of the decode table: bits 0-7 symbol, 8-19 frequency, 20-31 slot minus cumulative frequency.
// Frequency 4096 does not fit and never occurs: a table has two symbols at least.
WEFT_HD constexpr std::uint32_t pack_slot(std::uint32_t symbol, std::uint32_t frequency, std::uint32_t offset) {
  return symbol | frequency << 8 | offset << 20;
}

// What the core answers instead of throwing.
enum class Status : std::uint32_t {
  kOk = 0,
  kTruncated = 1,   // a plane asks for more words than it has
  kTrailing = 2,    // words are left over, or a final state is not the one every encoder starts from
  kExceptions = 3,  // positions of exceptions are not ascending, or lie beyond the block
  kRecords = 4,     // positions of records are not descending, or lie beyond the block
  kIndices = 5,     // an index lies beyond its codebook
};

}  // namespace weft::core
