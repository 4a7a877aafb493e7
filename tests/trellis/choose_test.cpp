#include "trellis/choose.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <utility>

namespace weft::trellis {
namespace {

constexpr Allowed kNothing{
    .scales = false, .prediction = false, .energy = false, .only_prediction = false, .views = false};

std::vector<float> gaussian(std::size_t n, double deviation, std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, deviation);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(normal(random));
  return values;
}

// A random walk towards zero along the data, with neighbours `apart` elements apart.
std::vector<float> smooth(std::size_t n, std::size_t apart) {
  std::vector<float> values = gaussian(n, 1);
  for (std::size_t i = apart; i < n; i++) values[i] += 0.9f * values[i - apart];
  return values;
}

Choices choose_model(std::span<const float> values, std::span<const std::uint64_t> shape, const Allowed& allowed) {
  return ModelChooser().choose(values, shape, allowed);
}

bool has_view(const TrellisStream& stream) { return stream.view != std::array<std::uint64_t, 3>{1, 1, 1}; }

TEST(Choose, PlainWeightsGetAPlainModel) {
  const std::vector<std::uint64_t> shape{100, 100};
  const Choice choice = choose_model(gaussian(10000, 2), shape, {}).best;
  EXPECT_FALSE(has_view(choice.stream));
  EXPECT_TRUE(choice.stream.factors.empty());
  EXPECT_TRUE(choice.stream.taps.empty());
  EXPECT_NEAR(choice.stream.base_class, 3 * std::log2(16 * 2), 1.01);
  EXPECT_LT(choice.side_bits, 400);
}

TEST(Choose, RowsOfDifferentSizesGetScales) {
  std::vector<float> values = gaussian(64 * 200, 1);
  for (std::size_t i = 0; i < values.size(); i++) values[i] *= i / 200 % 3 == 0 ? 4.0f : 0.7f;
  const std::vector<std::uint64_t> shape{64, 200};
  const Choice choice = choose_model(values, shape, {}).best;
  EXPECT_FALSE(choice.stream.factors.empty());
  EXPECT_TRUE(choose_model(values, shape, kNothing).best.stream.factors.empty());
}

TEST(Choose, SmoothWeightsArePredicted) {
  const std::vector<std::uint64_t> shape{80, 100};
  const Choice choice = choose_model(smooth(8000, 1), shape, {}).best;
  EXPECT_TRUE(choice.stream.predicts);
  ASSERT_EQ(choice.stream.taps.size(), 1u);
  EXPECT_GT(choice.stream.taps[0][0], 16);
  EXPECT_FALSE(choose_model(smooth(8000, 1), shape, kNothing).best.stream.predicts);
}

TEST(Choose, WhatIsSmoothAcrossTheDataGetsAView) {
  const std::vector<std::uint64_t> shape{80, 100};
  const std::vector<float> values = smooth(8000, 100);
  const Choice choice = choose_model(values, shape, {}).best;
  ASSERT_TRUE(has_view(choice.stream));
  EXPECT_EQ(choice.stream.view[0] * choice.stream.view[1] * choice.stream.view[2], 8000u);
  EXPECT_TRUE(choice.stream.predicts);
  Allowed no_views;
  no_views.views = false;
  EXPECT_FALSE(has_view(choose_model(values, shape, no_views).best.stream));
}

TEST(Choose, TheBestWithoutPredictionComesOnDemand) {
  const std::vector<std::uint64_t> shape{80, 100};
  Allowed both;
  both.flat = true;
  const Choices smooth_choices = choose_model(smooth(8000, 1), shape, both);
  ASSERT_TRUE(smooth_choices.flat.has_value());
  EXPECT_NE(smooth_choices.best.stream.taps, smooth_choices.flat->stream.taps);
  EXPECT_TRUE(smooth_choices.flat->stream.taps.empty());
  const Choices plain = choose_model(gaussian(8000, 2), shape, both);
  EXPECT_EQ(plain.flat->stream.base_class, plain.best.stream.base_class);
  EXPECT_FALSE(choose_model(gaussian(8000, 2), shape, {}).flat.has_value());
}

// A chooser keeps memory from tensor to tensor, and nothing else.
TEST(Choose, WhatCameBeforeDoesNotMatter) {
  const std::vector<std::vector<std::uint64_t>> shapes{{80, 100}, {3, 7}, {16, 8, 3, 3}, {300, 100}, {64, 16, 1, 1}};
  ModelChooser used;
  for (int round = 0; round < 2; round++)
    for (const auto& shape : shapes) {
      std::size_t n = 1;
      for (const std::uint64_t d : shape) n *= d;
      std::vector<float> values = smooth(n, shape.back());
      for (std::size_t i = 0; i < n; i++) values[i] *= i / shape.back() % 3 == 0 ? 4.0f : 0.7f;
      Allowed allowed;
      allowed.flat = true;
      const Choices fresh = ModelChooser().choose(values, shape, allowed), again = used.choose(values, shape, allowed);
      for (const auto& [a, b] : {std::pair(fresh.best, again.best), std::pair(*fresh.flat, *again.flat)}) {
        EXPECT_EQ(a.side_bits, b.side_bits);
        EXPECT_EQ(a.stream.view, b.stream.view);
        EXPECT_EQ(a.stream.taps, b.stream.taps);
        EXPECT_EQ(a.stream.shifts, b.stream.shifts);
        EXPECT_EQ(a.stream.base_class, b.stream.base_class);
        ASSERT_EQ(a.stream.factors.size(), b.stream.factors.size());
        for (std::size_t f = 0; f < a.stream.factors.size(); f++)
          EXPECT_EQ(a.stream.factors[f].codes, b.stream.factors[f].codes);
      }
    }
}

// Kernels whose weights lie around a value of their own: in PyTorch's order, and in Keras's, where they get a view.
TEST(Choose, KernelsArePredictedPlaceByPlace) {
  constexpr std::size_t kKernels = 64 * 40;
  const std::vector<float> noise = gaussian(9 * kKernels, 2), offsets = gaussian(kKernels, 3, 2);
  std::vector<float> values(9 * kKernels), turned(9 * kKernels);
  for (std::size_t i = 0; i < values.size(); i++) {
    values[i] = noise[i] + offsets[i / 9];
    turned[i % 9 * kKernels + i / 9] = values[i];
  }
  const Choice choice = choose_model(values, std::vector<std::uint64_t>{64, 40, 3, 3}, {}).best;
  EXPECT_EQ(choice.stream.taps.size(), 9u);
  EXPECT_FALSE(has_view(choice.stream));
  const Choice other = choose_model(turned, std::vector<std::uint64_t>{3, 3, 40, 64}, {}).best;
  EXPECT_EQ(other.stream.taps.size(), 9u);
  EXPECT_TRUE(has_view(other.stream));
  // The first weight of a kernel is as wide as all were, and the others are less so.
  for (const Choice* found : {&choice, &other}) {
    ASSERT_FALSE(found->stream.factors.empty());
    const ScaleFactor& places = found->stream.factors.back();
    EXPECT_EQ(places.inner, 1u);
    ASSERT_EQ(places.codes.size(), 9u);
    EXPECT_GT(places.codes[0], places.codes[8]);
  }
}

// What a decoder insists on, whatever the weights.
TEST(Choose, EveryModelIsOneThatTheIndexCanHold) {
  std::uint32_t seed = 0;
  const std::vector<std::vector<std::uint64_t>> shapes = {
      {},           {1},          {7},           {1, 1, 1},  {1, 500},
      {500, 1},     {3, 5, 7},    {16, 8, 3, 3}, {64, 1, 5}, {2, 2, 2, 2, 2, 2},
      {9, 7, 8, 8}, {3, 5, 9, 9}, {200, 1, 3, 3}};
  for (const auto& shape : shapes)
    for (int kind = 0; kind < 5; kind++) {
      std::size_t n = 1;
      for (const std::uint64_t d : shape) n *= d;
      std::vector<float> values = kind == 0 ? std::vector<float>(n) : gaussian(n, kind == 1 ? 1e-3 : 3, ++seed);
      if (kind == 2) values[n / 2] = 1e6f;
      if (kind == 3) std::fill(values.begin(), values.end(), 2.5f);
      const TrellisStream stream = choose_model(values, shape, {}).best.stream;
      EXPECT_LE(std::abs(stream.base_class), 1024);
      EXPECT_LE(stream.factors.size(), 3u);
      for (const ScaleFactor& f : stream.factors) {
        ASSERT_FALSE(f.codes.empty());
        EXPECT_EQ(n % (f.inner * f.codes.size()), 0u);
      }
      for (const std::int8_t shift : stream.shifts) EXPECT_LE(std::abs(shift), 4);
      EXPECT_LE(stream.taps.size(), core::kMaxPeriod);
      for (std::size_t place = 0; place < stream.taps.size(); place++)  // what reaches before the period is not stored
        for (std::size_t i = place; stream.taps.size() > 1 && i < 4; i++) EXPECT_EQ(stream.taps[place][i], 0);
      if (has_view(stream)) {
        EXPECT_EQ(stream.view[0] * stream.view[1] * stream.view[2], n);
      }
    }
}

}  // namespace
}  // namespace weft::trellis
