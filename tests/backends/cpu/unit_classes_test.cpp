// Segments of streams with scales, whose plane 0 may be coded by class.
#include <algorithm>
#include <cmath>

#include "backends/cpu/segments.hpp"
#include "support/weights.hpp"
#include "trellis/scales.hpp"

namespace weft {
namespace {

using test::Bytes;

// Rows of 96 weights in a box of 40 matrices of 5 rows: scales of rows and of columns, some beyond the classes.
Scales make_scales() {
  Scales scales{14, {{1, {}}, {96, {}}}};
  std::mt19937 random(5);
  for (int i = 0; i < 96; i++)
    scales.factors[0].codes.push_back(static_cast<std::int8_t>(static_cast<int>(random() % 7) - 3));
  for (int i = 0; i < 200; i++)
    scales.factors[1].codes.push_back(static_cast<std::int8_t>(static_cast<int>(random() % 13) - 6));
  return scales;
}

// Weights as wide as their classes say, of a segment that begins with this unit of the stream.
std::vector<double> draw_scaled(const Scales& scales, std::size_t n, std::uint64_t first, std::uint64_t seed) {
  std::vector<double> values = testing::draw_weights(n, seed);
  std::vector<std::uint8_t> classes(n);
  trellis::scale_classes(scales, first, classes);
  for (std::size_t i = 0; i < n; i++) values[i] *= std::exp2(classes[i] / 3.0 - 6);
  return values;
}

struct Sizes {
  std::size_t plain, by_class;
};

// Codes the units with and without scales, and expects the same units from both.
Sizes code_both_ways(SegmentView view, const Scales& scales, const CodecSpec& spec, const Bytes& units,
                     EncodedSegment& segment) {
  const Bytes plain = test::round_trip(view, spec, units, segment);
  const std::size_t plain_size = segment.bytes.size();
  EXPECT_TRUE(segment.class_tables.empty());
  view.scales = &scales;
  EXPECT_EQ(test::round_trip(view, spec, units, segment), plain);
  if (!segment.class_tables.empty()) {
    const trellis::ClassRange range = trellis::class_range(scales);
    EXPECT_FALSE(segment.tables[0]);
    EXPECT_EQ(segment.table_of_class.size(), static_cast<std::size_t>(range.highest - range.lowest) + 1);
    EXPECT_LE(segment.class_tables.size(), core::kMostClassTables);
  }
  return {plain_size, segment.bytes.size()};
}

SegmentView view_from(CodecId codec, DType dtype, const Bytes& units, int block_log2, std::uint64_t first) {
  SegmentView view = test::segment_view(codec, dtype, units.size(), block_log2);
  view.first_unit = first;
  return view;
}

TEST(UnitClassesTest, LosslessFloatsAreSmaller) {
  const Scales scales = make_scales();
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64})
    for (const bool pairs : {false, true})
      for (const std::uint64_t first : {0u, 12345u}) {
        const Bytes units = test::to_units(dtype, draw_scaled(scales, 150'001, first, 1));
        CodecSpec spec;
        spec.pairs = pairs;
        EncodedSegment segment;
        const Sizes sizes =
            code_both_ways(view_from(CodecId::kLossless, dtype, units, 14, first), scales, spec, units, segment);
        EXPECT_FALSE(segment.class_tables.empty()) << name_of(dtype);
        EXPECT_LT(sizes.by_class, sizes.plain) << name_of(dtype);
      }
}

TEST(UnitClassesTest, ScalesThatSayNothingChangeNothing) {
  const Scales scales = make_scales();
  const Bytes units = test::to_units(DType::kBF16, testing::draw_weights(150'000, 1));
  EncodedSegment segment;
  const Sizes sizes =
      code_both_ways(view_from(CodecId::kLossless, DType::kBF16, units, 14, 0), scales, {}, units, segment);
  EXPECT_TRUE(segment.class_tables.empty());
  EXPECT_EQ(sizes.by_class, sizes.plain);
}

TEST(UnitClassesTest, IndicesAreSmaller) {
  const Scales scales = make_scales();
  for (const std::size_t entries : {40u, 256u, 1000u})
    for (const std::uint64_t first : {0u, 12345u}) {
      std::vector<Codebook> books(1);
      for (std::size_t i = 0; i < entries; i++)
        books[0].values.push_back(static_cast<float>(static_cast<double>(i) / static_cast<double>(entries) * 8 - 4));
      const CodebookStream stream{{0}, 0, 0, 0, 1, static_cast<std::uint8_t>(entries > 256 ? 2 : 1)};
      auto values = draw_scaled(scales, 100'000, first, 2);
      for (const std::size_t i : {0u, 1u, 16383u, 16384u, 99'999u}) values[i] = std::nan("");
      const Bytes units = test::to_units(DType::kF32, values);
      SegmentView view = view_from(CodecId::kCodebook, DType::kF32, units, 14, first);
      view.codebook = &stream;
      view.codebooks = books;
      EncodedSegment segment;
      const Sizes sizes = code_both_ways(view, scales, {}, units, segment);
      EXPECT_FALSE(segment.class_tables.empty()) << entries;
      EXPECT_LT(sizes.by_class, sizes.plain * 99 / 100) << entries;
    }
}

TEST(UnitClassesTest, BlocksThatUseNoTableHaveNone) {
  const Scales scales = make_scales();
  // Few values that repeat: zstd takes over.
  Bytes units = test::to_units(DType::kF32, draw_scaled(scales, 1000, 0, 3));
  const Bytes period = units;
  while (units.size() < 4u * 60'000) units.insert(units.end(), period.begin(), period.end());
  EncodedSegment segment;
  (void)code_both_ways(view_from(CodecId::kLossless, DType::kF32, units, 14, 0), scales, {}, units, segment);
  EXPECT_TRUE(segment.class_tables.empty());
  EXPECT_TRUE(segment.table_of_class.empty());
}

TEST(UnitClassesTest, AnyRunOfBlocksDecodesAloneAndDamageIsAFault) {
  const Scales scales = make_scales();
  const Bytes units = test::to_units(DType::kBF16, draw_scaled(scales, 50'000, 777, 4));
  SegmentView view = view_from(CodecId::kLossless, DType::kBF16, units, 12, 777);
  view.scales = &scales;
  EncodedSegment segment;
  const auto coder = cpu::make_segment_coder(cpu::active_kernels());
  coder->encode(view, {}, units, segment);
  ASSERT_FALSE(segment.class_tables.empty());
  const auto blocks = test::blocks_of(view, segment);
  Bytes out(2 * 2 * 4096);
  EXPECT_FALSE(coder->decode(segment.with_tables(view), 3, std::span(blocks).subspan(3, 2), out));
  EXPECT_TRUE(std::equal(out.begin(), out.end(), units.begin() + 3 * 2 * 4096));
  // With the tables of other classes.
  SegmentView other = segment.with_tables(view);
  std::reverse(other.class_tables.begin(), other.class_tables.end());
  const auto fault = coder->decode(other, 3, std::span(blocks).subspan(3, 1), std::span(out).first(2 * 4096));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->block, 3u);
  other.class_tables.clear();
  EXPECT_EQ(coder->decode(other, 3, std::span(blocks).subspan(3, 1), std::span(out).first(2 * 4096))->reason,
            "a coded plane has no frequency table");
}

}  // namespace
}  // namespace weft
