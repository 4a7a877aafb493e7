// Whether a frequency table pays for itself.
//
// The one place of the core that decides something by floats: IEEE doubles without contraction, alike everywhere.
#pragma once

#include "weft/core/frequency.hpp"

namespace weft::core {

// Total code length of these counts, in 1/256 bit. Symbols without a frequency do not count.
WEFT_HD std::uint64_t coded_length(const std::uint64_t counts[256], const std::uint16_t frequencies[256]) {
  std::uint64_t length = 0;
  for (int s = 0; s < 256; s++)
    if (frequencies[s] != 0) length += counts[s] * code_length(frequencies[s]);
  return length;
}

// A table is worth having when it leaves at most `keep` of the symbols' bytes, its own bytes included.
WEFT_HD bool table_pays(const std::uint64_t counts[256], const std::uint16_t frequencies[256], double keep) {
  int first = 0, last = 255;
  while (frequencies[first] == 0) first++;
  while (frequencies[last] == 0) last--;
  std::uint64_t total = 0;
  for (int s = 0; s < 256; s++) total += counts[s];
  const double table_bytes = 2 + 1.3 * static_cast<double>(last - first + 1);
  const double coded = static_cast<double>(coded_length(counts, frequencies)) / 256 / 8 + table_bytes + 12;
  return coded <= static_cast<double>(total) * keep;
}

// Lanes for a plane of n symbols: a lane costs about 23 bits of start and end, so it should have 2^(fewest_log2 - 1) symbols.
WEFT_HD constexpr int lanes_log2_for(std::uint64_t n, int fewest_log2 = 11) {
  int log2 = 0;
  while (log2 < kLanesLog2 && n >> (log2 + fewest_log2) != 0) log2++;
  return log2;
}

}  // namespace weft::core
