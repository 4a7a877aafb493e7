// A stable radix sort of 32-bit keys, with whatever rides along in the higher bits of the item.
//
// Each thread counts and moves one contiguous part per pass, so the result does not depend on the number of threads. A digit
// that is the same everywhere costs no pass over the memory: BF16 values in float32 need two passes of four.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/workers.hpp"

namespace weft::cluster {

// Sorts n items by their low 32 bits, ascending. The array may be exchanged for another one.
template <class Item>
void radix_sort(std::unique_ptr<Item[]>& items, std::size_t n, std::uint32_t threads) {
  constexpr std::uint32_t kDigitBits = 8, kBuckets = 1u << kDigitBits;
  constexpr std::size_t kSmallestPart = std::size_t{1} << 14;
  using Counts = std::array<std::size_t, kBuckets>;
  const std::size_t parts = std::max<std::size_t>(1, std::min<std::size_t>(threads, n / kSmallestPart));
  const auto part_begin = [&](std::size_t part) { return n / parts * part + std::min(part, n % parts); };
  std::vector<Counts> offsets(parts);
  auto other = std::make_unique_for_overwrite<Item[]>(n);
  for (std::uint32_t shift = 0; shift < 32; shift += kDigitBits) {
    const auto digit = [shift](Item item) { return static_cast<std::uint32_t>(item >> shift) % kBuckets; };
    engine::run_parallel(threads, parts, nullptr, [&](std::uint32_t, std::size_t part) {
      Counts counts{};
      const std::size_t end = part_begin(part + 1);
      for (std::size_t i = part_begin(part); i < end; i++) counts[digit(items[i])]++;
      offsets[part] = counts;
    });
    std::size_t at = 0;
    bool moves = true;
    for (std::uint32_t bucket = 0; bucket < kBuckets; bucket++) {
      const std::size_t begin = at;
      for (auto& counts : offsets) at += std::exchange(counts[bucket], at);
      if (at - begin == n) moves = false;
    }
    if (!moves) continue;
    engine::run_parallel(threads, parts, nullptr, [&](std::uint32_t, std::size_t part) {
      Counts to = offsets[part];
      const std::size_t end = part_begin(part + 1);
      for (std::size_t i = part_begin(part); i < end; i++) other[to[digit(items[i])]++] = items[i];
    });
    std::swap(items, other);
  }
}

}  // namespace weft::cluster
