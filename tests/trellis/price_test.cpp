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
  std::vector<float> values = gaussian(50000, 1);
  for (std::size_t i = 2; i < values.size(); i++) values[i] += 0.6f * values[i - 1] + 0.25f * values[i - 2];
  for (const std::size_t wanted : {50000u, 12000u}) {
    Priced priced(values, wanted);
    double energy = 0;
    for (const float v : values) energy += static_cast<double>(v) * static_cast<double>(v);
    const double deviation = std::sqrt(energy / 50000);
    priced.pricing.set_classes(class_of(deviation), {});
    priced.pricing.quantize();
    const double flat = priced.pricing.bits()[3];
    std::array<std::int8_t, 3> taps{};
    const double shrinkage = priced.pricing.fit_taps(taps);
    EXPECT_NEAR(taps[0], 0.6 * 64, 3);
    EXPECT_NEAR(taps[1], 0.25 * 64, 3);
    EXPECT_NEAR(taps[2], 0, 3);
    EXPECT_NEAR(shrinkage, -std::log2(deviation), 0.03);
    priced.pricing.set_classes(class_of(1), {});
    priced.pricing.quantize(taps);
    EXPECT_LT(priced.pricing.bits()[3], flat - 0.3 * 50000);
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
        std::array<std::int8_t, 3> taps{};
        EXPECT_TRUE(std::isfinite(priced.pricing.fit_taps(taps)));
        priced.pricing.quantize(taps);
        for (const double bits : priced.pricing.bits()) EXPECT_TRUE(bits >= 0 && bits < 100.0 * 121) << n;
        std::array<std::int8_t, core::kEnergyBins> shifts{};
        EXPECT_TRUE(std::isfinite(priced.pricing.fit_shifts(0, shifts)));
        for (const std::int8_t shift : shifts) EXPECT_LE(std::abs(shift), core::kMaxShift);
      }
    }
}

}  // namespace
}  // namespace weft::trellis
