#include "weft/core/byte_planes.hpp"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(BytePlanesTest, TheSignGoesToTheBottomAndBack) {
  EXPECT_EQ(core::rotate_sign_down<std::uint16_t>(0x8000), 0x0001);
  EXPECT_EQ(core::rotate_sign_down<std::uint16_t>(0xBF80), 0x7F01);  // -1 in BF16: exponent 127 on top
  EXPECT_EQ(core::rotate_sign_down<std::uint64_t>(0x8000000000000000u), 1u);
  for (std::uint32_t unit = 0; unit < 0x10000; unit++) {
    const auto bits = static_cast<std::uint16_t>(unit);
    ASSERT_EQ(core::rotate_sign_up(core::rotate_sign_down(bits)), bits);
  }
}

TEST(BytePlanesTest, PlaneZeroIsTheMostSignificantByte) {
  EXPECT_EQ(core::plane_byte<std::uint32_t>(0x11223344, 0), 0x11);
  EXPECT_EQ(core::plane_byte<std::uint32_t>(0x11223344, 3), 0x44);
  EXPECT_EQ(core::plane_byte<std::uint64_t>(0x1122334455667788u, 1), 0x22);
}

}  // namespace
}  // namespace weft
