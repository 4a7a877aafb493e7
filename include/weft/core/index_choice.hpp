// Which entry of a codebook of scalars a value goes to: the nearest one, or the cheapest by squared error and code length.
//
// * The costs of entries are parabolas of one shape, so two of them cross once, and the cheapest ones form a chain from left to
//   right: a choice is a search among thresholds. These are doubles of exactly rounded operations, alike everywhere.
#pragma once

#include "weft/core/dequantize.hpp"
#include "weft/core/frequency.hpp"

namespace weft::core {

// The entries that some number would choose, ascending, to chain[0] ..; chain[i] keeps numbers up to crossings[i], the last
// one all others. `entries` ascend; of equal ones the cheaper stays. price(i) is in squared units of the entries; `priced`:
// not all prices are 0. Returns how many are in the chain.
template <class Price>
WEFT_HD std::uint32_t cheapest_chain(const double* entries, std::uint32_t count, bool priced, Price price,
                                     std::uint32_t* chain, double* crossings) {
  std::uint32_t length = 0;
  for (std::uint32_t j = 0; j < count; j++) {
    double crossing = 0;
    bool keep = true;
    while (length > 0) {
      const std::uint32_t left = chain[length - 1];
      const double apart = entries[j] - entries[left];
      if (apart <= 0 && price(j) >= price(left)) {
        keep = false;
        break;
      }
      if (apart > 0) {
        crossing = (entries[left] + entries[j]) / 2;
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
template <class Price>
WEFT_HD void make_search_thresholds(const double* entries, std::uint32_t count, bool priced, Price price, int log2,
                                    std::uint32_t* chain, double* crossings, float* upper) {
  const std::uint32_t length = cheapest_chain(entries, count, priced, price, chain, crossings);
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

// Bits of an index byte that has this frequency.
WEFT_HD double index_bits(std::uint16_t frequency) {
  return frequency == 0 ? kProbBits + 2 : static_cast<double>(code_length(frequency)) / 256;
}

// A codebook of up to 256 scalars and how its indices are chosen, with the memory that this takes.
struct IndexChoice {
  double entries[256];
  double bits[256], crossings[256];
  float upper[256];  // answer
  std::uint32_t chain[256];
  double bit_price;
  std::uint32_t count;
  std::int32_t zero;  // the entry that is never dearer than another one, so that zeros stay zeros; -1: none
  std::int32_t log2;  // of the steps of a search
};

// Thresholds for indices that occur so often.
WEFT_HD void choose_by_price(IndexChoice& choice, const std::uint16_t frequencies[256]) {
  double least = kProbBits + 2;
  for (std::uint32_t i = 0; i < choice.count; i++) {
    choice.bits[i] = index_bits(frequencies[i]);
    least = choice.bits[i] < least ? choice.bits[i] : least;
  }
  if (choice.zero >= 0) choice.bits[choice.zero] = least;
  make_search_thresholds(
      choice.entries, choice.count, true, [&](std::uint32_t i) { return choice.bit_price * choice.bits[i]; },
      choice.log2, choice.chain, choice.crossings, choice.upper);
}

}  // namespace weft::core
