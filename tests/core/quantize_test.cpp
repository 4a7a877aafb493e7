#include "weft/core/quantize.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace weft {
namespace {

TEST(QuantizeTest, LevelsAndCodesAreOneToOne) {
  for (const int low_bits : {0, 4, 8}) {
    const std::int32_t lowest = core::lowest_level(low_bits), highest = core::highest_level(low_bits);
    EXPECT_EQ(highest - lowest + 1, 256 << low_bits);
    for (std::int32_t level = lowest; level <= highest; level++) {
      const std::uint32_t code = core::level_code(level, low_bits);
      ASSERT_LT(code, 256u << low_bits);
      ASSERT_EQ(core::level_of(code >> low_bits, code & ((1u << low_bits) - 1), low_bits), level);
    }
    EXPECT_EQ(core::level_code(0, low_bits) >> low_bits, 128u);
  }
}

TEST(QuantizeTest, AThresholdBelongsToTheLowerLevel) {
  const std::int32_t lowest = -128;
  std::vector<std::int32_t> upper(257);
  for (std::int32_t i = 0; i < 257; i++) upper[static_cast<std::size_t>(i)] = (lowest + i - 1) * 1024 + 100;
  EXPECT_EQ(core::level_by_threshold(5 * 1024 + 100, upper.data(), lowest), 5);
  EXPECT_EQ(core::level_by_threshold(5 * 1024 + 101, upper.data(), lowest), 6);
  EXPECT_EQ(core::level_by_threshold(-3 * 1024 + 100, upper.data(), lowest), -3);
  EXPECT_EQ(core::level_by_threshold(-3 * 1024 + 101, upper.data(), lowest), -2);
  EXPECT_EQ(core::level_by_threshold(0, upper.data(), lowest), 0);
}

TEST(QuantizeTest, CorrectionsMoveLevelsTowardsZeroAndKeepSymmetry) {
  const std::int8_t corrections[3] = {10, -4, 3};
  EXPECT_EQ(core::fine_level(0, corrections), 0);
  EXPECT_EQ(core::fine_level(1, corrections), 54);
  EXPECT_EQ(core::fine_level(2, corrections), 132);
  EXPECT_EQ(core::fine_level(3, corrections), 189);
  EXPECT_EQ(core::fine_level(100, corrections), 6397);
  for (std::int32_t level = 1; level < 300; level++)
    EXPECT_EQ(core::fine_level(-level, corrections), -core::fine_level(level, corrections));
}

}  // namespace
}  // namespace weft
