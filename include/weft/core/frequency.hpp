// Frequency tables: from a histogram to integers that sum to 4096, and from these to the coder's look-up tables.
//
// Integers only, ties to the lowest symbol: the same table comes out everywhere.
#pragma once

#include "weft/core/rans_encode.hpp"
#include "weft/core/team.hpp"

namespace weft::core {

// Which of two symbols a unit goes to (missing > 0) or comes from at the least cost; kTableSymbols stands for none.
WEFT_HD std::uint64_t cheaper_symbol(const std::uint64_t counts[256], const std::uint16_t frequencies[256],
                                     bool missing, std::uint64_t a, std::uint64_t b) {
  if (a == kTableSymbols || b == kTableSymbols) return a < b ? a : b;
  const int shift = missing ? 1 : -1;
  const std::uint64_t gain_a = counts[a] * static_cast<std::uint64_t>(2 * frequencies[b] + shift);
  const std::uint64_t gain_b = counts[b] * static_cast<std::uint64_t>(2 * frequencies[a] + shift);
  if (gain_a == gain_b) return a < b ? a : b;
  return (gain_a > gain_b) == missing ? a : b;
}

// Scales counts to frequencies with nearly the least total code length: start from rounding, then repair the sum one unit at a
// time where it costs least. Adding a unit to f saves about count / (f + 1/2) bits (times log2 e), taking one costs
// about count / (f - 1/2); the comparison is exact, by cross-multiplication. Counts are below 2^40, their sum below
// 2^44. Symbols that occur get at least 1. A lone symbol gets 4095 and a neighbour 1, because a frequency of 4096 has
// no code. Returns the number of symbols that occur; with 0 the table is left all zero.
template <class Team>
WEFT_HD int normalise(const std::uint64_t counts[256], std::uint16_t frequencies[256], Team& team) {
  const std::uint64_t total = sum_symbols(team, [&](int s) { return counts[s]; });
  const auto distinct = static_cast<int>(sum_symbols(team, [&](int s) { return counts[s] != 0 ? 1 : 0; }));
  if (distinct < 2) {
    // The sum of symbol numbers is the lone symbol's.
    const auto lone = static_cast<int>(sum_symbols(team, [&](int s) { return counts[s] != 0 ? s : 0; }));
    const int neighbour = lone < 255 ? lone + 1 : lone - 1;
    for_each_symbol(team, [&](int s) {
      frequencies[s] = static_cast<std::uint16_t>(distinct == 0    ? 0
                                                  : s == lone      ? kProbScale - 1
                                                  : s == neighbour ? 1
                                                                   : 0);
    });
    return distinct;
  }
  for_each_symbol(team, [&](int s) {
    const std::uint64_t rounded = (counts[s] * kProbScale + total / 2) / total;
    frequencies[s] = static_cast<std::uint16_t>(counts[s] == 0             ? 0
                                                : rounded < 1              ? 1
                                                : rounded > kProbScale - 1 ? kProbScale - 1
                                                                           : rounded);
  });
  std::int32_t missing = static_cast<std::int32_t>(kProbScale) -
                         static_cast<std::int32_t>(sum_symbols(team, [&](int s) { return frequencies[s]; }));
  while (missing != 0) {
    const auto better = [&](std::uint64_t a, std::uint64_t b) {
      return cheaper_symbol(counts, frequencies, missing > 0, a, b);
    };
    const std::uint64_t best = reduce(
        team,
        [&](std::uint32_t lane) {
          std::uint64_t mine = kTableSymbols;
          for (std::uint32_t s = lane; s < kTableSymbols; s += Team::kLanes)
            if (missing > 0 ? frequencies[s] != 0 : frequencies[s] >= 2) mine = better(mine, s);
          return mine;
        },
        better);
    team.for_each_lane([&](std::uint32_t lane) {
      if (lane == 0) frequencies[best] = static_cast<std::uint16_t>(frequencies[best] + (missing > 0 ? 1 : -1));
    });
    team.sync();
    missing += missing > 0 ? -1 : 1;
  }
  return distinct;
}

WEFT_HD int normalise(const std::uint64_t counts[256], std::uint16_t frequencies[256]) {
  OneThread team;
  return normalise(counts, frequencies, team);
}

// The decoder's table: one entry per slot. `frequencies` sums to 4096 with at least two symbols.
WEFT_HD void build_decode_table(const std::uint16_t frequencies[256], std::uint32_t table[kProbScale]) {
  std::uint32_t slot = 0;
  for (std::uint32_t s = 0; s < 256; s++)
    for (std::uint32_t offset = 0; offset < frequencies[s]; offset++)
      table[slot++] = pack_slot(s, frequencies[s], offset);
}

template <class Team>
WEFT_HD void build_encode_table(const std::uint16_t frequencies[256], EncodeTable& table, Team& team) {
  constexpr int kEach = kTableSymbols / static_cast<int>(Team::kLanes);  // a run of symbols for each lane
  team.for_each_lane([&](std::uint32_t lane) {
    team.scratch[lane] = 0;
    for (int i = 0; i < kEach; i++) team.scratch[lane] += frequencies[static_cast<int>(lane) * kEach + i];
  });
  team.sync();
  team.for_each_lane([&](std::uint32_t lane) {
    std::uint32_t cumulative = 0;
    for (std::uint32_t before = 0; before < lane; before++)
      cumulative += static_cast<std::uint32_t>(team.scratch[before]);
    const int first = static_cast<int>(lane) * kEach;
    for (int s = first; s < first + kEach; s++) {
      const std::uint32_t f = frequencies[s];
      std::uint32_t shift = 0, bias = cumulative;
      if (f < 2) {
        table.reciprocal[s] = ~0u;
        bias += kProbScale - 1;
      } else {
        while (f > (1u << shift)) shift++;
        table.reciprocal[s] = static_cast<std::uint32_t>(((std::uint64_t{1} << (shift + 31)) + f - 1) / f);
        shift--;
      }
      table.step[s] = (f == 0 ? 0 : kProbScale - f) | shift << kStepShiftAt | bias << kStepBiasAt;
      cumulative += f;
    }
  });
  team.sync();
}

WEFT_HD void build_encode_table(const std::uint16_t frequencies[256], EncodeTable& table) {
  OneThread team;
  build_encode_table(frequencies, table, team);
}

// log2(4096 / f) in 1/256 bit, rounded down from an exact binary expansion: the price of a symbol. Not for frequency 0.
WEFT_HD std::uint32_t code_length(std::uint32_t frequency) {
  std::uint32_t whole = 0;
  while ((frequency << (whole + 1)) <= kProbScale) whole++;
  // frequency * 2^whole / 4096 is in (1/2, 1]; its negated log2 is found bit by bit, by squaring, in 32-bit fixed point.
  std::uint64_t x = std::uint64_t{frequency} << (whole + 32 - kProbBits);
  std::uint32_t fraction = 0;
  for (int bit = 0; bit < 8; bit++) {
    x = (x * (x >> 1)) >> 31;
    fraction <<= 1;
    if (x <= (std::uint64_t{1} << 31)) fraction |= 1, x <<= 1;
  }
  return (whole << 8) + fraction;
}

}  // namespace weft::core
