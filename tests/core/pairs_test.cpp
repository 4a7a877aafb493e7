// The choice of a window and between pairs and single symbols: by one thread and by a warp, against plain counting.
#include "weft/core/pairs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "backends/cpu/kernels.hpp"
#include "backends/cpu/warp_portable.hpp"
#include "weft/core/plane_tables.hpp"

namespace weft {
namespace {

using Symbols = std::vector<std::uint8_t>;

// Gaussian levels, with one in `far_every` drawn from all symbols.
Symbols levels(double middle, double deviation, std::size_t far_every, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(middle, deviation);
  Symbols symbols(core::kFewestForPairs);
  for (std::size_t i = 0; i < symbols.size(); i++)
    symbols[i] = static_cast<std::uint8_t>(i % far_every == 0 ? random() : std::lrint(normal(random)));
  return symbols;
}

std::array<std::uint64_t, 256> count(const Symbols& symbols) {
  std::array<std::uint64_t, 256> counts{};
  for (const auto symbol : symbols) counts[symbol]++;
  return counts;
}

TEST(PairsTest, TheWindowIsTheOneThatHoldsMost) {
  core::OneThread team;
  for (const int base : {0, 1, 100, 239, 240}) {
    std::array<std::uint64_t, 256> counts{};
    for (int s = base; s < base + 16; s++) counts[static_cast<std::size_t>(s)] = 100;
    counts[static_cast<std::size_t>(base + 3)] = counts[static_cast<std::size_t>(base + 9)] = 101;
    counts[static_cast<std::size_t>(base < 100 ? 200 : 20)] = 25;  // 1.5 % of all
    core::PairWindow window = core::choose_window(counts.data(), core::WindowTies::kLowest, team);
    EXPECT_EQ(window.base, base);
    EXPECT_EQ(window.filler, base + 3);  // the first of the most frequent
    EXPECT_EQ(window.usable, 1);
    counts[static_cast<std::size_t>(base < 100 ? 200 : 20)] = 30;
    EXPECT_EQ(core::choose_window(counts.data(), core::WindowTies::kLowest, team).usable, 0);
  }
  const std::uint64_t none[256] = {};
  EXPECT_EQ(core::choose_window(none, core::WindowTies::kMiddle, team).usable, 0);
  std::uint64_t alone[256] = {};
  alone[255] = 7;
  const core::PairWindow last = core::choose_window(alone, core::WindowTies::kLowest, team);
  EXPECT_TRUE(last.usable == 1 && last.base == 240 && last.filler == 255);
  // Ten neighbours fit at seven places.
  std::uint64_t ten[256] = {};
  for (int s = 100; s < 110; s++) ten[s] = 5;
  EXPECT_EQ(core::choose_window(ten, core::WindowTies::kLowest, team).base, 94);
  EXPECT_EQ(core::choose_window(ten, core::WindowTies::kMiddle, team).base, 97);
}

TEST(PairsTest, CountsOfPairsAndWhatLiesOutsideGiveBackThoseOfSymbols) {
  for (const std::size_t far_every : {70u, 1000u, 1000000u}) {
    const Symbols symbols = levels(60, 3, far_every, 5);
    const auto singles = count(symbols);
    core::OneThread team;
    core::PlaneTables plane{};
    plane.window = core::choose_window(singles.data(), core::WindowTies::kMiddle, team);
    for (std::size_t i = 0; i < symbols.size(); i += 2) {
      plane.counted.pairs[plane.window.pair(symbols[i], symbols[i + 1])]++;
      for (const std::size_t k : {i, i + 1})
        if (!plane.window.has(symbols[k])) plane.counted.outside[symbols[k]]++;
    }
    core::PlaneChoice pairs, found;
    core::choose_pairs(plane.counted, plane.window, pairs, found, plane.replacement, team);
    EXPECT_TRUE(std::equal(singles.begin(), singles.end(), found.counts)) << far_every;
    for (const cpu::Kernels* kernels : cpu::available_kernels()) {
      Symbols packed(symbols.size() / 2), back(symbols.size());
      core::PairCounts counts{};
      kernels->pack_pairs(symbols.data(), packed.size(), plane.window, packed.data(), counts.outside);
      for (const auto pair : packed) counts.pairs[pair]++;
      EXPECT_EQ(std::memcmp(&counts, &plane.counted, sizeof counts), 0) << kernels->name;
      kernels->unpack_pairs(packed.data(), packed.size(), plane.window.base, back.data());
      for (std::size_t i = 0; i < symbols.size(); i++)
        ASSERT_EQ(back[i], plane.window.has(symbols[i]) ? symbols[i] : plane.window.filler) << i;
    }
  }
}

// Pairs that nothing is coded as are replaced by one that stays and, if there is any, shares a symbol.
TEST(PairsTest, RarePairsAreReplacedByTheirLikes) {
  core::PairCounts counts{};
  const core::PairWindow window{100, 100, 1};
  counts.pairs[0x00] = 1 << 20;
  counts.pairs[0x11] = 900000;
  counts.pairs[0x01] = 500000;
  counts.pairs[0x21] = 1;  // near 0x01, 0x11
  counts.pairs[0x33] = 2;  // near none
  core::PlaneChoice pairs, singles;
  std::uint8_t replacement[256];
  core::OneThread team;
  const core::PairDecision decision = core::choose_pairs(counts, window, pairs, singles, replacement, team);
  EXPECT_EQ(replacement[0x21], 0x11);
  EXPECT_EQ(replacement[0x33], 0x00);
  EXPECT_EQ(replacement[0x01], 0x01);
  EXPECT_EQ(pairs.counts[0x11], 900001u);
  EXPECT_EQ(pairs.counts[0x00], (1u << 20) + 2);
  EXPECT_EQ(pairs.counts[0x21] + pairs.counts[0x33], 0u);
  EXPECT_EQ(decision.records, 1u + 2 * 2);
  EXPECT_TRUE(decision.pairs);
}

TEST(PairsTest, AWarpChoosesLikeOneThread) {
  std::uint64_t scratch[core::kLanes];
  core::WarpTeam<cpu::PortableWarp> warp{scratch};
  core::OneThread thread;
  int paired = 0;
  for (std::uint32_t seed = 0; seed < 60; seed++) {
    std::mt19937 random(seed);
    const std::size_t far_every = seed % 3 == 0 ? 80 : seed % 3 == 1 ? 3000 : 1u << 30;
    const auto middle = static_cast<double>(random() % 256), deviation = 0.3 + static_cast<double>(random() % 60) / 10;
    const Symbols symbols = levels(middle, deviation, far_every, seed);
    auto one = std::make_unique<core::PlaneTables>(), many = std::make_unique<core::PlaneTables>();
    core::PlaneChoice work[2] = {};
    const auto choose = [&](core::PlaneTables& plane, auto& team) {
      plane.keep = 1;
      plane.window = core::choose_window(count(symbols).data(),
                                         seed % 2 == 0 ? core::WindowTies::kLowest : core::WindowTies::kMiddle, team);
      if (plane.window.usable != 0) {
        Symbols packed(symbols.size() / 2);
        cpu::portable_kernels().pack_pairs(symbols.data(), packed.size(), plane.window, packed.data(),
                                           plane.counted.outside);
        for (const auto pair : packed) plane.counted.pairs[pair]++;
      } else {
        for (const auto symbol : symbols) plane.counted.pairs[symbol]++;
      }
      core::choose_plane_table(plane, work, team);
    };
    choose(*one, thread);
    choose(*many, warp);
    EXPECT_EQ(std::memcmp(one.get(), many.get(), sizeof *one), 0) << seed;
    paired += one->paired;
  }
  EXPECT_GT(paired, 5);
  EXPECT_LT(paired, 50);
}

}  // namespace
}  // namespace weft
