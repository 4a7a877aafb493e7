// Tables made by a warp against tables made by one thread, and those against a plain serial loop.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <vector>

#include "backends/cpu/warp_portable.hpp"
#include "weft/core/table_choice.hpp"

namespace weft {
namespace {

using Counts = std::array<std::uint64_t, 256>;
using Frequencies = std::array<std::uint16_t, 256>;

std::vector<Counts> many_counts() {
  std::mt19937_64 random(11);
  std::vector<Counts> all(1);  // nothing counted
  for (int kind = 0; kind < 200; kind++) {
    Counts counts{};
    const std::uint64_t bits = 1 + random() % 39, rare = 1 + random() % 8;
    for (std::uint64_t& count : counts)
      if (random() % rare == 0) count = random() & ((std::uint64_t{1} << bits) - 1);
    if (kind % 3 == 0) counts[random() % 256] += std::uint64_t{1} << 38;
    if (kind % 5 == 0)
      for (std::size_t s = 0; s < 256; s++) counts[s] = (random() % 2) << (s % 30);  // many ties
    all.push_back(counts);
  }
  for (const std::size_t lone : {0, 7, 255}) all.emplace_back()[lone] = 9;
  for (const std::uint64_t each : {std::uint64_t{1}, (std::uint64_t{1} << 36) - 1}) all.emplace_back().fill(each);
  all.emplace_back().fill(1);
  all.back()[17] = (std::uint64_t{1} << 40) - 1;
  return all;
}

// One symbol after the other, as the format's first implementation had it.
int normalise_serially(const Counts& counts, Frequencies& frequencies) {
  std::uint64_t total = 0;
  int distinct = 0;
  std::size_t last = 0;
  frequencies = {};
  for (std::size_t s = 0; s < 256; s++) {
    total += counts[s];
    if (counts[s] != 0) distinct++, last = s;
  }
  if (distinct == 0) return 0;
  if (distinct == 1) {
    frequencies[last] = core::kProbScale - 1;
    frequencies[last < 255 ? last + 1 : last - 1] = 1;
    return 1;
  }
  int missing = core::kProbScale;
  for (std::size_t s = 0; s < 256; s++) {
    if (counts[s] == 0) continue;
    const std::uint64_t rounded = (counts[s] * core::kProbScale + total / 2) / total;
    frequencies[s] = static_cast<std::uint16_t>(std::clamp<std::uint64_t>(rounded, 1, core::kProbScale - 1));
    missing -= frequencies[s];
  }
  for (; missing != 0; missing += missing > 0 ? -1 : 1) {
    std::size_t best = 256;
    for (std::size_t s = 0; s < 256; s++) {
      if (missing > 0 ? frequencies[s] == 0 : frequencies[s] < 2) continue;
      if (best == 256) {
        best = s;
        continue;
      }
      const int shift = missing > 0 ? 1 : -1;
      const std::uint64_t mine = counts[s] * static_cast<std::uint64_t>(2 * frequencies[best] + shift);
      const std::uint64_t theirs = counts[best] * static_cast<std::uint64_t>(2 * frequencies[s] + shift);
      if (missing > 0 ? mine > theirs : mine < theirs) best = s;
    }
    frequencies[best] = static_cast<std::uint16_t>(frequencies[best] + (missing > 0 ? 1 : -1));
  }
  return distinct;
}

TEST(TeamTest, AWarpMakesTheTablesOfOneThread) {
  std::uint64_t scratch[core::kLanes];
  core::WarpTeam<cpu::PortableWarp> warp{scratch};
  core::OneThread thread;
  for (const Counts& counts : many_counts()) {
    Frequencies serial, alone, together;
    const int distinct = normalise_serially(counts, serial);
    EXPECT_EQ(core::normalise(counts.data(), alone.data(), thread), distinct);
    EXPECT_EQ(core::normalise(counts.data(), together.data(), warp), distinct);
    ASSERT_EQ(alone, serial);
    ASSERT_EQ(together, serial);
    if (distinct < 2) continue;
    core::EncodeTable by_thread, by_warp;
    core::build_encode_table(serial.data(), by_thread, thread);
    core::build_encode_table(serial.data(), by_warp, warp);
    EXPECT_EQ(std::memcmp(&by_thread, &by_warp, sizeof by_warp), 0);
  }
}

// What a table saves, found by halving: the two agree on the last `keep` that is not enough.
TEST(TeamTest, AWarpDecidesLikeOneThread) {
  std::uint64_t scratch[core::kLanes];
  core::WarpTeam<cpu::PortableWarp> warp{scratch};
  core::OneThread thread;
  for (const Counts& counts : many_counts()) {
    Frequencies f;
    if (core::normalise(counts.data(), f.data(), thread) < 2) continue;
    std::size_t first = 0, last = 255;
    while (f[first] == 0) first++;
    while (f[last] == 0) last--;
    std::uint64_t total = 0, length = 0;
    for (std::size_t s = 0; s < 256; s++) {
      total += counts[s];
      if (f[s] != 0) length += counts[s] * core::code_length(f[s]);
    }
    const double bytes = static_cast<double>(length) / 256 / 8 + (2 + 1.3 * static_cast<double>(last - first + 1)) + 12;
    double low = 0, high = 1e9;
    for (int i = 0; i < 100; i++) {
      const double keep = (low + high) / 2;
      const bool pays = bytes <= static_cast<double>(total) * keep;
      ASSERT_EQ(core::table_pays(counts.data(), f.data(), keep, thread), pays);
      ASSERT_EQ(core::table_pays(counts.data(), f.data(), keep, warp), pays);
      (pays ? high : low) = keep;
    }
  }
}

}  // namespace
}  // namespace weft
