#include "trellis/price.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace weft::trellis {
namespace {

constexpr std::array<std::uint64_t, 3> kNoView{1, 1, 1};

std::vector<float> gaussian(std::size_t n, double deviation) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal(0, deviation);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(normal(random));
  return values;
}

int class_of(double deviation) { return static_cast<int>(std::lrint(3 * std::log2(16 * deviation))); }

// Takes all of the values, or `wanted` of them.
struct Priced {
  PricingWork work;
  Pricing pricing;
  explicit Priced(std::span<const float> values, std::size_t wanted = SIZE_MAX / 2) {
    pricing.take(values, kNoView, wanted, work);
  }
};

TEST(Price, GaussianWeightsCostTheirEntropyUnderTheGaussianShape) {
  for (const double deviation : {1.0, 4.0}) {
    const std::vector<float> values = gaussian(20000, deviation);
    Priced priced(values);
    EXPECT_EQ(priced.pricing.weight(), 1);
    priced.pricing.set_classes(class_of(deviation), {});
    priced.pricing.quantize();
    const ShapeBits bits = priced.pricing.bits();
    for (std::size_t s = 0; s < 3; s++) EXPECT_GT(bits[s], bits[3]) << s;
    // The cell of an index is two steps.
    const double entropy = 0.5 * std::log2(2 * M_PI * M_E * (deviation * deviation + 1.0 / 3) / 4);
    EXPECT_NEAR(bits[3] / 20000, entropy, 0.05) << deviation;
    // A wrong class is dearer, and by how much is known.
    priced.pricing.set_classes(class_of(deviation) + 6, {});
    priced.pricing.quantize();
    EXPECT_NEAR((priced.pricing.bits()[3] - bits[3]) / 20000, 2 + 0.5 * (1.0 / 16 - 1) / std::log(2.0), 0.2);
  }
}

TEST(Price, ASampleStandsForTheWhole) {
  const std::vector<float> values = gaussian(100000, 3);
  Priced whole(values), part(values, 6000);
  EXPECT_NEAR(part.pricing.weight(), 100000.0 / 6000, 0.2);
  for (Priced* priced : {&whole, &part}) {
    priced->pricing.set_classes(class_of(3), {});
    priced->pricing.quantize();
  }
  EXPECT_NEAR(part.pricing.bits()[3] / whole.pricing.bits()[3], 1, 0.02);
}

TEST(Price, CodesOfFactorsMakeTheClasses) {
  std::vector<float> values = gaussian(64 * 200, 1);
  for (std::size_t i = 0; i < values.size(); i++) values[i] *= i / 200 % 2 == 0 ? 1.0f : 8.0f;
  Priced priced(values);
  ScaleFactor rows{200, std::vector<std::int8_t>(64)};
  for (std::size_t i = 0; i < 64; i++) rows.codes[i] = i % 2 == 0 ? 0 : 9;
  SampledCodes codes;
  priced.pricing.sample(rows, codes);
  const SampledCodes* all[] = {&codes};
  priced.pricing.set_classes(class_of(1), all);
  priced.pricing.quantize();
  const double scaled = priced.pricing.bits()[3];
  for (int base = 12; base < 24; base++) {
    priced.pricing.set_classes(base, {});
    priced.pricing.quantize();
    for (const double bits : priced.pricing.bits()) EXPECT_GT(bits, scaled + 1000) << base;
  }
}

TEST(Price, TapsAreThoseOfTheProcess) {
  std::vector<float> values = gaussian(50000, 8);
  for (std::size_t i = 2; i < values.size(); i++) values[i] += 0.6f * values[i - 1] + 0.25f * values[i - 2];
  for (const std::size_t wanted : {50000u, 12000u}) {
    Priced priced(values, wanted);
    double energy = 0;
    for (const float v : values) energy += static_cast<double>(v) * static_cast<double>(v);
    const double deviation = std::sqrt(energy / 50000) / 8;
    priced.pricing.set_classes(class_of(8 * deviation), {});
    priced.pricing.quantize();
    const double flat = priced.pricing.bits()[3];
    const TapFit fit = priced.pricing.fit_taps(9);  // no place in nine is another than the others
    ASSERT_EQ(fit.taps.size(), 1u);
    EXPECT_TRUE(fit.classes.empty());
    EXPECT_NEAR(fit.taps[0][0], 0.6 * 32, 2);
    EXPECT_NEAR(fit.taps[0][1], 0.25 * 32, 2);
    EXPECT_NEAR(fit.taps[0][2], 0, 2);
    EXPECT_NEAR(fit.taps[0][3], 0, 2);
    EXPECT_NEAR(fit.log2_left, -std::log2(deviation), 0.05);
    EXPECT_NEAR(fit.saved_bits, 50000 * std::log2(deviation), 0.06 * 50000);
    priced.pricing.set_classes(class_of(8), {});
    priced.pricing.quantize(fit.taps);
    EXPECT_LT(priced.pricing.bits()[3], flat - 0.3 * 50000);
  }
}

