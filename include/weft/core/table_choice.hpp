// Whether a frequency table pays for itself.
//
// The one place of the core that decides something by floats: IEEE doubles without contraction, alike everywhere.
#pragma once

#include "weft/core/frequency.hpp"

namespace weft::core {

// How many symbols there are from the first to the last that has a frequency; one has.
template <class Team>
WEFT_HD std::uint32_t symbols_of_table(const std::uint16_t frequencies[256], Team& team) {
  const auto span = reduce(  // the last symbol, and 255 less the first
      team,
      [&](std::uint32_t lane) {
        std::uint64_t first = 255, last = 0;
        for (std::uint32_t s = lane; s < kTableSymbols; s += Team::kLanes) {
          if (frequencies[s] == 0) continue;
          first = s < first ? s : first;
          last = s;
        }
        return last << 32 | (255 - first);
      },
      [](std::uint64_t a, std::uint64_t b) {
        const std::uint64_t low = (a & 255) > (b & 255) ? a & 255 : b & 255;
        return (a >> 32 > b >> 32 ? a >> 32 : b >> 32) << 32 | low;
      });
  return static_cast<std::uint32_t>((span >> 32) + (span & 255) - 254);
}

// What a table takes in an archive, about.
WEFT_HD double table_bytes(std::uint32_t symbols) { return 2 + 1.3 * symbols; }

// A table is worth having when it leaves at most `keep` of the raw bytes, its own bytes and `beside` included. Symbols
// without a frequency do not count; one stands for `width` bytes.
template <class Team>
WEFT_HD bool table_pays(const std::uint64_t counts[256], const std::uint16_t frequencies[256], double keep, Team& team,
                        std::uint64_t width = 1, std::uint64_t beside = 0) {
  const std::uint32_t symbols = symbols_of_table(frequencies, team);
  const std::uint64_t total = sum_symbols(team, [&](int s) { return counts[s]; });
  const std::uint64_t length =  // in 1/256 bit
      sum_symbols(team, [&](int s) { return frequencies[s] != 0 ? counts[s] * code_length(frequencies[s]) : 0; });
  const double coded = static_cast<double>(length) / 256 / 8 + table_bytes(symbols) + 12 + static_cast<double>(beside);
  return coded <= static_cast<double>(width * total) * keep;
}

// Lanes for a plane of n symbols: a lane costs about 23 bits of start and end, so it should have 2^(fewest_log2 - 1) symbols.
WEFT_HD constexpr int lanes_log2_for(std::uint64_t n, int fewest_log2 = 11) {
  int log2 = 0;
  while (log2 < kLanesLog2 && n >> (log2 + fewest_log2) != 0) log2++;
  return log2;
}

}  // namespace weft::core
