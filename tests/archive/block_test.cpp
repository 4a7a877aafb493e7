#include "archive/block.hpp"

#include <gtest/gtest.h>

#include "archive/bytes.hpp"
#include "backends/cpu/kernels.hpp"
#include "support/expect_error.hpp"

namespace weft::archive {
namespace {

using testing::expect_error;

const ChecksumFunction kChecksum = cpu::portable_kernels().crc32c;

std::vector<std::byte> some_bytes(std::size_t n, int from = 1) {
  std::vector<std::byte> bytes(n);
  for (std::size_t i = 0; i < n; i++) bytes[i] = static_cast<std::byte>(from + static_cast<int>(i));
  return bytes;
}

// Planes of all modes that a codec of four planes could ask for.
std::vector<std::byte> make_block(std::uint64_t units) {
  std::vector<std::byte> out;
  BlockBuilder block(out, units, 4);
  block.add_bytes(PlaneMode::kRaw, some_bytes(5));
  block.add_constant(77);
  block.add_bytes(PlaneMode::kRans, some_bytes(6, 100), 3);
  block.add_bytes(PlaneMode::kZstd, some_bytes(3, 50));
  EXPECT_EQ(block.finish(kChecksum), out.size());
  EXPECT_EQ(block.plane_bytes(), 14u);
  return out;
}

void seal(std::vector<std::byte>& block) {
  store_le(block.data(), kChecksum(reinterpret_cast<const std::uint8_t*>(block.data()) + 4, block.size() - 4));
}

void set_descriptor(std::vector<std::byte>& block, std::size_t plane, std::uint32_t value) {
  store_le(block.data() + 4 + 4 * plane, value);
  seal(block);
}

TEST(Block, PlanesComeBack) {
  for (const std::uint64_t units : {5u, 16383u, 16384u, 1u << 18}) {
    const auto bytes = make_block(units);
    BlockView view;
    ASSERT_EQ(view.parse(bytes, {CodecId::kLossless, units, 4}, kChecksum), "");
    EXPECT_EQ(view.plane(0).mode, PlaneMode::kRaw);
    EXPECT_TRUE(std::ranges::equal(view.plane(0).bytes, some_bytes(5)));
    EXPECT_EQ(view.plane(1).mode, PlaneMode::kConstant);
    EXPECT_EQ(view.plane(1).constant, 77);
    EXPECT_TRUE(view.plane(1).bytes.empty());
    EXPECT_EQ(view.plane(2).mode, PlaneMode::kRans);
    EXPECT_EQ(view.plane(2).lanes_log2, 3);
    EXPECT_TRUE(std::ranges::equal(view.plane(2).bytes, some_bytes(6, 100)));
    EXPECT_EQ(view.plane(3).mode, PlaneMode::kZstd);
    EXPECT_TRUE(std::ranges::equal(view.plane(3).bytes, some_bytes(3, 50)));
    for (const int plane : {0, 2, 3}) {
      const auto at = static_cast<std::uint64_t>(view.plane(plane).bytes.data() - bytes.data());
      EXPECT_EQ(at % block_alignment(CodecId::kLossless, units), 0u);
    }
  }
}

TEST(Block, BlocksAreAlignedAndPaddedWithZeros) {
  std::vector<std::byte> out;
  BlockBuilder first(out, 16384, 1);
  first.add_bytes(PlaneMode::kRaw, some_bytes(3));
  const std::uint32_t first_size = first.finish(kChecksum);
  EXPECT_EQ(first_size, 19u);  // the plane begins at byte 16
  BlockBuilder second(out, 16384, 1);
  second.add_constant(9);
  const std::uint32_t second_size = second.finish(kChecksum);
  ASSERT_EQ(out.size(), 32u + second_size);
  for (std::size_t i = 8; i < 16; i++) EXPECT_EQ(out[i], std::byte{0});
  for (std::size_t i = 19; i < 32; i++) EXPECT_EQ(out[i], std::byte{0});
  BlockView view;
  EXPECT_EQ(view.parse(std::span(out).subspan(32), {CodecId::kLossless, 16384, 1}, kChecksum), "");
  EXPECT_EQ(view.plane(0).constant, 9);
}

TEST(Block, EveryBitIsChecked) {
  const auto good = make_block(100);
  for (std::size_t bit = 0; bit < 8 * good.size(); bit++) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    BlockView view;
    EXPECT_EQ(view.parse(bad, {CodecId::kLossless, 100, 4}, kChecksum), "its checksum is wrong") << bit;
  }
}

TEST(Block, EveryTruncationIsRefused) {
  const auto good = make_block(100);
  for (std::size_t size = 0; size < good.size(); size++) {
    std::vector<std::byte> bad(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    BlockView view;
    EXPECT_NE(view.parse(bad, {CodecId::kLossless, 100, 4}, kChecksum), "") << size;
    if (size < 4) continue;
    seal(bad);
    EXPECT_NE(view.parse(bad, {CodecId::kLossless, 100, 4}, kChecksum), "") << size;
  }
}

TEST(Block, FaultsUnderARightChecksum) {
  const auto fault = [](std::size_t plane, std::uint32_t descriptor) {
    auto bytes = make_block(100);
    set_descriptor(bytes, plane, descriptor);
    BlockView view;
    return view.parse(bytes, {CodecId::kLossless, 100, 4}, kChecksum);
  };
  const std::uint32_t raw = 5u << 8;
  EXPECT_EQ(fault(0, raw), "");
  for (const std::uint32_t bit : {5, 6, 7})
    EXPECT_EQ(fault(0, raw | 1u << bit), "a reserved bit of a plane descriptor is set");
  EXPECT_EQ(fault(0, raw | 1u << 2), "a plane descriptor has an invalid lane count");
  EXPECT_EQ(fault(2, 2u | 6u << 2 | 6u << 8), "a plane descriptor has an invalid lane count");
  EXPECT_EQ(fault(2, 2u | 5u << 2 | 6u << 8), "");
  EXPECT_EQ(fault(1, 1u | 256u << 8), "a constant plane has an invalid symbol");
  EXPECT_EQ(fault(0, 1000u << 8), "a plane runs past the end of the block");
  EXPECT_EQ(fault(0, 0xFFFFFFu << 8), "a plane runs past the end of the block");
  EXPECT_EQ(fault(3, 3u | 2u << 8), "it is longer than its planes");
  auto longer = make_block(100);
  longer.push_back(std::byte{0});
  seal(longer);
  BlockView view;
  EXPECT_EQ(view.parse(longer, {CodecId::kLossless, 100, 4}, kChecksum), "it is longer than its planes");
}

TEST(Block, PaddingIsPartOfTheBlock) {
  auto bytes = make_block(16384);
  ASSERT_EQ(bytes[20], std::byte{0});  // 20 bytes of descriptors, then up to 32
  BlockView view;
  bytes[21] = std::byte{1};
  EXPECT_EQ(view.parse(bytes, {CodecId::kLossless, 16384, 4}, kChecksum), "its checksum is wrong");
  seal(bytes);
  EXPECT_NE(view.parse(bytes, {CodecId::kLossless, 16384, 4}, kChecksum), "") << "bytes between planes must be zero";
}

TEST(Block, ABuilderRefusesWhatCannotBeSaid) {
  std::vector<std::byte> out;
  BlockBuilder huge(out, 1u << 18, 1);
  const std::vector<std::byte> plane(kMaxPlaneBytes + std::size_t{1});
  expect_error(ErrorKind::kInternal, {"larger"}, [&] { huge.add_bytes(PlaneMode::kRaw, plane); });
  out.clear();
  BlockBuilder unfinished(out, 100, 2);
  unfinished.add_constant(1);
  expect_error(ErrorKind::kInternal, {"planes"}, [&] { unfinished.finish(kChecksum); });
}

// A block of codec trellis.
struct TrellisCase {
  std::vector<std::byte> bytes, first, far;
  [[nodiscard]] std::string fault() const {
    BlockView view;
    return view.parse(bytes, {CodecId::kTrellis, 100, 2}, kChecksum);
  }
};

TrellisCase trellis_block(std::size_t words, std::size_t far) {
  TrellisCase block{{}, some_bytes(2 * words), some_bytes(far, 70)};
  const std::uint32_t size = put_trellis_block(block.bytes, 5, block.first, block.far, kChecksum);
  EXPECT_EQ(size, block.bytes.size());
  return block;
}

TEST(TrellisBlocks, PlanesComeBackBehindAShortHead) {
  for (const std::size_t far : {0u, 1u, 4u, 70000u}) {
    const TrellisCase block = trellis_block(33, far);
    EXPECT_EQ(block.bytes.size(), (far == 0 ? 6u : 8u) + 66 + far);
    BlockView view;
    ASSERT_EQ(view.parse(block.bytes, {CodecId::kTrellis, 1u << 18, 2}, kChecksum), "");
    EXPECT_EQ(view.plane(0).mode, PlaneMode::kRans);
    EXPECT_EQ(view.plane(0).lanes_log2, 5);
    EXPECT_TRUE(std::ranges::equal(view.plane(0).bytes, block.first));
    EXPECT_EQ(view.plane(1).mode, PlaneMode::kRaw);
    EXPECT_TRUE(std::ranges::equal(view.plane(1).bytes, block.far));
    EXPECT_EQ((view.plane(0).bytes.data() - block.bytes.data()) % 2, 0);
  }
  std::vector<std::byte> raw(1);  // it begins at an even place
  const auto units = some_bytes(30);
  EXPECT_EQ(put_raw_trellis_block(raw, units, kChecksum), 36u);
  BlockView view;
  ASSERT_EQ(view.parse(std::span(raw).subspan(2), {CodecId::kTrellis, 15, 2}, kChecksum), "");
  EXPECT_EQ(view.plane(0).mode, PlaneMode::kRaw);
  EXPECT_TRUE(std::ranges::equal(view.plane(0).bytes, units));
  EXPECT_TRUE(view.plane(1).bytes.empty());
}

TEST(TrellisBlocks, FaultsUnderARightChecksum) {
  const auto fault = [](std::size_t far, std::size_t at, int value, std::size_t size = 0) {
    TrellisCase block = trellis_block(8, far);
    block.bytes[at] = static_cast<std::byte>(value);
    if (size > 0) block.bytes.resize(size);
    seal(block.bytes);
    return block.fault();
  };
  EXPECT_EQ(fault(0, 4, 3), "");
  EXPECT_EQ(fault(4, 4, 16 | 3), "");
  for (const int bit : {32, 64, 128}) EXPECT_EQ(fault(0, 4, bit), "a reserved bit of its head is set");
  for (const int head : {6, 7, 8 | 1, 8 | 5}) EXPECT_EQ(fault(0, 4, head), "its head has an invalid lane count");
  EXPECT_EQ(fault(0, 5, 1), "a reserved byte of its head is not zero");
  EXPECT_EQ(fault(4, 4, 16 | 8), "its head announces far weights that cannot be there");
  EXPECT_EQ(fault(4, 4, 16, 7), "its head announces far weights that cannot be there");
  EXPECT_EQ(fault(4, 5, 0), "its head announces far weights of no size");
  EXPECT_EQ(fault(4, 5, 21), "its far weights run past the end of the block");
  EXPECT_EQ(fault(4, 5, 20), "");  // and no words, which is the codec's business
  EXPECT_EQ(fault(4, 7, 1), "its far weights run past the end of the block");
}

TEST(TrellisBlocks, EveryBitAndByteCounts) {
  const TrellisCase good = trellis_block(8, 4);
  for (std::size_t bit = 0; bit < 8 * good.bytes.size(); bit++) {
    TrellisCase bad = good;
    bad.bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_EQ(bad.fault(), "its checksum is wrong") << bit;
  }
  for (std::size_t size = 0; size < good.bytes.size(); size++) {
    TrellisCase bad = good;
    bad.bytes.resize(size);
    EXPECT_NE(bad.fault(), "") << size;
  }
}

}  // namespace
}  // namespace weft::archive
