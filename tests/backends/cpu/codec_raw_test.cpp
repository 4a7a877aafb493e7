#include "backends/cpu/segments.hpp"

namespace weft {
namespace {

using test::Bytes;

TEST(RawCodecTest, UnitsComeBack) {
  for (const DType dtype : {DType::kU8, DType::kF16, DType::kF64}) {
    const Bytes units = test::random_bytes(4008, 1);
    const SegmentView view = test::segment_view(CodecId::kRaw, dtype, units.size(), 10);
    EncodedSegment segment;
    EXPECT_EQ(test::round_trip(view, CodecSpec{}, units, segment), units);
    EXPECT_EQ(segment.plane_bytes, units.size());
  }
}

TEST(AssetCodecTest, TextShrinksAndNoiseStaysRaw) {
  Bytes text;
  while (text.size() < 100000) {
    const auto line = std::as_bytes(std::span("\"token\": 12345, "));
    text.insert(text.end(), line.begin(), line.end());
  }
  EncodedSegment segment;
  EXPECT_EQ(test::round_trip(test::segment_view(CodecId::kAsset, DType::kU8, text.size(), 20), {}, text, segment),
            text);
  EXPECT_LT(segment.bytes.size(), 1000u);
  const Bytes noise = test::random_bytes(100000, 2);
  EXPECT_EQ(test::round_trip(test::segment_view(CodecId::kAsset, DType::kU8, noise.size(), 20), {}, noise, segment),
            noise);
  EXPECT_LT(segment.bytes.size(), noise.size() + 64);
}

}  // namespace
}  // namespace weft
