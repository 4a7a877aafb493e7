#include "engine/error_meter.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "support/weights.hpp"

namespace weft::engine {
namespace {

using testing::draw_weights;
using testing::values_of;
using testing::weight_bytes;

ErrorSums measure(DType dtype, const std::string& a, const std::string& b) {
  return measure_error(dtype, std::as_bytes(std::span(a)), std::as_bytes(std::span(b)));
}

// The order of summation that error_meter.hpp promises, written once more: chunks of 4096, 16 interleaved sums each.
ErrorSums recompute(DType dtype, const std::string& a, const std::string& b) {
  const auto before = values_of(dtype, a), after = values_of(dtype, b);
  ErrorSums all;
  for (std::size_t chunk = 0; chunk < before.size(); chunk += 4096) {
    double error[16] = {}, squares[16] = {};
    for (std::size_t i = chunk; i < std::min(before.size(), chunk + 4096); i++) {
      if (!std::isfinite(before[i])) continue;
      const double difference = after[i] - before[i];
      error[(i - chunk) % 16] += difference * difference;
      squares[(i - chunk) % 16] += before[i] * before[i];
      all.largest_error = std::max(all.largest_error, std::fabs(difference));
    }
    for (int k = 0; k < 16; k++) all.squared_error += error[k], all.squares += squares[k];
  }
  return all;
}

TEST(ErrorMeter, AgreesWithARecomputationToTheLastBit) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64})
    for (const std::size_t n : {1u, 15u, 16u, 17u, 4095u, 4096u, 4097u, 10000u}) {
      const std::string a = weight_bytes(dtype, draw_weights(n, n)), b = weight_bytes(dtype, draw_weights(n, n + 1));
      const ErrorSums got = measure(dtype, a, b), expected = recompute(dtype, a, b);
      EXPECT_EQ(got.squared_error, expected.squared_error);
      EXPECT_EQ(got.squares, expected.squares);
      EXPECT_EQ(got.largest_error, expected.largest_error);
      EXPECT_FALSE(got.exact);
      EXPECT_TRUE(got.keeps_non_finite);
      EXPECT_GT(got.squared_error, 0);
    }
}

TEST(ErrorMeter, EqualBytesHaveNoError) {
  const std::string a = weight_bytes(DType::kF32, draw_weights(5000, 1));
  const ErrorSums sums = measure(DType::kF32, a, a);
  EXPECT_TRUE(sums.exact);
  EXPECT_EQ(sums.squared_error, 0);
  EXPECT_EQ(sums.largest_error, 0);
  EXPECT_GT(sums.squares, 0);
}

TEST(ErrorMeter, NonFiniteValuesMustComeBackBitByBit) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    auto values = draw_weights(40, 3);
    values[5] = kInfinity;
    values[20] = -kInfinity;
    values[39] = std::nan("");
    const std::string a = weight_bytes(dtype, values);
    EXPECT_TRUE(measure(dtype, a, a).keeps_non_finite);
    EXPECT_TRUE(std::isfinite(measure(dtype, a, a).squares));
    for (const std::size_t i : {5u, 20u, 39u}) {
      std::string b = a;
      b[i * static_cast<std::size_t>(unit_bytes(dtype))] ^= 1;  // another NaN, or a NaN for an infinity
      EXPECT_FALSE(measure(dtype, a, b).keeps_non_finite) << i;
      EXPECT_FALSE(measure(dtype, a, b).exact);
    }
  }
}

TEST(ErrorMeter, AFiniteValueThatBecomesInfiniteOrNanIsSeen) {
  for (const double lost : {std::numeric_limits<double>::infinity(), std::nan("")}) {
    auto values = draw_weights(40, 3);
    const std::string a = weight_bytes(DType::kF32, values);
    values[7] = lost;
    const ErrorSums sums = measure(DType::kF32, a, weight_bytes(DType::kF32, values));
    EXPECT_FALSE(std::isfinite(sums.squared_error));
    EXPECT_FALSE(sums.exact);
  }
}

TEST(ErrorMeter, MinusZeroIsNotZero) {
  const ErrorSums sums = measure(DType::kF32, weight_bytes(DType::kF32, {0.0}), weight_bytes(DType::kF32, {-0.0}));
  EXPECT_FALSE(sums.exact);
  EXPECT_EQ(sums.squared_error, 0);
}

TEST(ErrorMeter, OtherTypesTellOnlyWhetherTheyAreExact) {
  const std::string a(100, 'x');
  EXPECT_TRUE(measure(DType::kI32, a, a).exact);
  std::string b = a;
  b[99] = 'y';
  EXPECT_FALSE(measure(DType::kI32, a, b).exact);
  EXPECT_EQ(measure(DType::kI32, a, b).squared_error, 0);
}

TEST(ErrorMeter, SumsAdd) {
  ErrorSums a{1, 2, 3, true, true};
  a.add({10, 20, 2, false, true});
  EXPECT_EQ(a.squared_error, 11);
  EXPECT_EQ(a.squares, 22);
  EXPECT_EQ(a.largest_error, 3);
  EXPECT_FALSE(a.exact);
  EXPECT_TRUE(a.keeps_non_finite);
  a.add({0, 0, 5, true, false});
  EXPECT_EQ(a.largest_error, 5);
  EXPECT_FALSE(a.keeps_non_finite);
}

}  // namespace
}  // namespace weft::engine
