#include "archive/zstd_frame.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace weft::archive {
namespace {

using Bytes = std::vector<std::byte>;

Bytes text(std::size_t n) {
  Bytes bytes(n);
  for (std::size_t i = 0; i < n; i++) bytes[i] = static_cast<std::byte>("weights.layer"[i % 13]);
  return bytes;
}

Bytes noise(std::size_t n) {
  std::mt19937 random(3);
  Bytes bytes(n);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST(ZstdFrame, ComesBack) {
  for (const std::size_t n : {0u, 1u, 300u, 300000u}) {
    for (const Bytes& bytes : {text(n), noise(n)}) {
      Bytes frame, back(n);
      const std::size_t size = write_zstd_frame(bytes, 19, frame);
      EXPECT_EQ(size, frame.size());
      EXPECT_EQ(read_zstd_frame(frame, back), "") << n;
      EXPECT_EQ(back, bytes);
    }
  }
}

TEST(ZstdFrame, OtherSizesAndBytesAfterItAreRefused) {
  const Bytes bytes = text(1000);
  Bytes frame, shorter(999), longer(1001), back(1000);
  write_zstd_frame(bytes, 19, frame);
  EXPECT_NE(read_zstd_frame(frame, shorter), "");
  EXPECT_NE(read_zstd_frame(frame, longer), "");
  EXPECT_NE(read_zstd_frame(std::span(frame).first(frame.size() - 1), back), "");
  frame.push_back(std::byte{0});
  EXPECT_NE(read_zstd_frame(frame, back), "");
  const Bytes skippable{std::byte{0x50}, std::byte{0x2A}, std::byte{0x4D}, std::byte{0x18}, {}, {}, {}, {}};
  EXPECT_NE(read_zstd_frame(skippable, {}), "");
  EXPECT_NE(read_zstd_frame({}, {}), "");
}

}  // namespace
}  // namespace weft::archive
