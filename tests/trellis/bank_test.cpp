#include "trellis/bank.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

namespace weft::trellis {
namespace {

// Symbols drawn from the tables of a shape, in several classes.
Histogram histogram_of(const Shape& shape, std::uint32_t symbols, std::uint32_t seed) {
  const MassCurve curve(shape);
  std::mt19937 random(seed);
  std::map<std::uint32_t, std::uint32_t> counts;
  for (const int c : {9, 12, 15, 18}) {
    std::uint16_t frequencies[256];
    const int row = c * core::kClassTables;
    curve.frequencies(row, curve.reach(c), frequencies);
    std::discrete_distribution<std::uint32_t> draw(frequencies, frequencies + 256);
    for (std::uint32_t i = 0; i < symbols / 4; i++) counts[static_cast<std::uint32_t>(row) * 256 + draw(random)]++;
  }
  Histogram histogram;
  for (const auto& [entry, count] : counts) histogram.entries.push_back({entry, count});
  return histogram;
}

double bits_under(const Histogram& histogram, const Shape& shape) {
  const MassCurve curve(shape);
  double bits = 0;
  for (const auto& e : histogram.entries) {
    const int row = static_cast<int>(e.entry >> 8);
    float lengths[256];
    curve.code_lengths(row, curve.reach(row / core::kClassTables), 40, lengths);
    bits += e.count * static_cast<double>(lengths[e.entry & 255]);
  }
  return bits;
}

TEST(Bank, FitsWhatItSees) {
  for (const std::size_t truth : {0u, 1u, 3u}) {
    const Shape& shape = typical_shapes()[truth];
    const Histogram histogram = histogram_of(shape, 200000, 1);
    const Histogram* seen[] = {&histogram};
    const Shape fitted = fit_shape(seen, typical_shapes()[2]);
    // Maximum likelihood beats the truth on its own sample, but for the rounding of tables.
    EXPECT_LT(bits_under(histogram, fitted), bits_under(histogram, shape) * 1.002) << truth;
    EXPECT_LT(bits_under(histogram, fitted), bits_under(histogram, typical_shapes()[2]));
    std::uint32_t sum = 0;
    for (const std::uint16_t weight : fitted) sum += weight;
    EXPECT_EQ(sum, kShapeScale);
  }
}

TEST(Bank, WithoutObservationsTheShapeStays) {
  const Histogram none;
  const Histogram* seen[] = {&none};
  EXPECT_EQ(fit_shape(seen, typical_shapes()[1]), typical_shapes()[1]);
  EXPECT_EQ(bits_under(none, typical_shapes()[1]), 0);
}

TEST(Bank, WhatASampleMissesStaysAffordable) {
  // Only zeros seen: without its prior the shape would have no tail, and no symbol beside zero a price below twelve bits.
  Histogram zeros;
  zeros.entries = {{12 * core::kClassTables * 256 + 128, 5000}};
  const Histogram* seen[] = {&zeros};
  const Shape fitted = fit_shape(seen, typical_shapes()[1]);
  Histogram rare;
  rare.entries = {{12 * core::kClassTables * 256 + 129, 1}};
  EXPECT_LT(bits_under(rare, fitted), 11.5);
}

TEST(Bank, SymbolsBeyondReachDecide) {
  // Heavy tails and a class that reaches no further than the symbols that occur only under the first shape.
  const MassCurve heavy(typical_shapes()[0]), gaussian(typical_shapes()[3]);
  constexpr int kClass = 18;
  ASSERT_GT(heavy.reach(kClass), gaussian.reach(kClass) + 4);
  Histogram histogram;
  const std::uint32_t zero = kClass * core::kClassTables * 256 + core::kIndexZero;
  const auto far = static_cast<std::uint32_t>(gaussian.reach(kClass) + 4);
  histogram.entries = {{zero, 400}, {zero + 1, 100}, {zero + far, 5}};
  const Histogram* seen[] = {&histogram};
  for (const std::size_t begin : {0u, 3u})
    EXPECT_GE(MassCurve(fit_shape(seen, typical_shapes()[begin])).reach(kClass), static_cast<int>(far)) << begin;
}

TEST(Bank, AlikeTensorsShareAShape) {
  std::vector<Histogram> histograms;
  for (std::uint32_t i = 0; i < 10; i++) histograms.push_back(histogram_of(typical_shapes()[2], 20000, i));
  const Bank bank = fit_bank(histograms);
  EXPECT_EQ(bank.shapes.size(), 1u);
  EXPECT_EQ(bank.choice, std::vector<std::uint32_t>(10, 0));
}

TEST(Bank, DifferentTensorsGetDifferentShapesWhenThatPays) {
  for (const double weight : {1.0, 0.001}) {
    std::vector<Histogram> histograms;
    for (std::uint32_t i = 0; i < 8; i++) {
      histograms.push_back(histogram_of(typical_shapes()[i % 2 == 0 ? 0 : 3], 50000, i));
      histograms.back().weight = weight;
    }
    const Bank bank = fit_bank(histograms);
    EXPECT_EQ(bank.shapes.size(), weight == 1 ? 2u : 1u);
    for (std::size_t i = 0; i < 8; i++) EXPECT_EQ(bank.choice[i], bank.choice[i % 2]) << i;
    EXPECT_EQ(bank.choice[0] != bank.choice[1], weight == 1);
  }
}

// Of nearly equal weights many grow when they get two significant bits: 341 becomes 384, and twelve of those are too many.
TEST(Bank, NearlyEqualWeightsStayAShapeWhenTheyAreRounded) {
  std::mt19937 random(1);
  for (int round = 0; round < 400; round++) {
    Shape flat{};
    const std::size_t first = random() % 20, triangles = 6 + random() % (27 - first - 5);
    for (std::uint32_t i = 0; i < kShapeScale; i++) flat[first + random() % triangles]++;
    const MassCurve curve(flat);
    Histogram histogram;
    for (std::uint32_t c = 0; c < 3; c++) {  // every class once at most, in the order of entries
      const auto row = static_cast<int>((10 * c + random() % 10) * core::kClassTables + random() % 5);
      std::uint16_t frequencies[256];
      curve.frequencies(row, curve.reach(row / core::kClassTables), frequencies);
      std::discrete_distribution<std::uint32_t> draw(frequencies, frequencies + 256);
      std::map<std::uint32_t, std::uint32_t> counts;
      for (int i = 0; i < 8000; i++) counts[static_cast<std::uint32_t>(row) * 256 + draw(random)]++;
      for (const auto& [entry, count] : counts) histogram.entries.push_back({entry, count});
    }
    for (const Shape& shape : fit_bank({&histogram, 1}).shapes) {
      ASSERT_EQ(std::accumulate(shape.begin(), shape.end(), 0u), kShapeScale) << round;
      ASSERT_LE(*std::max_element(shape.begin(), shape.end()), kShapeScale) << round;
    }
  }
}

TEST(Bank, OfNothingHasAShape) {
  const Bank bank = fit_bank({});
  EXPECT_TRUE(bank.choice.empty());
}

}  // namespace
}  // namespace weft::trellis
