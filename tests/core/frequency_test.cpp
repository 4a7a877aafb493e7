#include "weft/core/frequency.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>
#include <random>

namespace weft {
namespace {

using Counts = std::array<std::uint64_t, 256>;
using Frequencies = std::array<std::uint16_t, 256>;

double code_bits(const Counts& counts, const Frequencies& frequencies) {
  double bits = 0;
  for (std::size_t s = 0; s < 256; s++)
    if (counts[s] != 0) bits += static_cast<double>(counts[s]) * (12 - std::log2(frequencies[s]));
  return bits;
}

std::vector<Counts> many_counts() {
  std::mt19937_64 random(3);
  std::vector<Counts> all;
  for (int kind = 0; kind < 16; kind++) {
    Counts counts{};
    for (std::size_t s = 0; s < 256; s++) {
      if (kind % 4 == 0) counts[s] = 1 + random() % 1000;
      if (kind % 4 == 1) counts[s] = random() % 3 == 0 ? std::uint64_t{1} << random() % 40 : 0;
      if (kind % 4 == 2)
        counts[s] = static_cast<std::uint64_t>(1e6 * std::exp(-std::abs(128.0 - static_cast<double>(s)) / (kind + 1)));
      if (kind % 4 == 3) counts[s] = s < static_cast<std::size_t>(kind) ? 1 : 0;
    }
    counts[static_cast<std::size_t>(kind)] += 5;
    all.push_back(counts);
  }
  Counts extreme{};
  extreme.fill(1);
  extreme[17] = (std::uint64_t{1} << 40) - 1;
  all.push_back(extreme);
  return all;
}

TEST(NormaliseTest, SumsToTheScaleAndKeepsEverySymbol) {
  for (const Counts& counts : many_counts()) {
    Frequencies f;
    const int distinct = core::normalise(counts.data(), f.data());
    EXPECT_EQ(std::accumulate(f.begin(), f.end(), 0u), core::kProbScale);
    int seen = 0;
    for (std::size_t s = 0; s < 256; s++) {
      if (distinct > 1) {
        EXPECT_EQ(counts[s] != 0, f[s] != 0) << s;
      }
      seen += counts[s] != 0 ? 1 : 0;
    }
    EXPECT_EQ(distinct, seen);
  }
}

TEST(NormaliseTest, NoMoveOfOneUnitMakesTheCodeNoticeablyShorter) {
  for (const Counts& counts : many_counts()) {
    Frequencies f;
    if (core::normalise(counts.data(), f.data()) < 2) continue;
    const double bits = code_bits(counts, f);
    for (std::size_t from = 0; from < 256; from++) {
      if (f[from] < 2) continue;
      for (std::size_t to = 0; to < 256; to++) {
        if (to == from || counts[to] == 0) continue;
        Frequencies moved = f;
        moved[from]--;
        moved[to]++;
        EXPECT_GT(code_bits(counts, moved), bits * (1 - 1e-5)) << from << " to " << to;
      }
    }
  }
}

TEST(NormaliseTest, ALoneSymbolGetsANeighbour) {
  for (const std::size_t symbol : {0u, 100u, 254u, 255u}) {
    Counts counts{};
    counts[symbol] = 9;
    Frequencies f;
    EXPECT_EQ(core::normalise(counts.data(), f.data()), 1);
    EXPECT_EQ(f[symbol], core::kProbScale - 1);
    EXPECT_EQ(f[symbol < 255 ? symbol + 1 : 254], 1);
  }
}

TEST(NormaliseTest, NothingGivesNothing) {
  Frequencies f;
  f.fill(7);
  EXPECT_EQ(core::normalise(Counts{}.data(), f.data()), 0);
  EXPECT_EQ(f, Frequencies{});
}

TEST(DecodeTableTest, SaysSymbolFrequencyAndOffsetOfEverySlot) {
  Frequencies f{};
  f[3] = 4000, f[4] = 1, f[255] = 95;
  std::vector<std::uint32_t> table(core::kProbScale);
  core::build_decode_table(f.data(), table.data());
  EXPECT_EQ(table[0], core::pack_slot(3, 4000, 0));
  EXPECT_EQ(table[3999], core::pack_slot(3, 4000, 3999));
  EXPECT_EQ(table[4000], core::pack_slot(4, 1, 0));
  EXPECT_EQ(table[4095], core::pack_slot(255, 95, 94));
}

// The encoder's state update as rans_encode.hpp computes it.
std::uint32_t update(std::uint32_t x, const core::EncodeTable& table, std::size_t symbol) {
  const std::uint32_t step = table.step[symbol];
  const auto high = static_cast<std::uint32_t>((std::uint64_t{x} * table.reciprocal[symbol]) >> 32);
  return x + (step >> core::kStepBiasAt) + (high >> (step >> core::kStepShiftAt & 31)) * (step & 4095);
}

TEST(EncodeTableTest, ReciprocalsDivideExactly) {
  // A reciprocal errs first just below or at a multiple of f, and large states are the hardest.
  for (std::uint32_t f = 1; f < core::kProbScale; f++) {
    Frequencies frequencies{};
    frequencies[9] = static_cast<std::uint16_t>(core::kProbScale - f);
    frequencies[10] = static_cast<std::uint16_t>(f);
    core::EncodeTable table;
    core::build_encode_table(frequencies.data(), table);
    const std::uint32_t c = core::kProbScale - f, end = f << core::kRefillShift;
    const auto check = [&](std::uint32_t x) {
      ASSERT_EQ(update(x, table, 10), x / f * core::kProbScale + x % f + c) << x << " / " << f;
    };
    std::uint32_t quotient = end / f;
    for (int i = 0; i < 300; i++, quotient--) check(quotient * f - 1), check((quotient - 1) * f);
    for (std::uint32_t q = 8; q < (1u << core::kRefillShift); q += 4099) check(q * f - 1), check(q * f);
  }
}

TEST(CodeLengthTest, IsTheLogarithmRoundedDown) {
  for (std::uint32_t f = 1; f <= core::kProbScale; f++) {
    const double exact = 256 * (12 - std::log2(f));
    EXPECT_LE(core::code_length(f), exact + 1e-6) << f;
    EXPECT_GT(core::code_length(f), exact - 1.001) << f;
  }
}

}  // namespace
}  // namespace weft