// Kernels of nine weights around a value of their own, which the first of them tells of.
TEST(Price, TapsFollowThePlaceInAKernel) {
  std::vector<float> values = gaussian(9 * 6000, 2);
  const std::vector<float> offsets = gaussian(6000, 4);
  for (std::size_t i = 0; i < values.size(); i++) values[i] += offsets[i / 9];
  const double deviation = std::sqrt(4.0 + 16.0);
  for (const std::size_t wanted : {9u * 6000, 12000u}) {
    Priced priced(values, wanted);
    priced.pricing.set_classes(class_of(deviation), {});
    const TapFit alike = priced.pricing.fit_taps(1), fit = priced.pricing.fit_taps(9);
    ASSERT_EQ(fit.taps.size(), 9u);
    EXPECT_EQ(fit.taps[0], (std::array<std::int8_t, 4>{}));
    EXPECT_NEAR(fit.taps[1][0], 0.8 * 32, 2);
    EXPECT_EQ(fit.taps[1][1], 0);
    for (const std::int8_t tap : fit.taps[8]) EXPECT_NEAR(tap, 32 * 4.0 / 17, 2);
    // The first weight is as wide as it was, and the others are less so.
    ASSERT_EQ(fit.classes.size(), 9u);
    EXPECT_NEAR(fit.classes[0] - fit.classes[8], 3 * std::log2(deviation / std::sqrt(4 + 16.0 / 17)), 1.01);
    EXPECT_GT(fit.saved_bits, alike.saved_bits + 0.2 * 54000);
    ScaleFactor places{1, fit.classes};
    SampledCodes codes;
    priced.pricing.sample(places, codes);
    const SampledCodes* all[] = {&codes};
    priced.pricing.quantize();
    const double flat = priced.pricing.bits()[3];
    priced.pricing.set_classes(static_cast<int>(std::lrint(class_of(deviation) + 3 * fit.log2_left)), all);
    const TapFit again = priced.pricing.fit_taps(9);
    priced.pricing.quantize(again.taps);
    EXPECT_NEAR(flat - priced.pricing.bits()[3], fit.saved_bits, 0.1 * 54000);
  }
}

// Taps of few weights are noise, which costs what it takes to store and saves nothing elsewhere.
TEST(Price, ChanceSavesNothing) {
  for (const std::size_t n : {100u, 1000u, 10000u}) {
    const std::vector<float> values = gaussian(n, 3);
    for (const std::size_t wanted : {n, n / 4}) {
      Priced priced(values, wanted);
      priced.pricing.set_classes(class_of(3), {});
      for (const std::uint32_t period : {1u, 2u, 9u, 64u}) EXPECT_LT(priced.pricing.fit_taps(period).saved_bits, 5);
    }
  }
}

TEST(Price, LocalEnergyIsFound) {
  std::vector<float> values = gaussian(40000, 1);
  std::array<std::int8_t, core::kEnergyBins> shifts{};
  {
    Priced steady(values);
    steady.pricing.set_classes(class_of(1), {});
    steady.pricing.quantize();
    EXPECT_LT(steady.pricing.fit_shifts(3, shifts), 100);
  }
  for (std::size_t i = 0; i < values.size(); i++) values[i] *= i / 100 % 2 == 0 ? 1.0f : 5.0f;
  Priced bursts(values);
  bursts.pricing.set_classes(class_of(2.5), {});
  bursts.pricing.quantize();
  EXPECT_GT(bursts.pricing.fit_shifts(3, shifts), 2000);
  EXPECT_LT(shifts.front(), 0);
  EXPECT_GT(shifts.back(), 0);
}

TEST(Price, HistogramsCountWhatIsPriced) {
  const std::vector<float> values = gaussian(30000, 3);
  for (const std::size_t wanted : {30000u, 6000u}) {
    Priced priced(values, wanted);
    priced.pricing.set_classes(class_of(3), {});
    priced.pricing.quantize();
    for (const int shift : {0, -2}) {
      std::array<std::int8_t, core::kEnergyBins> shifts{};
      shifts.fill(static_cast<std::int8_t>(shift));
      const Histogram histogram = priced.pricing.count(shifts);
      const PriceBook& book = PriceBook::with({class_of(3) - 2, class_of(3)});
      double count = 0, bits = 0;
      for (const auto& e : histogram.entries) {
        EXPECT_EQ(static_cast<int>(e.entry) / static_cast<int>(PriceBook::kClassEntries), class_of(3) + shift);
        count += e.count * histogram.weight;
        bits += e.count * histogram.weight * static_cast<double>(book.of(e.entry)[3]);
      }
      EXPECT_NEAR(count, 30000, 1e-6);
      if (shift == 0) {
        EXPECT_NEAR(bits, priced.pricing.bits()[3], 1e-4 * bits);
      }
    }
  }
}

TEST(Price, FewAndHugeWeightsAreFinite) {
  for (const std::size_t n : {1u, 3u, 59u, 60u, 61u, 121u})
    for (const float huge : {0.0f, 1e30f, INFINITY}) {
      std::vector<float> values = gaussian(n, 2);
      values[n / 2] = huge;
      Priced priced(values);
      EXPECT_EQ(priced.pricing.weight(), 1);
      for (const int base : {-500, 0, 20, 31, 500}) {
        priced.pricing.set_classes(base, {});
        priced.pricing.quantize();
        for (const std::uint32_t period : {1u, 9u, 64u}) {
          const TapFit fit = priced.pricing.fit_taps(period);
          EXPECT_TRUE(std::isfinite(fit.saved_bits) && std::isfinite(fit.log2_left));
          if (!fit.taps.empty()) priced.pricing.quantize(fit.taps);
        }
        for (const double bits : priced.pricing.bits()) EXPECT_TRUE(bits >= 0 && bits < 100.0 * 121) << n;
        std::array<std::int8_t, core::kEnergyBins> shifts{};
        EXPECT_TRUE(std::isfinite(priced.pricing.fit_shifts(0, shifts)));
        for (const std::int8_t shift : shifts) EXPECT_LE(std::abs(shift), core::kMaxShift);
      }
    }
}

}  // namespace
}  // namespace weft::trellis
