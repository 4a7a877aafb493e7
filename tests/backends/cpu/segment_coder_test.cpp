// Blocks that say something wrong with a right checksum: the coder answers with a fault and stays within its buffers.
#include <functional>

#include "archive/bytes.hpp"
#include "backends/cpu/segments.hpp"

namespace weft {
namespace {

using test::Bytes;

void fix_checksum(Bytes& block) {
  const auto* payload = reinterpret_cast<const std::uint8_t*>(block.data() + 4);
  archive::store_le(block.data(), cpu::active_kernels().crc32c(payload, block.size() - 4));
}

// One block of 3000 units.
struct Sample {
  UniformStream uniform;
  SegmentView view;
  EncodedSegment segment;
  Bytes units;

  explicit Sample(CodecId codec, DType dtype = DType::kF32) {
    const auto values = test::gaussian(3000, 1.0f, 6);
    units = dtype == DType::kF32 ? test::bytes_of(values) : test::random_bytes(3000, 1);
    if (codec == CodecId::kUniform) std::fill_n(units.begin() + 400, 4, std::byte{0xFF});  // a NaN
    view = test::segment_view(codec, dtype, units.size(), 12);
    uniform.fine_step = 0.001f;
    uniform.low_bits = 4;
    view.uniform = &uniform;
    CodecSpec spec;
    spec.codec = codec;
    cpu::make_segment_coder(cpu::active_kernels())->encode(view, spec, units, segment);
  }

  // The reasons, which must be the same from all kernel sets; "" when the block decodes.
  std::string decode(const Bytes& block) const {
    std::vector<std::string> reasons;
    for (const cpu::Kernels* kernels : cpu::available_kernels()) {
      test::Guarded<std::byte> out(units.size());
      const std::vector<std::span<const std::byte>> blocks{block};
      const auto fault = cpu::make_segment_coder(*kernels)->decode(segment.with_tables(view), 0, blocks, out.span());
      EXPECT_TRUE(out.intact());
      reasons.push_back(fault ? fault->reason : "");
    }
    for (const auto& reason : reasons) EXPECT_EQ(reason, reasons.front());
    return reasons.front();
  }

  std::string decode_changed(const std::function<void(Bytes&)>& change) const {
    Bytes block = segment.bytes;
    change(block);
    fix_checksum(block);
    return decode(block);
  }
};

TEST(SegmentCoderTest, EveryBitFlipIsFoundByTheChecksum) {
  const Sample sample(CodecId::kUniform);
  EXPECT_EQ(sample.decode(sample.segment.bytes), "");
  for (std::size_t bit = 0; bit < 8 * sample.segment.bytes.size(); bit += 7) {
    Bytes block = sample.segment.bytes;
    block[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    ASSERT_EQ(sample.decode(block), "its checksum is wrong") << bit;
  }
}

TEST(SegmentCoderTest, EveryTruncationIsAFault) {
  for (const CodecId codec : {CodecId::kRaw, CodecId::kLossless, CodecId::kUniform, CodecId::kAsset}) {
    const Sample sample(codec, codec == CodecId::kAsset ? DType::kU8 : DType::kF32);
    for (std::size_t size = 0; size < sample.segment.bytes.size(); size += 1 + size / 16) {
      Bytes block(sample.segment.bytes.begin(), sample.segment.bytes.begin() + static_cast<std::ptrdiff_t>(size));
      if (size >= 4) fix_checksum(block);
      ASSERT_NE(sample.decode(block), "") << static_cast<int>(codec) << ", " << size;
    }
  }
}

TEST(SegmentCoderTest, DescriptorsAreNotTrusted) {
  for (const CodecId codec : {CodecId::kRaw, CodecId::kLossless, CodecId::kUniform, CodecId::kAsset}) {
    const Sample sample(codec, codec == CodecId::kAsset ? DType::kU8 : DType::kF32);
    ASSERT_EQ(sample.decode(sample.segment.bytes), "");
    const auto original = archive::load_le<std::uint32_t>(sample.segment.bytes.data() + 4);
    for (std::uint32_t mode = 0; mode < 4; mode++) {
      for (std::uint32_t lanes = 0; lanes < 8; lanes++) {
        for (const std::uint32_t size : {original >> 8, 0u, 1u, 1000u, (1u << 24) - 1}) {
          const std::uint32_t descriptor = mode | lanes << 2 | size << 8;
          if (descriptor == original) continue;
          EXPECT_NE(sample.decode_changed([&](Bytes& block) { archive::store_le(block.data() + 4, descriptor); }), "")
              << static_cast<int>(codec) << ": " << mode << ", " << lanes << ", " << size;
        }
      }
    }
    for (int bit = 5; bit < 8; bit++)
      EXPECT_EQ(sample.decode_changed([&](Bytes& block) { archive::store_le(block.data() + 4, original | 1u << bit); }),
                "a reserved bit of a plane descriptor is set");
  }
}

TEST(SegmentCoderTest, ExceptionsAreChecked) {
  const Sample sample(CodecId::kUniform);
  // The block ends with one exception: its position and its unit.
  const auto with_position = [&](std::uint32_t position) {
    return sample.decode_changed([&](Bytes& block) { archive::store_le(block.data() + block.size() - 8, position); });
  };
  ASSERT_EQ(archive::load_le<std::uint32_t>(sample.segment.bytes.data() + sample.segment.bytes.size() - 8), 100u);
  EXPECT_EQ(with_position(2999), "");
  EXPECT_EQ(with_position(3000), "the positions of its exceptions are not ascending");
  EXPECT_EQ(with_position(0xFFFFFFFF), "the positions of its exceptions are not ascending");
}

TEST(SegmentCoderTest, AZstdBlockHasNoOtherPlanes) {
  const auto period = test::gaussian(100, 1.0f, 9);
  std::vector<float> values;
  while (values.size() < 3000) values.insert(values.end(), period.begin(), period.end());
  Sample sample(CodecId::kLossless);
  sample.units = test::bytes_of(values);
  cpu::make_segment_coder(cpu::active_kernels())->encode(sample.view, CodecSpec{}, sample.units, sample.segment);
  ASSERT_EQ(sample.segment.bytes[4] & std::byte{3}, std::byte{3});
  ASSERT_EQ(sample.decode(sample.segment.bytes), "");
  EXPECT_EQ(sample.decode_changed([](Bytes& block) { archive::store_le(block.data() + 8, 1u | 5u << 8); }),
            "a plane that its zstd frame stands for is not empty");
  EXPECT_EQ(sample.decode_changed([](Bytes& block) { block[20] ^= std::byte{1}; }),
            "its zstd frame is damaged or not the only one");
}

}  // namespace
}  // namespace weft
