#include "backends/cpu/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "backends/cpu/segments.hpp"
#include "core/models.hpp"
#include "support/weights.hpp"
#include "weft/core/byte_planes.hpp"
#include "weft/core/half.hpp"
#include "weft/core/quantize.hpp"
#include "weft/core/trellis.hpp"

namespace weft {
namespace {

using test::Guarded;

class KernelsTest : public test::ModelTest {};
WEFT_FOR_ALL_MODELS(KernelsTest);

constexpr std::size_t kSizes[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 1000, 4097};

TEST_P(KernelsTest, ClassesAreNumbered) {
  std::mt19937 random(3);
  std::array<std::uint8_t, core::kScaleClasses> number_of_class{};
  for (auto& number : number_of_class) number = static_cast<std::uint8_t>(random());
  for (const std::size_t n : kSizes) {
    std::vector<std::uint8_t> classes(n);
    for (auto& one : classes) one = static_cast<std::uint8_t>(random() % core::kScaleClasses);
    Guarded<std::uint8_t> numbers(n);
    GetParam()->number_classes(classes.data(), n, number_of_class.data(), numbers.data());
    for (std::size_t i = 0; i < n; i++) ASSERT_EQ(numbers.data()[i], number_of_class[classes[i]]) << n;
    EXPECT_TRUE(numbers.intact());
  }
}

TEST_P(KernelsTest, SplitAndMergeAreInverse) {
  for (const std::size_t n : kSizes) {
    for (const int size : {1, 2, 4, 8}) {
      for (const bool rotate : {false, true}) {
        if (size == 1 && rotate) continue;
        SCOPED_TRACE(::testing::Message() << n << " units of " << size << (rotate ? ", rotated" : ""));
        const auto bytes = static_cast<std::size_t>(size);
        const test::Bytes units = test::random_bytes(n * bytes, static_cast<std::uint32_t>(n));
        std::vector<Guarded<std::uint8_t>> planes(bytes, Guarded<std::uint8_t>(n));
        std::uint8_t* pointers[8];
        for (std::size_t p = 0; p < bytes; p++) pointers[p] = planes[p].data();
        GetParam()->split(units.data(), n, size, rotate, pointers);
        for (std::size_t i = 0; i < n && size == 2; i++) {
          std::uint16_t unit;
          std::memcpy(&unit, units.data() + 2 * i, 2);
          if (rotate) unit = core::rotate_sign_down(unit);
          ASSERT_EQ(planes[0].data()[i], core::plane_byte(unit, 0));
          ASSERT_EQ(planes[1].data()[i], core::plane_byte(unit, 1));
        }
        Guarded<std::byte> merged(units.size());
        GetParam()->merge(pointers, n, size, rotate, merged.data());
        EXPECT_EQ(test::Bytes(merged.data(), merged.end()), units);
        EXPECT_TRUE(merged.intact());
        for (const auto& plane : planes) EXPECT_TRUE(plane.intact());
      }
    }
  }
}

TEST_P(KernelsTest, HistogramAdds) {
  for (const std::size_t n : kSizes) {
    const test::Bytes data = test::random_bytes(n, 1);
    std::uint64_t counts[256], expected[256];
    std::fill_n(counts, 256, 3);
    std::fill_n(expected, 256, 3);
    for (const std::byte byte : data) expected[static_cast<std::size_t>(byte)]++;
    GetParam()->histogram(reinterpret_cast<const std::uint8_t*>(data.data()), n, counts);
    EXPECT_TRUE(std::equal(counts, counts + 256, expected)) << n;
  }
}

TEST_P(KernelsTest, SixteenBitFloatsConvertAsInTheCore) {
  std::vector<std::uint16_t> all(0x10000);
  for (std::uint32_t i = 0; i < all.size(); i++) all[i] = static_cast<std::uint16_t>(i);
  for (const auto& [dtype, widen] : {std::pair{DType::kF16, &core::f16_to_f32}, {DType::kBF16, &core::bf16_to_f32}}) {
    for (const std::size_t n : {std::size_t{5}, all.size()}) {
      Guarded<float> values(n);
      GetParam()->to_float(dtype, std::as_bytes(std::span(all)).data(), n, values.data());
      EXPECT_TRUE(values.intact());
      Guarded<std::uint16_t> back(n);
      GetParam()->from_float(dtype, values.data(), n, std::as_writable_bytes(back.span()).data());
      EXPECT_TRUE(back.intact());
      for (std::size_t i = 0; i < n; i++) {
        if (std::isnan(values.data()[i])) continue;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(values.data()[i]), widen(all[i]));
        ASSERT_EQ(back.data()[i], all[i]);
      }
    }
  }
}

TEST_P(KernelsTest, FloatsRoundToSixteenBitsAsInTheCore) {
  std::mt19937 random(4);
  std::vector<float> values;
  while (values.size() < 100003) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isnan(value)) values.push_back(value);
  }
  for (const auto& [dtype, narrow] : {std::pair{DType::kF16, &core::f32_to_f16}, {DType::kBF16, &core::f32_to_bf16}}) {
    std::vector<std::uint16_t> units(values.size());
    GetParam()->from_float(dtype, values.data(), values.size(), std::as_writable_bytes(std::span(units)).data());
    for (std::size_t i = 0; i < values.size(); i++)
      ASSERT_EQ(units[i], narrow(std::bit_cast<std::uint32_t>(values[i]))) << values[i];
  }
}

