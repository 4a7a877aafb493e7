// Rounding is monotone, so it is right everywhere if it is right around the middle between every two neighbours.
#include "weft/core/half.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

namespace weft {
namespace {

TEST(HalfTest, EveryF16HasItsValue) {
  for (std::uint32_t h = 0; h < 0x10000; h++) {
    const auto bits = static_cast<std::uint16_t>(h);
    const int exponent = static_cast<int>(h >> 10 & 31), mantissa = static_cast<int>(h & 1023);
    const std::uint32_t wide = core::f16_to_f32(bits);
    if (exponent == 31) {
      EXPECT_EQ(wide, (h & 0x8000) << 16 | 0x7F800000u | static_cast<std::uint32_t>(mantissa) << 13);
    } else {
      const double value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      EXPECT_EQ(wide, std::bit_cast<std::uint32_t>(static_cast<float>((h & 0x8000) != 0 ? -value : value))) << h;
    }
  }
}

// Checks narrow() around every boundary between the finite patterns of one sign, infinity included.
template <class Narrow, class Widen>
void check_rounding(std::uint16_t infinity, double overflow, Narrow narrow, Widen widen) {
  for (std::uint32_t h = 0; h < infinity; h++) {
    const auto low = static_cast<std::uint16_t>(h), high = static_cast<std::uint16_t>(h + 1);
    const double below = std::bit_cast<float>(widen(low));
    const double above = high == infinity ? overflow : static_cast<double>(std::bit_cast<float>(widen(high)));
    const std::uint32_t middle = std::bit_cast<std::uint32_t>(static_cast<float>((below + above) / 2));
    const std::uint16_t even = (h & 1) != 0 ? high : low;
    for (const std::uint32_t sign : {0u, 0x80000000u}) {
      const auto signed_bits = [&](std::uint16_t bits) { return static_cast<std::uint16_t>(sign >> 16 | bits); };
      EXPECT_EQ(narrow(sign | (middle - 1)), signed_bits(low)) << h;
      EXPECT_EQ(narrow(sign | middle), signed_bits(even)) << h;
      EXPECT_EQ(narrow(sign | (middle + 1)), signed_bits(high)) << h;
      EXPECT_EQ(narrow(sign | widen(low)), signed_bits(low)) << h;
    }
  }
  EXPECT_EQ(narrow(0x7F800000u), infinity);
  EXPECT_EQ(narrow(0xFF800000u), static_cast<std::uint16_t>(0x8000u | infinity));
  for (const std::uint32_t nan : {0x7F800001u, 0x7FC00000u, 0x7FFFFFFFu, 0xFF800001u}) {
    const std::uint16_t narrowed = narrow(nan);
    EXPECT_GT(narrowed & 0x7FFF, infinity);
    EXPECT_EQ(narrowed >> 15, nan >> 31);
  }
}

TEST(HalfTest, F32ToF16RoundsToNearestEven) { check_rounding(0x7C00, 65536.0, core::f32_to_f16, core::f16_to_f32); }
TEST(HalfTest, F32ToBf16RoundsToNearestEven) {
  check_rounding(0x7F80, std::ldexp(1.0, 128), core::f32_to_bf16, core::bf16_to_f32);
}

}  // namespace
}  // namespace weft
