// Planes that are coded by class, on a device.
#include <cmath>

#include "backends/cpu/segments.hpp"
#include "backends/cuda/decode_batch.hpp"
#include "backends/cuda/segment_coder.hpp"
#include "support/devices.hpp"
#include "support/weights.hpp"
#include "trellis/scales.hpp"

namespace weft {
namespace {

using test::Bytes;

class DecodeClasses : public ::testing::TestWithParam<std::shared_ptr<cuda::Device>> {
 protected:
  std::unique_ptr<Backend> backend_ = cuda::make_device_backend({GetParam()}, 0);
  std::unique_ptr<SegmentCoder> coder_ = backend_->make_coder();
  std::unique_ptr<SegmentCoder> cpu_ = make_cpu_backend()->make_coder();
};

INSTANTIATE_TEST_SUITE_P(Devices, DecodeClasses, ::testing::ValuesIn(testing::devices()), testing::name_of_device);

// Whose codes are -5 to 5.
ScaleFactor draw_factor(std::uint64_t inner, std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  ScaleFactor factor{inner, std::vector<std::int8_t>(count)};
  for (auto& code : factor.codes) code = static_cast<std::int8_t>(static_cast<int>(random() % 11) - 5);
  return factor;
}

// A segment of weights that are as wide as their classes say.
struct Segment {
  Scales scales;
  SegmentView view;
  Bytes units;
  EncodedSegment encoded;

