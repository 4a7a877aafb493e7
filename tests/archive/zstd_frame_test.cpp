#include "archive/zstd_frame.hpp"

#include <gtest/gtest.h>

#include <array>
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

TEST(ZstdFrame, PartsMakeOneFrameOfTheirContent) {
  for (const auto& [first, second] : {std::pair{0, 0}, {0, 5}, {5, 0}, {1, 1}, {300, 200}, {20000, 300000}}) {
    const Bytes a = text(static_cast<std::size_t>(first)), b = noise(static_cast<std::size_t>(second));
    const std::array<std::span<const std::byte>, 2> parts{a, b};
    Bytes frame, whole = a;
    whole.insert(whole.end(), b.begin(), b.end());
    const std::size_t size = write_zstd_frame(parts, 19, frame);
    EXPECT_EQ(size, frame.size());
    Bytes back(whole.size());
    EXPECT_EQ(read_zstd_frame(frame, back), "") << first << " " << second;
    EXPECT_EQ(back, whole);
  }
}

TEST(ZstdFrame, WhatDoesNotCompressSpoilsNothing) {
  Bytes skewed(2000);
  std::mt19937 random(4);
  for (auto& byte : skewed) byte = static_cast<std::byte>(random() % 16);
  const Bytes random_bytes = noise(2000);
  const std::array<std::span<const std::byte>, 2> parts{skewed, random_bytes};
  Bytes whole = skewed, frame;
  whole.insert(whole.end(), random_bytes.begin(), random_bytes.end());
  const std::size_t apart = write_zstd_frame(parts, 19, frame);
  const std::size_t together = write_zstd_frame(whole, 19, frame);
  EXPECT_LT(apart, 2000u + 2000u / 2 + 120);
  EXPECT_LT(apart, together);
}

}  // namespace
}  // namespace weft::archive
