#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/segments.hpp"
#include "support/weights.hpp"

namespace weft {
namespace {

using test::Bytes;
using test::to_units;
using test::to_values;
using testing::draw_weights;

SegmentView view_of(DType dtype, const Bytes& units, const CodebookStream& codebook, int block_log2 = 12) {
  SegmentView view = test::segment_view(CodecId::kCodebook, dtype, units.size(), block_log2);
  view.codebook = &codebook;
  return view;
}

CodebookStream evenly_spread(std::size_t count, float from, float to) {
  CodebookStream codebook;
  for (std::size_t i = 0; i < count; i++)
    codebook.centroids.push_back(from + (to - from) * static_cast<float>(i) / static_cast<float>(count - 1));
  return codebook;
}

// The entries as the element type has them.
std::vector<double> restored_entries(DType dtype, const CodebookStream& codebook) {
  return to_values(dtype, to_units(dtype, {codebook.centroids.begin(), codebook.centroids.end()}));
}

TEST(CodebookCodecTest, EveryWeightBecomesTheNearestEntry) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64})
    for (const std::size_t count : {2u, 3u, 16u, 17u, 255u, 256u}) {
      const CodebookStream codebook = evenly_spread(count, -2.3f, 2.1f);
      const Bytes units = to_units(dtype, draw_weights(9001, 1));
      const auto before = to_values(dtype, units), entries = restored_entries(dtype, codebook);
      const auto after = to_values(dtype, test::round_trip(view_of(dtype, units, codebook), {}, units));
      for (std::size_t i = 0; i < before.size(); i++) {
        double nearest = std::numeric_limits<double>::infinity();
        for (const double entry : entries) nearest = std::min(nearest, std::fabs(entry - before[i]));
        // F64 weights are compared as float32.
        ASSERT_NEAR(std::fabs(after[i] - before[i]), nearest, dtype == DType::kF64 ? 1e-6 : 0) << i;
      }
    }
}

TEST(CodebookCodecTest, TiesGoToTheLowerEntry) {
  const CodebookStream codebook{DType::kF32, {-1, 0, 1}, 0};
  const Bytes units = to_units(DType::kF32, {-0.5, 0.5, std::nextafter(0.5f, 1.0f), -7, 7});
  EXPECT_EQ(to_values(DType::kF32, test::round_trip(view_of(DType::kF32, units, codebook), {}, units)),
            (std::vector<double>{-1, 0, 1, -1, 1}));
}

TEST(CodebookCodecTest, WhatIsNotFiniteComesBackBitByBit) {
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    auto values = draw_weights(5000, 2);
    for (const std::size_t i : {0u, 1u, 4095u, 4096u, 4999u}) values[i] = i % 2 ? nan : i == 0 ? infinity : -infinity;
    const Bytes units = to_units(dtype, values);
    const CodebookStream codebook = evenly_spread(16, -2, 2);
    const Bytes back = test::round_trip(view_of(dtype, units, codebook), {}, units);
    const auto size = static_cast<std::ptrdiff_t>(unit_bytes(dtype));
    for (const std::ptrdiff_t i : {0, 1, 4095, 4096, 4999})
      EXPECT_TRUE(std::equal(units.begin() + i * size, units.begin() + (i + 1) * size, back.begin() + i * size)) << i;
  }
}

TEST(CodebookCodecTest, AnF64BeyondFloat32IsAnException) {
  const Bytes units = to_units(DType::kF64, {1e300, 1, -1e300});
  const CodebookStream codebook{DType::kF32, {0.75f}, 0};
  EXPECT_EQ(to_values(DType::kF64, test::round_trip(view_of(DType::kF64, units, codebook), {}, units)),
            (std::vector<double>{1e300, 0.75, -1e300}));
}

TEST(CodebookCodecTest, OneEntryTakesNoBytes) {
  const Bytes units = to_units(DType::kF32, std::vector<double>(4096, 0.3));
  const CodebookStream codebook{DType::kF32, {0.3f}, 0};
  EncodedSegment segment;
  EXPECT_EQ(test::round_trip(view_of(DType::kF32, units, codebook), {}, units, segment), units);
  EXPECT_EQ(segment.plane_bytes, 0u);
}

TEST(CodebookCodecTest, ABitsPriceTradesErrorForSize) {
  const auto values = draw_weights(50000, 3);
  const Bytes units = to_units(DType::kF32, values);
  CodebookStream codebook = evenly_spread(32, -3, 3);
  const auto run = [&](double price, std::size_t& bytes) {
    codebook.bit_price = price;
    EncodedSegment segment;
    const auto after =
        to_values(DType::kF32, test::round_trip(view_of(DType::kF32, units, codebook, 16), {}, units, segment));
    bytes = segment.bytes.size();
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); i++) sum += (after[i] - values[i]) * (after[i] - values[i]);
    return sum / static_cast<double>(values.size());
  };
  std::size_t plain_bytes = 0, cheap_bytes = 0;
  const double plain = run(0, plain_bytes), cheap = run(0.01, cheap_bytes);
  EXPECT_LT(cheap_bytes, plain_bytes);
  EXPECT_GT(cheap, plain);
  // 0.01 a bit were offered, so what was saved must have cost less.
  EXPECT_LT(cheap - plain, 0.01 * 8 * static_cast<double>(plain_bytes - cheap_bytes) / 50000 * 1.1);
}

TEST(CodebookCodecTest, AnIndexBeyondTheCodebookIsRefused) {
  const auto values = draw_weights(5000, 4);
  const Bytes units = to_units(DType::kF32, values);
  const CodebookStream codebook = evenly_spread(16, -2, 2), shorter = evenly_spread(15, -2, 2);
  const SegmentView view = view_of(DType::kF32, units, codebook);
  EncodedSegment segment;
  (void)test::round_trip(view, {}, units, segment);
  Bytes out(units.size());
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    const auto fault = cpu::make_segment_coder(*kernels)->decode(
        segment.with_tables(view_of(DType::kF32, units, shorter)), 0, test::blocks_of(view, segment), out);
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(fault->reason, "an index is beyond the end of its codebook");
  }
}

}  // namespace
}  // namespace weft