  Segment(DType dtype, Scales with, std::uint64_t first, std::uint64_t n, int block_log2) : scales(std::move(with)) {
    auto values = testing::draw_weights(n, n);
    std::vector<std::uint8_t> classes(n);
    trellis::scale_classes(scales, first, classes);
    for (std::size_t i = 0; i < n; i++) values[i] *= std::exp2(classes[i] / 3.0 - 6);
    units = test::to_units(dtype, values);
    view = test::segment_view(CodecId::kLossless, dtype, units.size(), block_log2);
    view.first_unit = first;
    view.scales = &scales;
    cpu::make_segment_coder(cpu::active_kernels())->encode(view, {}, units, encoded);
    EXPECT_FALSE(encoded.class_tables.empty());
  }
  [[nodiscard]] SegmentView decoding_view() const { return encoded.with_tables(view); }
};

// Whether a device takes the segment's first block.
bool takes(const Segment& segment) {
  const auto block = test::blocks_of(segment.view, segment.encoded).front();
  DecodeItem item{segment.decoding_view(), 0, {&block, 1}, {}, {}};
  return !cuda::DecodeBatch({&item, 1}).empty();
}

TEST_P(DecodeClasses, FactorsOfAnySizeAndBlocksOfAnyLanes) {
  const DType types[] = {DType::kBF16, DType::kF16, DType::kF32, DType::kF64};
  const std::uint64_t far = (std::uint64_t{1} << 35) + 77;
  std::uint32_t number = 0;
  for (const std::uint64_t inner : {1u, 3u, 31u, 32u, 33u, 1000u, 70000u})
    for (const std::size_t count : {2u, 5u, 31u, 700u})
      for (const int block_log2 : {10, 13, 16}) {
        SCOPED_TRACE(std::to_string(inner) + " * " + std::to_string(count) + ", blocks of 2^" +
                     std::to_string(block_log2));
        number++;
        Scales scales{15, {draw_factor(inner, count, number)}};
        scales.factors.push_back(draw_factor(number % 2 == 0 ? 1 : 640, 96, 50));  // so that classes differ
        if (number % 3 == 0) scales.factors.push_back(draw_factor(17, 3, number + 100));
        const Segment segment(types[number % 4], scales, number % 2 == 0 ? far : number, 40'000 + number, block_log2);
        EXPECT_TRUE(takes(segment));
        test::Guarded<std::byte> out(segment.units.size());
        const auto fault =
            coder_->decode(segment.decoding_view(), 0, test::blocks_of(segment.view, segment.encoded), out.span());
        ASSERT_FALSE(fault) << fault->reason;
        ASSERT_TRUE(out.intact());
        ASSERT_TRUE(std::equal(segment.units.begin(), segment.units.end(), out.data()));
      }
}

// Indices of one byte and of two, with units that are exceptions.
TEST_P(DecodeClasses, Codebooks) {
  for (const std::size_t entries : {40u, 256u, 1000u})
    for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF64}) {
      SCOPED_TRACE(std::to_string(entries) + ", type " + std::to_string(static_cast<int>(dtype)));
      Segment segment(dtype, {15, {draw_factor(1, 96, 1), draw_factor(960, 7, 2)}}, 999, 40'000, 14);
      std::vector<Codebook> books(1);
      for (std::size_t i = 0; i < entries; i++)
        books[0].values.push_back(static_cast<float>(i) / static_cast<float>(entries) * 8 - 4);
      const CodebookStream stream{{0}, 0, 0, 0, 1, static_cast<std::uint8_t>(entries > 256 ? 2 : 1)};
      segment.view.codec = CodecId::kCodebook;
      segment.view.codebook = &stream;
      segment.view.codebooks = books;
      for (const std::size_t i : {0u, 16383u, 16384u})
        std::fill_n(segment.units.begin() + static_cast<std::ptrdiff_t>(i) * unit_bytes(dtype), unit_bytes(dtype),
                    std::byte{0xFF});
      cpu_->encode(segment.view, {}, segment.units, segment.encoded);
      EXPECT_FALSE(segment.encoded.class_tables.empty());
      EXPECT_TRUE(takes(segment));
      const auto blocks = test::blocks_of(segment.view, segment.encoded);
      Bytes expected(segment.units.size()), out(segment.units.size());
      EXPECT_FALSE(cpu_->decode(segment.decoding_view(), 0, blocks, expected));
      EXPECT_FALSE(coder_->decode(segment.decoding_view(), 0, blocks, out));
      EXPECT_EQ(out, expected);
    }
}

// What a device does not know the CPU decodes.
TEST_P(DecodeClasses, FactorsThatAreTooFarApart) {
  const std::uint64_t inner = std::uint64_t{1} << 31;
  const Scales scales{15, {draw_factor(1, 96, 1), draw_factor(inner, 2, 2)}};
  const Segment segment(DType::kBF16, scales, inner - 20'000, 40'000, 14);
  EXPECT_FALSE(takes(segment));
  Bytes out(segment.units.size());
  EXPECT_FALSE(coder_->decode(segment.decoding_view(), 0, test::blocks_of(segment.view, segment.encoded), out));
  EXPECT_EQ(out, segment.units);
}

TEST_P(DecodeClasses, TablesThatSayTheyAreOfPairs) {
  Segment segment(DType::kBF16, {15, {draw_factor(1, 96, 1)}}, 0, 40'000, 14);
  segment.encoded.class_tables[1].pair_base = 100;
  EXPECT_FALSE(takes(segment));
  Bytes out(segment.units.size());
  EXPECT_FALSE(coder_->decode(segment.decoding_view(), 0, test::blocks_of(segment.view, segment.encoded), out));
  EXPECT_EQ(out, segment.units);
}

// Segments of several streams in one batch, of few tables and of many.
TEST_P(DecodeClasses, ManySegmentsAtOnce) {
  std::vector<std::unique_ptr<Segment>> segments;
  std::vector<std::vector<std::span<const std::byte>>> blocks;
  std::vector<Bytes> outs;
  std::vector<DecodeItem> items;
  for (std::uint32_t i = 0; i < 12; i++) {
    Scales scales{static_cast<std::int16_t>(10 + i), {draw_factor(1 + i % 4, 90, i % 3)}};
    segments.push_back(std::make_unique<Segment>(DType::kBF16, scales, 5000 * i, 20'000 + i, 11));
    blocks.push_back(test::blocks_of(segments.back()->view, segments.back()->encoded));
    outs.emplace_back(segments.back()->units.size());
  }
  for (std::size_t i = 0; i < segments.size(); i++)
    items.push_back({segments[i]->decoding_view(), 0, blocks[i], outs[i], {}});
  coder_->decode_batch(items);
  for (std::size_t i = 0; i < items.size(); i++) {
    EXPECT_FALSE(items[i].fault) << i;
    EXPECT_EQ(outs[i], segments[i]->units) << i;
  }
}

}  // namespace
}  // namespace weft
