#include "archive/bytes.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace weft::archive {
namespace {

TEST(Bytes, IntegersAreLittleEndian) {
  std::byte place[4];
  store_le(place, std::uint32_t{0x04030201});
  for (int i = 0; i < 4; i++) EXPECT_EQ(static_cast<int>(place[i]), i + 1);
  EXPECT_EQ(load_le<std::uint32_t>(place), 0x04030201u);
  EXPECT_EQ(load_le<std::uint16_t>(place + 1), 0x0302);
}

}  // namespace
}  // namespace weft::archive
