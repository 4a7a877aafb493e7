// Segments through a coder and back, for the codecs' tests.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <random>

#include "backends/cpu/cpu_codec.hpp"
#include "core/guarded.hpp"
#include "engine/segment_encoder.hpp"
#include "support/weights.hpp"

namespace weft::test {

using Bytes = std::vector<std::byte>;

template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

// Weights as units of an element type, and back.
inline Bytes to_units(DType dtype, const std::vector<double>& values) {
  const std::string text = testing::weight_bytes(dtype, values);
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}
inline std::vector<double> to_values(DType dtype, const Bytes& units) {
  return testing::values_of(dtype, std::string(reinterpret_cast<const char*>(units.data()), units.size()));
}

inline Bytes random_bytes(std::size_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(n);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// Values of N(0, scale), as float32.
inline std::vector<float> gaussian(std::size_t n, float scale, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> values(n);
  for (auto& value : values) value = scale * normal(random);
  return values;
}

inline std::vector<std::span<const std::byte>> blocks_of(const SegmentView& view, const EncodedSegment& segment) {
  std::vector<std::span<const std::byte>> blocks;
  engine::split_blocks(view, 0, segment.block_sizes, segment.bytes, blocks);
  const std::byte* end = blocks.empty() ? segment.bytes.data() : blocks.back().data() + blocks.back().size();
  EXPECT_EQ(end, segment.bytes.data() + segment.bytes.size());
  return blocks;
}

inline SegmentView segment_view(CodecId codec, DType dtype, std::size_t bytes, int block_log2 = 16) {
  SegmentView view;
  view.codec = codec;
  view.dtype = dtype;
  view.block_log2 = block_log2;
  view.units = bytes / static_cast<std::size_t>(unit_bytes(dtype));
  return view;
}

// Encodes with one kernel set, expects the same bytes from all others, decodes with all, and returns what came out.
inline Bytes round_trip(const SegmentView& view, const CodecSpec& spec, const Bytes& units, EncodedSegment& segment) {
  cpu::make_segment_coder(cpu::portable_kernels())->encode(view, spec, units, segment);
  Bytes result;
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    const auto coder = cpu::make_segment_coder(*kernels);
    EncodedSegment again;
    coder->encode(view, spec, units, again);
    EXPECT_EQ(again.bytes, segment.bytes) << kernels->name;
    EXPECT_EQ(again.tables, segment.tables) << kernels->name;
    EXPECT_EQ(again.class_tables, segment.class_tables) << kernels->name;
    EXPECT_EQ(again.table_of_class, segment.table_of_class) << kernels->name;
    EXPECT_EQ(again.corrections, segment.corrections) << kernels->name;
    Guarded<std::byte> out(units.size());
    const auto fault = coder->decode(segment.with_tables(view), 0, blocks_of(view, segment), out.span());
    EXPECT_FALSE(fault.has_value()) << kernels->name << ": " << fault->reason;
    EXPECT_TRUE(out.intact()) << kernels->name;
    const Bytes decoded(out.data(), out.end());
    EXPECT_TRUE(result.empty() || decoded == result) << kernels->name << " decodes to other bytes";
    result = decoded;
  }
  return result;
}

inline Bytes round_trip(const SegmentView& view, const CodecSpec& spec, const Bytes& units) {
  EncodedSegment segment;
  return round_trip(view, spec, units, segment);
}

}  // namespace weft::test
