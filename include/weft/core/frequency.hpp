// Frequency tables: from a histogram to integers that sum to 4096, and from these to the coder's look-up tables.
//
// Integers only, ties to the lowest symbol: the same table comes out everywhere.
#pragma once

#include "weft/core/rans_encode.hpp"

namespace weft::core {

// Scales counts to frequencies with nearly the least total code length: start from rounding, then repair the sum one unit at a
// time where it costs least. Adding a unit to f saves about count / (f + 1/2) bits (times log2 e), taking one costs
// about count / (f - 1/2); the comparison is exact, by cross-multiplication. Counts are below 2^40, their sum below
// 2^44. Symbols that occur get at least 1. A lone symbol gets 4095 and a neighbour 1, because a frequency of 4096 has
// no code. Returns the number of symbols that occur; with 0 the table is left all zero.
WEFT_HD int normalise(const std::uint64_t counts[256], std::uint16_t frequencies[256]) {
  std::uint64_t total = 0;
  int distinct = 0, last = 0;
  for (int s = 0; s < 256; s++) {
    frequencies[s] = 0;
    total += counts[s];
    if (counts[s] != 0) distinct++, last = s;
  }
  if (distinct == 0) return 0;
  if (distinct == 1) {
    frequencies[last] = kProbScale - 1;
    frequencies[last < 255 ? last + 1 : last - 1] = 1;
    return 1;
  }
  std::int32_t missing = kProbScale;
  for (int s = 0; s < 256; s++) {
    if (counts[s] == 0) continue;
    const std::uint64_t rounded = (counts[s] * kProbScale + total / 2) / total;
    frequencies[s] = static_cast<std::uint16_t>(rounded < 1 ? 1 : rounded > kProbScale - 1 ? kProbScale - 1 : rounded);
    missing -= frequencies[s];
  }
  while (missing != 0) {
    int best = -1;
    for (int s = 0; s < 256; s++) {
      if (missing > 0 ? frequencies[s] == 0 : frequencies[s] < 2) continue;
      if (best < 0) {
        best = s;
        continue;
      }
      const int shift = missing > 0 ? 1 : -1;
      const std::uint64_t mine = counts[s] * static_cast<std::uint64_t>(2 * frequencies[best] + shift);
      const std::uint64_t theirs = counts[best] * static_cast<std::uint64_t>(2 * frequencies[s] + shift);
      if (missing > 0 ? mine > theirs : mine < theirs) best = s;
    }
    frequencies[best] = static_cast<std::uint16_t>(frequencies[best] + (missing > 0 ? 1 : -1));
    missing += missing > 0 ? -1 : 1;
  }
  return distinct;
}

// The decoder's table: one entry per slot. `frequencies` sums to 4096 with at least two symbols.
WEFT_HD void build_decode_table(const std::uint16_t frequencies[256], std::uint32_t table[kProbScale]) {
  std::uint32_t slot = 0;
  for (std::uint32_t s = 0; s < 256; s++)
    for (std::uint32_t offset = 0; offset < frequencies[s]; offset++)
      table[slot++] = pack_slot(s, frequencies[s], offset);
}

WEFT_HD void build_encode_table(const std::uint16_t frequencies[256], EncodeTable& table) {
  std::uint32_t cumulative = 0;
  for (int s = 0; s < 256; s++) {
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
    table.step[s] = (f == 0 ? 0 : kProbScale - f) | shift << 12 | bias << 16;
    cumulative += f;
  }
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
