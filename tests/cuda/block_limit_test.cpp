#include "block_limit.hpp"

#include <gtest/gtest.h>

#include "weft/error.hpp"

namespace weft::cuda {
namespace {

TEST(BlockLimit, IsANumberAndNothingElse) {
  EXPECT_EQ(parse_block_limit(nullptr), 0u);
  EXPECT_EQ(parse_block_limit("1"), 1u);
  EXPECT_EQ(parse_block_limit("65535"), 65535u);
  for (const char* wrong : {"", "0", "-1", "+3", " 3", "3 ", "3x", "3.0", "0x3", "65536", "4294967297"})
    EXPECT_THROW((void)parse_block_limit(wrong), Error) << wrong;
}

}  // namespace
}  // namespace weft::cuda