TEST_P(KernelsTest, FixedPointRoundsToEvenAndRefusesWhatDoesNotFit) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {0.0f,   -0.0f,   1.0f, 2.5f / 1024, 3.5f / 1024,   -2.5f / 1024, 99.99f,
                                     100.0f, -100.0f, inf,  -inf,        std::nanf(""), 1e30f,        1e-30f};
  std::vector<std::int32_t> fixed(values.size());
  GetParam()->to_fixed(values.data(), values.size(), 1.0f, 100.0f * 1024, fixed.data());
  const std::int32_t out = core::kOutOfRange;
  EXPECT_EQ(fixed, (std::vector<std::int32_t>{0, 0, 1024, 2, 4, -2, 102390, out, out, out, out, out, out, 0}));
}

TEST_P(KernelsTest, InwardSumsAreThoseOfTheDefinition) {
  for (const int low_bits : {0, 4, 8}) {
    std::mt19937 random(static_cast<std::uint32_t>(low_bits));
    std::normal_distribution<float> normal(0, low_bits == 0 ? 1500.0f : 50000.0f);
    std::vector<std::int32_t> fixed(70001);
    for (auto& value : fixed) value = static_cast<std::int32_t>(normal(random));
    fixed[5] = fixed[69999] = core::kOutOfRange;
    std::vector<std::uint8_t> symbols(fixed.size()), low(fixed.size());
    GetParam()->quantize_fine(fixed.data(), fixed.size(), low_bits, symbols.data(), low.data());
    cpu::InwardSums sums, expected;
    GetParam()->sum_inward(fixed.data(), fixed.size(), low_bits, symbols.data(), low.data(), sums);
    for (std::size_t i = 0; i < fixed.size(); i++) {
      const std::int32_t level = core::level_of(symbols[i], low_bits > 0 ? low[i] : 0u, low_bits);
      const std::int32_t value = fixed[i] == core::kOutOfRange ? 0 : fixed[i];
      ASSERT_LE(std::abs(level * 1024 - value), 512);
      if (level == 0 || fixed[i] == core::kOutOfRange) continue;
      const std::size_t k = std::min(std::abs(level), 3) - 1u;
      expected.inward[k] += std::abs(level) * 1024 - (level < 0 ? -fixed[i] : fixed[i]);
      expected.count[k]++;
    }
    for (std::size_t k = 0; k < 3; k++) {
      EXPECT_GT(sums.count[k], 0);
      EXPECT_EQ(sums.inward[k], expected.inward[k]);
      EXPECT_EQ(sums.count[k], expected.count[k]);
    }
  }
}

TEST_P(KernelsTest, NearestEntriesAreThoseOfAllScores) {
  for (const int d : {2, 4, 8})
    for (const std::uint32_t count : {1u, 15u, 17u, 511u, 512u, 1500u}) {
      const auto size = static_cast<std::size_t>(d);
      auto entries = test::gaussian(count * size, 1, count), vectors = test::gaussian(1037 * size, 1, 5);
      std::vector<float> biases(count);
      for (std::size_t j = 0; j < count; j++) {
        for (std::size_t k = 0; k < size; k++) biases[j] += entries[j * size + k] * entries[j * size + k] / 2;
        if (j % 3 == 0) biases[j] += 0.1f;
      }
      if (count > 100)
        std::copy_n(entries.begin(), 40 * size, entries.begin() + static_cast<std::ptrdiff_t>(60 * size));
      if (count > 100) std::copy_n(biases.begin(), 40, biases.begin() + 60);  // of equal ones the first
      vectors[0] = std::numeric_limits<float>::infinity();
      for (const std::size_t n : {0u, 1u, 16u, 1037u}) {
        Guarded<std::uint32_t> indices(n);
        GetParam()->nearest(vectors.data(), n, d, entries.data(), biases.data(), count, indices.data());
        ASSERT_TRUE(indices.intact());
        for (std::size_t i = 1; i < n; i++) {
          std::uint32_t best = 0;
          float least = std::numeric_limits<float>::infinity();
          for (std::uint32_t j = 0; j < count; j++) {
            float score = biases[j];
            for (std::size_t k = 0; k < size; k++) score -= vectors[i * size + k] * entries[j * size + k];
            if (score < least) least = score, best = j;
          }
          ASSERT_EQ(indices.data()[i], best) << d << " " << count << " " << i;
        }
        if (n > 0) {
          EXPECT_LT(indices.data()[0], count);
        }
      }
    }
}

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> floats(std::size_t n, std::uint32_t seed) {
  const std::vector<double> drawn = testing::draw_weights(n, seed);
  return {drawn.begin(), drawn.end()};
}

