// Which entry of a codebook of scalars a value goes to: the nearest one, or the cheapest by squared error and code length.
//
// * The costs of entries are parabolas of one shape, so two of them cross once, and the cheapest ones form a chain from left to
//   right: a choice is a search among thresholds. These are doubles of exactly rounded operations, alike everywhere.
#pragma once

#include "weft/core/dequantize.hpp"
#include "weft/core/frequency.hpp"

namespace weft::core {

// The entries that some number would choose, ascending, to chain[0] ..; chain[i] keeps numbers up to crossings[i], the
// last one all others. entry(i), a double, ascends; of equal ones the cheaper stays. price(i) is in squared units of
// the entries; `priced`: not all prices are 0. Returns how many are in the chain.
template <class Entry, class Price>
WEFT_HD std::uint32_t cheapest_chain(Entry entry, std::uint32_t count, bool priced, Price price, std::uint32_t* chain,
                                     double* crossings) {
  std::uint32_t length = 0;
  for (std::uint32_t j = 0; j < count; j++) {
    double crossing = 0;
    bool keep = true;
    while (length > 0) {
      const std::uint32_t left = chain[length - 1];
      const double apart = entry(j) - entry(left);
      if (apart <= 0 && price(j) >= price(left)) {
        keep = false;
        break;
      }
      if (apart > 0) {
        crossing = (entry(left) + entry(j)) / 2;
        if (priced) crossing += (price(j) - price(left)) / (2 * apart);
        if (length == 1 || crossing > crossings[length - 2]) break;
      }
      length--;
    }
    if (!keep) continue;
    if (length > 0) crossings[length - 1] = crossing;
    chain[length++] = j;
  }
  return length;
}

// Comparing a float with this decides as comparing it with x would.
WEFT_HD float largest_float_up_to(double x) {
  constexpr std::uint32_t kLargest = 0x7F7FFFFF, kNegative = 0x80000000;
  if (x >= static_cast<double>(float_of_bits(kLargest))) return float_of_bits(kLargest);
  if (x <= -static_cast<double>(float_of_bits(kLargest))) return float_of_bits(0xFF800000);
  const auto nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) <= x) return nearest;
  const std::uint32_t bits = bits_of_float(nearest);
  if ((bits & ~kNegative) == 0) return float_of_bits(kNegative | 1);
  return float_of_bits((bits & kNegative) != 0 ? bits + 1 : bits - 1);
}

// Floats up to upper[i] go to entry i or a lower one; 2^log2 - 1 of them, the last ones are what no float exceeds. chain and
// crossings are memory for `count` numbers each.
template <class Entry, class Price>
WEFT_HD void make_search_thresholds(Entry entry, std::uint32_t count, bool priced, Price price, int log2,
                                    std::uint32_t* chain, double* crossings, float* upper) {
  const std::uint32_t length = cheapest_chain(entry, count, priced, price, chain, crossings);
  const std::uint32_t all = (1u << log2) - 1;
  std::uint32_t next = 0;
  for (std::uint32_t i = 0; i < length; i++) {
    const float below = i == 0 ? float_of_bits(0xFF800000) : largest_float_up_to(crossings[i - 1]);
    for (; next < chain[i]; next++) upper[next] = below;
  }
  for (; next < all; next++) upper[next] = float_of_bits(0x7F800000);
}

// The index of a value; that of NaN is 0.
WEFT_HD std::uint32_t search_index(float value, const float* upper, int log2) {
  std::uint32_t at = 0;
  for (std::uint32_t step = 1u << log2 >> 1; step > 0; step /= 2) at += upper[at + step - 1] < value ? step : 0;
  return at;
}

inline constexpr std::uint32_t kPriceRounds =
    3;  // indices and their code lengths follow each other; later rounds change next to nothing

// Code lengths of indices of one byte or two, high one first, from how often the symbols of their planes occur.
struct IndexLengths {
  std::uint16_t planes[2][kTableSymbols];  // in 1/256 bit
  bool two_bytes;

  // Of one plane, by what was counted; `frequencies` is memory.
  template <class Team>
  WEFT_HD void set(std::uint32_t plane, const std::uint64_t counts[kTableSymbols],
                   std::uint16_t frequencies[kTableSymbols], Team& team) {
    constexpr std::uint32_t kUnseen = (kProbBits + 2) << 8;
    normalise(counts, frequencies, team);
    for_each_symbol(team, [&](int s) {
      planes[plane][s] = static_cast<std::uint16_t>(frequencies[s] == 0 ? kUnseen : code_length(frequencies[s]));
    });
  }
  WEFT_HD double bits_of(std::uint32_t index) const {
    const std::uint32_t length =
        two_bytes ? std::uint32_t{planes[0][index >> 8]} + planes[1][index & 255] : planes[0][index];
    return static_cast<double>(length) / 256;
  }
};

// A codebook of scalars as weights are compared with it: by the values that a decoder restores.
struct ScalarBook {
  const float* entries;
  const float* upper;  // thresholds without a price
  double bit_price;
  std::uint32_t count;
  std::int32_t zero;  // the entry that is never dearer than another one, so that zeros stay zeros; -1: none
  std::int32_t log2;  // of the steps of a search
};

// Thresholds for indices of these lengths. chain and crossings are memory for book.count numbers each.
WEFT_HD void choose_by_price(const ScalarBook& book, const IndexLengths& lengths, std::uint32_t* chain,
                             double* crossings, float* upper) {
  double least = lengths.bits_of(0);
  for (std::uint32_t i = 1; i < book.count && book.zero >= 0; i++) {
    const double bits = lengths.bits_of(i);
    least = bits < least ? bits : least;
  }
  make_search_thresholds([&](std::uint32_t i) { return static_cast<double>(book.entries[i]); }, book.count, true,
                         [&](std::uint32_t i) {
                           const bool is_zero = static_cast<std::int32_t>(i) == book.zero;
                           return book.bit_price * (is_zero ? least : lengths.bits_of(i));
                         },
                         book.log2, chain, crossings, upper);
}

// What a segment searches in a codebook, with memory of its own if there is a price.
struct IndexChoice {
  const ScalarBook* book;  // null: no unit of the segment has it
  const float* upper;      // the thresholds of this round
  float* priced;           // room for them
  std::uint32_t* chain;
  double* crossings;
  std::int32_t log2;
};

}  // namespace weft::core
