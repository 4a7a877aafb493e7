// The frequency tables of a trellis stream in little memory, for a device whose thread blocks keep them close.
//
// Read me first:
// * A table of 4096 slots would be 16 KB for each of up to 160 rows. A compact row is 256 bytes and 4 for each symbol that
//   the widest class in use can say: the 4096 slots in buckets of 32, and the symbols one after the other.
// * A bucket names the symbol of its first slot and where in the bucket the next symbol begins, so two look-ups give the
//   symbol unless three or more share a bucket; those are rare, and a step further each.
// * Rows are built by the host from a shape, never from a block: every slot has a symbol, whatever the bytes are.
#pragma once

#include "weft/core/kernel_warp.hpp"
#include "weft/core/trellis.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::core {

inline constexpr std::uint32_t kBucketBits = 5;
inline constexpr std::uint32_t kBucketSlots = 1u << kBucketBits, kBuckets = kProbScale >> kBucketBits;
inline constexpr std::uint32_t kBucketWords = kBuckets / 2;  // a bucket has 16 bits

// Words of a row whose symbols are kIndexZero - reach .. kIndexZero + reach.
WEFT_HD constexpr std::uint32_t row_words(std::uint32_t reach) { return kBucketWords + 2 * reach + 1; }

// Tables of a class that a stream of these labels needs, and which one is number i of them.
WEFT_HD constexpr std::uint32_t tables_in_use(bool zero, bool predict) {
  return zero || !predict ? 2 : std::uint32_t{kClassTables} - 1;
}
WEFT_HD constexpr std::uint32_t table_in_use(bool zero, bool predict, std::uint32_t i) {
  return zero ? i * kOddZeroTable : predict ? i : 4 * i;
}

// What a row's word says of a symbol: bits 0-11 how many slots it has, 12-23 where they begin, negated, so that it is added
// to a state's slot, 24-31 its distance from kIndexZero, signed. One that ends before all slots do is followed by the next;
// those without slots are never asked for.
WEFT_HD constexpr std::uint32_t pack_symbol(std::uint32_t begin, std::uint32_t frequency, std::int32_t distance) {
  return frequency | ((0 - begin) & (kProbScale - 1)) << kProbBits |
         static_cast<std::uint32_t>(distance) << (2 * kProbBits);
}
WEFT_HD constexpr std::uint32_t symbol_begin(std::uint32_t packed) {
  return (0 - (packed >> kProbBits)) & (kProbScale - 1);
}
WEFT_HD constexpr std::uint32_t symbol_frequency(std::uint32_t packed) { return packed & (kProbScale - 1); }
WEFT_HD constexpr std::uint32_t symbol_end(std::uint32_t packed) {
  return symbol_begin(packed) + symbol_frequency(packed);
}
WEFT_HD constexpr std::int32_t symbol_distance(std::uint32_t packed) {
  return static_cast<std::int32_t>(packed) >> (2 * kProbBits);
}
// How far a state's slot is from the symbol's first one, which does not come after it.
WEFT_HD constexpr std::uint32_t slots_after(std::uint32_t packed, std::uint32_t x) {
  return (x + (packed >> kProbBits)) & (kProbScale - 1);
}

// `frequencies` sums to 4096 with at least two symbols, all of them within the reach.
WEFT_HD void build_compact_row(const std::uint16_t frequencies[256], std::uint32_t reach, std::uint32_t* row) {
  std::uint32_t* symbols = row + kBucketWords;
  std::uint32_t begin = 0;
  for (std::uint32_t i = 0; i <= 2 * reach; i++) {
    const std::uint32_t frequency = frequencies[kIndexZero - reach + i];
    symbols[i] = pack_symbol(begin, frequency, static_cast<std::int32_t>(i) - static_cast<std::int32_t>(reach));
    begin += frequency;
  }
  std::uint32_t at = 0;
  for (std::uint32_t bucket = 0; bucket < kBuckets; bucket++) {
    const std::uint32_t first = bucket * kBucketSlots;
    while (symbol_end(symbols[at]) <= first) at++;
    // Slots of this symbol; a sum of slot and `carry` passes 32 after them.
    const std::uint32_t left = symbol_end(symbols[at]) - first;
    const std::uint32_t carry = left < kBucketSlots ? kBucketSlots - left : 0;
    const std::uint32_t half = at << kBucketBits | carry;
    row[bucket / 2] = bucket % 2 == 0 ? half : row[bucket / 2] | half << 16;
  }
}

// Where in a row is the word of a state's symbol or, where more than two share its bucket, of one before; in bytes.
WEFT_HD std::uint32_t compact_symbol(const std::uint8_t* row, std::uint32_t x) {
  const std::uint32_t bucket = load_aligned<std::uint16_t>(row + 2 * (x >> kBucketBits & (kBuckets - 1)));
  return 4 * (kBucketWords + ((bucket + (x & (kBucketSlots - 1))) >> kBucketBits));
}

// Calls f(k, number of its symbol in the compact row) for each slot + k, k < count.
template <class F>
WEFT_HD void for_slots(const std::uint32_t* row, std::uint32_t slot, std::uint32_t count, F f) {
  const std::uint32_t* symbols = row + kBucketWords;
  auto number = compact_symbol(reinterpret_cast<const std::uint8_t*>(row), slot) / 4 - kBucketWords;
  for (std::uint32_t k = 0; k < count; k++) {
    while (symbol_end(symbols[number]) <= slot + k) number++;
    f(k, number);
  }
}

// Where there is memory for it, a row has a word for each 16 slots, and then the symbols: bits 16-31 where the first slot's
// symbol is, in bytes from the row's begin; bit k tells whether slot k is the first one of another symbol, the next. An even
// number of words, so that a class's rows are a multiple of eight bytes.
inline constexpr std::uint32_t kPartBits = 4, kPartSlots = 1u << kPartBits, kParts = kProbScale >> kPartBits;
WEFT_HD constexpr std::uint32_t exact_row_words(std::uint32_t compact_words) {
  return (compact_words - kBucketWords + kParts + 1) / 2 * 2;
}
// Word number i of the row.
WEFT_HD std::uint32_t exact_row_word(const std::uint32_t* compact_row, std::uint32_t compact_words, std::uint32_t i) {
  if (i >= kParts) {
    const std::uint32_t at = kBucketWords + i - kParts;
    return at < compact_words ? compact_row[at] : 0;
  }
  std::uint32_t word = 0, before = 0;
  for_slots(compact_row, i * kPartSlots, kPartSlots, [&](std::uint32_t k, std::uint32_t number) {
    word |= k == 0 ? 4 * (kParts + number) << 16 : number == before ? 0 : 1u << k;
    before = number;
  });
  return word;
}
// Where among rows is the word of a state's symbol, in bytes; `row` is where its row begins.
WEFT_HD std::uint32_t exact_symbol(const std::uint8_t* rows, std::uint32_t row, std::uint32_t x) {
  constexpr std::uint32_t kPartMask = (kParts - 1) << kPartBits;
  const auto part = load_aligned<std::uint32_t>(rows + row + ((x & kPartMask) >> (kPartBits - 2)));
  // The bits of slots up to this one go to the top.
  return row + (part >> 16) + 4 * count_bits(shift_up(part, or_not(kPartSlots, x)));
}

}  // namespace weft::core
