// The frequency tables of a trellis stream in little memory, for a device whose thread blocks keep them close.
//
// Read me first:
// * A table of 4096 slots would be 16 KB for each of up to 160 rows. A compact row is 256 bytes and 4 for each symbol that
//   the widest class in use can say: the 4096 slots in buckets of 32, and the symbols one after the other.
// * A bucket names the symbol of its first slot and where in the bucket the next symbol begins, so two look-ups give the
//   symbol unless three or more share a bucket; those are rare, and a step further each.
// * Rows are built by the host from a shape, never from a block: every slot has a symbol, whatever the bytes are.
#pragma once

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

// `frequencies` sums to 4096 with at least two symbols, all of them within the reach.
WEFT_HD void build_compact_row(const std::uint16_t frequencies[256], std::uint32_t reach, std::uint32_t* row) {
  std::uint32_t* symbols = row + kBucketWords;
  std::uint32_t begin = 0;
  for (std::uint32_t i = 0; i <= 2 * reach; i++) {
    const std::uint32_t symbol = kIndexZero - reach + i, frequency = frequencies[symbol];
    symbols[i] = symbol | frequency << 8 | begin << 20;
    begin += frequency;
  }
  const auto end_of = [symbols](std::uint32_t i) { return (symbols[i] >> 20) + (symbols[i] >> 8 & (kProbScale - 1)); };
  std::uint32_t at = 0;
  for (std::uint32_t bucket = 0; bucket < kBuckets; bucket++) {
    const std::uint32_t first = bucket * kBucketSlots;
    while (end_of(at) <= first) at++;
    const std::uint32_t left =
        end_of(at) - first;  // slots of this symbol; a sum of slot and `carry` passes 32 after them
    const std::uint32_t carry = left < kBucketSlots ? kBucketSlots - left : 0;
    const std::uint32_t half = at << kBucketBits | carry;
    row[bucket / 2] = bucket % 2 == 0 ? half : row[bucket / 2] | half << 16;
  }
}

// One lane: takes the state past its symbol, without the refill, and returns the symbol.
WEFT_HD std::uint32_t compact_step(const std::uint32_t* row, std::uint32_t& x) {
  const std::uint32_t slot = x & (kProbScale - 1);
  const auto* buckets = reinterpret_cast<const std::uint8_t*>(row);
  const std::uint32_t bucket = load_aligned<std::uint16_t>(buckets + 2 * (slot >> kBucketBits));
  const std::uint32_t* symbol = row + kBucketWords + ((bucket + (slot & (kBucketSlots - 1))) >> kBucketBits);
  std::uint32_t entry = *symbol;
  while (slot - (entry >> 20) >= (entry >> 8 & (kProbScale - 1))) entry = *++symbol;
  x = (entry >> 8 & (kProbScale - 1)) * (x >> kProbBits) + slot - (entry >> 20);
  return entry & 255;
}

}  // namespace weft::core