// As core/row_squares.hpp has it, lane by lane.
TEST_P(KernelsTest, SquareRowAddsUpInLanes) {
  std::vector<float> values = floats(core::kRowPart, 5);
  values[3] = kNaN, values[300] = -kInfinity, values[301] = -1e30f, values[4095] = 1e-40f;
  std::vector<double> weights(values.size());
  for (std::size_t i = 0; i < weights.size(); i++) weights[i] = std::exp2(-2.0 * static_cast<double>(i % 11) / 3);
  for (const double* w : {static_cast<const double*>(nullptr), static_cast<const double*>(weights.data())})
    for (const std::size_t n : {0u, 1u, 31u, 32u, 33u, 255u, 256u, 257u, 300u, 4095u, 4096u}) {
      core::RowPart lanes[core::kSquaresLanes] = {}, part;
      for (std::size_t i = 0; i < n; i++)
        core::add_square<core::FloatType::kF32>(core::bits_of_float(values[i]), w != nullptr ? w + i : nullptr, 0.25f,
                                                lanes[i % core::kSquaresLanes]);
      const core::RowPart expected = core::fold_lanes(lanes);
      GetParam()->square_row(values.data(), n, w, 0.25f, part);
      EXPECT_EQ(part.squares, expected.squares) << n;
      EXPECT_EQ(part.largest, expected.largest);
      EXPECT_EQ(part.finite, expected.finite);
    }
}

template <class Value>
void expect_compared(const cpu::PairSums& sums, const std::vector<Value>& before, const std::vector<Value>& after) {
  cpu::PairSums expected{{}, {}, {}, true};
  for (std::size_t i = 0; i < before.size(); i++) {
    const std::size_t k = i % cpu::PairSums::kParts;
    expected.all_finite = expected.all_finite && std::isfinite(before[i]);
    if (!std::isfinite(before[i])) continue;
    const double value = static_cast<double>(before[i]), error = static_cast<double>(after[i]) - value;
    expected.squares[k] += value * value;
    expected.squared_error[k] += error * error;
    expected.largest_error[k] = std::max(expected.largest_error[k], std::fabs(error));
  }
  EXPECT_TRUE(std::equal(std::begin(sums.squares), std::end(sums.squares), expected.squares));
  EXPECT_TRUE(std::equal(std::begin(sums.squared_error), std::end(sums.squared_error), expected.squared_error));
  EXPECT_TRUE(std::equal(std::begin(sums.largest_error), std::end(sums.largest_error), expected.largest_error));
  EXPECT_EQ(sums.all_finite, expected.all_finite);
}

TEST_P(KernelsTest, CompareAddsUpErrors) {
  for (const std::size_t n : kSizes)
    for (const bool finite : {true, false}) {
      SCOPED_TRACE(::testing::Message() << n << (finite ? " finite" : ""));
      std::vector<float> before = floats(n, 1), after = floats(n, 2);
      for (std::size_t i = 5; i < n && !finite; i += 30) before[i] = i % 4 == 0 ? kInfinity : kNaN;
      for (std::size_t i = 6; i < n && !finite; i += 400) after[i] = -kInfinity;
      cpu::PairSums sums;
      GetParam()->compare(before.data(), after.data(), n, sums);
      expect_compared(sums, before, after);
      std::vector<double> wide(before.begin(), before.end()), wide_after(after.begin(), after.end());
      if (n > 2) wide[2] = 1e300, wide_after[1] = 1e-300;
      GetParam()->compare_wide(wide.data(), wide_after.data(), n, sums);
      expect_compared(sums, wide, wide_after);
    }
}

}  // namespace
}  // namespace weft
