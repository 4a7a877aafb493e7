#include "backends/cpu/segments.hpp"
#include "weft/core/half.hpp"

namespace weft {
namespace {

using test::Bytes;

constexpr DType kAllTypes[] = {DType::kBool, DType::kU8,  DType::kI8,     DType::kU16,    DType::kI16,  DType::kU32,
                               DType::kI32,  DType::kU64, DType::kI64,    DType::kF16,    DType::kBF16, DType::kF32,
                               DType::kF64,  DType::kC64, DType::kF8E4M3, DType::kF8E5M2, DType::kF4};

Bytes bf16(const std::vector<float>& values) {
  std::vector<std::uint16_t> units(values.size());
  for (std::size_t i = 0; i < units.size(); i++) units[i] = core::f32_to_bf16(std::bit_cast<std::uint32_t>(values[i]));
  return test::bytes_of(units);
}

void expect_exact(DType dtype, const Bytes& units, int block_log2 = 16) {
  const SegmentView view = test::segment_view(CodecId::kLossless, dtype, units.size(), block_log2);
  EXPECT_TRUE(test::round_trip(view, CodecSpec{}, units) == units)
      << name_of(dtype) << ", " << units.size() << " bytes";
}

TEST(LosslessCodecTest, AnyBytesOfAnyTypeComeBack) {
  for (const DType dtype : kAllTypes) {
    const auto size = static_cast<std::size_t>(unit_bytes(dtype));
    for (const std::size_t n : {1u, 2u, 31u, 1025u, 5000u}) {
      expect_exact(dtype, test::random_bytes(n * size, 1), 10);
      expect_exact(dtype, Bytes(n * size, std::byte{0}), 10);
      expect_exact(dtype, Bytes(n * size, std::byte{0xFF}), 10);
      Bytes sparse(n * size);
      for (std::size_t i = 0; i < sparse.size(); i += 7) sparse[i] = static_cast<std::byte>(i);
      expect_exact(dtype, sparse, 10);
    }
  }
}

TEST(LosslessCodecTest, SpecialFloatsComeBackBitByBit) {
  auto values = test::gaussian(5003, 1e-30f, 3);
  const float inf = std::numeric_limits<float>::infinity();
  const float specials[] = {
      inf, -inf, -0.0f, 1e-45f, -1e-40f, 1e30f, std::bit_cast<float>(0x7FC12345u), std::bit_cast<float>(0xFF800001u)};
  for (std::size_t i = 0; i < std::size(specials); i++) values[i * 500 + 7] = specials[i];
  expect_exact(DType::kF32, test::bytes_of(values));
  expect_exact(DType::kF64, test::bytes_of(std::vector<double>(values.begin(), values.end())));
  expect_exact(DType::kBF16, bf16(values));
}

TEST(LosslessCodecTest, Bf16IsCloseToTheEntropyOfItsExponents) {
  const auto values = test::gaussian(1 << 20, 0.02f, 5);
  const Bytes units = bf16(values);
  std::array<double, 256> counts{};
  for (std::size_t i = 0; i < values.size(); i++) {
    std::uint16_t unit;
    std::memcpy(&unit, units.data() + 2 * i, 2);
    counts[unit >> 7 & 255]++;
  }
  double floor = 8;
  const auto n = static_cast<double>(values.size());
  for (const double count : counts)
    if (count > 0) floor -= count / n * std::log2(count / n);
  const SegmentView view = test::segment_view(CodecId::kLossless, DType::kBF16, units.size());
  for (const bool pairs : {false, true}) {
    EncodedSegment segment;
    CodecSpec spec;
    spec.pairs = pairs;
    EXPECT_TRUE(test::round_trip(view, spec, units, segment) == units);
    EXPECT_EQ(segment.tables[0]->pair_base.has_value(), pairs);
    const double bits = 8 * static_cast<double>(segment.bytes.size()) / n;
    EXPECT_GT(bits, floor);
    EXPECT_LT(bits, floor + (pairs ? 0.026 : 0.02));
  }
}

TEST(LosslessCodecTest, ValuesThatRepeatAreCodedAsSuch) {
  const auto period = test::gaussian(1000, 1.0f, 9);
  std::vector<float> values;
  while (values.size() < 70000) values.insert(values.end(), period.begin(), period.end());
  EncodedSegment segment;
  const SegmentView view = test::segment_view(CodecId::kLossless, DType::kF32, 4 * values.size());
  const Bytes units = test::bytes_of(values);
  EXPECT_TRUE(test::round_trip(view, CodecSpec{}, units, segment) == units);
  EXPECT_LT(segment.bytes.size(), 12000u);  // the period takes 4000 bytes, in each of two blocks
  EXPECT_FALSE(segment.tables[0]);          // nothing uses it
  EXPECT_EQ(segment.bytes[4] & std::byte{3}, std::byte{3});
}

TEST(LosslessCodecTest, AnyRunOfBlocksDecodesAlone) {
  const Bytes units = bf16(test::gaussian(5000, 1.0f, 2));
  const SegmentView view = test::segment_view(CodecId::kLossless, DType::kBF16, units.size(), 10);
  EncodedSegment segment;
  const auto coder = cpu::make_segment_coder(cpu::active_kernels());
  coder->encode(view, CodecSpec{}, units, segment);
  const auto blocks = test::blocks_of(view, segment);
  ASSERT_EQ(blocks.size(), 5u);
  Bytes out(2 * (1024 + 904));
  EXPECT_FALSE(coder->decode(segment.with_tables(view), 3, std::span(blocks).subspan(3), out));
  EXPECT_TRUE(std::equal(out.begin(), out.end(), units.begin() + 3 * 2048));
}

}  // namespace
}  // namespace weft
