#include <algorithm>
#include <cmath>

#include "archive/bytes.hpp"
#include "backends/cpu/segments.hpp"
#include "backends/cpu/uniform_steps.hpp"
#include "weft/core/half.hpp"

namespace weft {
namespace {

using test::Bytes;

Bytes to_units(DType dtype, const std::vector<double>& values) {
  Bytes units;
  for (const double value : values) {
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    std::byte unit[8];
    if (dtype == DType::kF64) archive::store_le(unit, value);
    if (dtype == DType::kF32) archive::store_le(unit, bits);
    if (dtype == DType::kF16) archive::store_le(unit, core::f32_to_f16(bits));
    if (dtype == DType::kBF16) archive::store_le(unit, core::f32_to_bf16(bits));
    units.insert(units.end(), unit, unit + unit_bytes(dtype));
  }
  return units;
}

std::vector<double> to_values(DType dtype, const Bytes& units) {
  std::vector<double> values;
  for (std::size_t at = 0; at < units.size(); at += static_cast<std::size_t>(unit_bytes(dtype))) {
    const std::byte* p = units.data() + at;
    if (dtype == DType::kF64) values.push_back(archive::load_le<double>(p));
    if (dtype == DType::kF32) values.push_back(archive::load_le<float>(p));
    if (dtype == DType::kF16)
      values.push_back(std::bit_cast<float>(core::f16_to_f32(archive::load_le<std::uint16_t>(p))));
    if (dtype == DType::kBF16)
      values.push_back(std::bit_cast<float>(core::bf16_to_f32(archive::load_le<std::uint16_t>(p))));
  }
  return values;
}

CodecSpec spec_with(double lambda, bool correct = false) {
  CodecSpec spec;
  spec.codec = CodecId::kUniform;
  spec.lambda = lambda;
  spec.correct_reconstruction = correct;
  return spec;
}

UniformStream stream_with(double cell, int low_bits = 0) {
  UniformStream stream;
  stream.fine_step = static_cast<float>(cell / 64);
  stream.low_bits = static_cast<std::uint8_t>(low_bits);
  return stream;
}

SegmentView view_of(DType dtype, const Bytes& units, const UniformStream& stream, int block_log2 = 12) {
  SegmentView view = test::segment_view(CodecId::kUniform, dtype, units.size(), block_log2);
  view.uniform = &stream;
  return view;
}

// Half an ulp of the element type at this value, and of float32, through which all of them go.
double rounding(DType dtype, double value) {
  const int bits = dtype == DType::kF16 ? 11 : dtype == DType::kBF16 ? 8 : 23;
  return std::abs(value) * std::ldexp(1.0, -bits) + (dtype == DType::kF16 ? std::ldexp(1.0, -25) : 1e-45);
}

std::vector<double> gaussian(std::size_t n, double scale, std::uint32_t seed) {
  const auto floats = test::gaussian(n, 1.0f, seed);
  std::vector<double> values(floats.begin(), floats.end());
  for (double& value : values) value *= scale;
  return values;
}

TEST(UniformCodecTest, WithoutLambdaErrorsAreHalfACell) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    for (const double scale : {1.0, 1e-30, 1e30}) {
      if (dtype == DType::kF16 && scale != 1.0) continue;
      for (const int low_bits : {0, 4, 8}) {
        for (const std::size_t n : {1u, 5u, 4096u, 9001u}) {
          SCOPED_TRACE(::testing::Message()
                       << name_of(dtype) << " x " << scale << ", low bits " << low_bits << ", " << n);
          const double cell = scale * (low_bits == 0 ? 0.1 : low_bits == 4 ? 0.01 : 0.001);
          const Bytes units = to_units(dtype, gaussian(n, scale, 7));
          const UniformStream stream = stream_with(cell, low_bits);
          const Bytes decoded = test::round_trip(view_of(dtype, units, stream), spec_with(0), units);
          const auto before = to_values(dtype, units), after = to_values(dtype, decoded);
          for (std::size_t i = 0; i < n; i++)
            ASSERT_LE(std::abs(after[i] - before[i]), cell * (0.5 + 1.0 / 512) + rounding(dtype, before[i]))
                << before[i];
        }
      }
    }
  }
}

TEST(UniformCodecTest, LargeBlocksOfAnySizeAreAligned) {
  auto values = gaussian(50001, 1.0, 8);
  for (const std::size_t exception : {5u, 20000u, 20001u, 40000u}) values[exception] = 1e9;
  const Bytes units = to_units(DType::kF32, values);
  for (const int low_bits : {0, 4, 8}) {
    const UniformStream stream = stream_with(0.1, low_bits);
    EncodedSegment segment;
    const SegmentView view = view_of(DType::kF32, units, stream, 14);
    const auto after = to_values(DType::kF32, test::round_trip(view, spec_with(0), units, segment));
    const auto is_odd = [](std::uint32_t size) { return size % 16 != 0; };
    EXPECT_TRUE(std::any_of(segment.block_sizes.begin(), segment.block_sizes.end() - 1, is_odd));
    for (std::size_t i = 0; i < values.size(); i++) ASSERT_LE(std::abs(after[i] - values[i]), 0.0501) << i;
  }
}

TEST(UniformCodecTest, WhatCannotBeQuantizedComesBackBitByBit) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    auto values = gaussian(9000, 1.0, 3);
    const std::size_t places[] = {0, 1, 4095, 4096, 8191, 8999};
    const double specials[] = {inf, -inf, std::nan(""), 30000.0, -60000.0, inf};
    for (std::size_t i = 0; i < 6; i++) values[places[i]] = specials[i];
    const Bytes units = to_units(dtype, values);
    const auto size = static_cast<std::size_t>(unit_bytes(dtype));
    for (const int low_bits : {0, 8}) {
      const UniformStream stream = stream_with(0.1, low_bits);
      const Bytes decoded = test::round_trip(view_of(dtype, units, stream), spec_with(0.1, true), units);
      for (const std::size_t place : places)
        EXPECT_TRUE(std::equal(units.begin() + static_cast<std::ptrdiff_t>(place * size),
                               units.begin() + static_cast<std::ptrdiff_t>((place + 1) * size),
                               decoded.begin() + static_cast<std::ptrdiff_t>(place * size)))
            << name_of(dtype) << " at " << place << ", low bits " << low_bits;
    }
  }
}

TEST(UniformCodecTest, ValuesAtTheEndOfTheTypeStayFinite) {
  const std::pair<DType, double> largest[] = {
      {DType::kF16, 65504.0}, {DType::kBF16, 3.3895e38}, {DType::kF32, 3.4028e38}, {DType::kF64, 3.4028e38}};
  for (const auto& [dtype, value] : largest) {
    std::vector<double> values;
    for (int i = 0; i < 3000; i++) values.push_back(value * (i % 101 - 50) / 50);
    const Bytes units = to_units(dtype, values);
    const UniformStream stream = stream_with(value / 9.7);
    const Bytes decoded = test::round_trip(view_of(dtype, units, stream), spec_with(0.1, true), units);
    const auto before = to_values(dtype, units), after = to_values(dtype, decoded);
    for (std::size_t i = 0; i < values.size(); i++) {
      ASSERT_TRUE(std::isfinite(after[i])) << name_of(dtype) << " " << values[i];
      ASSERT_LE(std::abs(after[i] - before[i]), value / 9.7 * 1.6);
    }
  }
}

TEST(UniformCodecTest, ConstantZeroAndDenormalTensors) {
  for (const double value : {0.0, 0.25, -1e-40, 1e-45}) {
    const Bytes units = to_units(DType::kF32, std::vector<double>(5001, value));
    const UniformStream stream = stream_with(0.5);
    const auto after =
        to_values(DType::kF32, test::round_trip(view_of(DType::kF32, units, stream), spec_with(0), units));
    for (const double weight : after) ASSERT_LE(std::abs(weight - value), 0.25);
  }
}

TEST(UniformCodecTest, EveryChannelHasItsStep) {
  // Two layouts of 24 channels: contiguous rows, and the channel as the last axis.
  for (const std::uint64_t inner : {375u, 1u}) {
    UniformStream stream = stream_with(0.01);
    stream.inner = inner;
    for (int channel = 0; channel < 24; channel++)
      stream.scale_codes.push_back(static_cast<std::uint8_t>(112 + channel));
    std::vector<double> values = gaussian(9000, 1.0, 5);
    std::vector<double> cells;
    for (std::size_t e = 0; e < values.size(); e++) {
      cells.push_back(64.0 * cpu::channel_step(stream.fine_step, stream.scale_codes[e / inner % 24]));
      values[e] *= 20 * cells[e];
    }
    EXPECT_NEAR(cells[inner * 8] / cells[0], 2, 1e-6);  // eight codes are an octave
    const Bytes units = to_units(DType::kF32, values);
    const auto after =
        to_values(DType::kF32, test::round_trip(view_of(DType::kF32, units, stream), spec_with(0), units));
    double squares = 0;
    for (std::size_t e = 0; e < values.size(); e++) {
      ASSERT_LE(std::abs(after[e] - values[e]), cells[e] * 0.51) << e;
      squares += std::pow((after[e] - values[e]) / cells[e], 2);
    }
    EXPECT_NEAR(squares / static_cast<double>(values.size()), 1.0 / 12, 0.005);
  }
}

TEST(UniformCodecTest, ChannelsFollowTheStreamAcrossSegments) {
  UniformStream stream = stream_with(0.01);
  stream.inner = 100;
  stream.scale_codes = {128, 152, 104};
  const auto values = gaussian(2000, 1.0, 5);
  const Bytes units = to_units(DType::kF32, values);
  SegmentView view = view_of(DType::kF32, units, stream, 10);
  view.first_unit = 1 << 10;
  const auto after = to_values(DType::kF32, test::round_trip(view, spec_with(0), units));
  const double factors[] = {1, 8, 0.125};
  for (std::size_t i = 0; i < values.size(); i++)
    ASSERT_LE(std::abs(after[i] - values[i]), 0.0051 * factors[(i + 1024) / 100 % 3]) << i;
}

double mean_square_error(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

TEST(UniformCodecTest, LambdaTradesErrorForSizeAndCorrectionPaysBack) {
  const auto values = gaussian(50000, 1.0, 1);
  const Bytes units = to_units(DType::kF32, values);
  const UniformStream stream = stream_with(1.0);
  const auto run = [&](double lambda, bool correct, EncodedSegment& segment) {
    const CodecSpec spec = spec_with(lambda, correct);
    return mean_square_error(values, to_values(DType::kF32, test::round_trip(view_of(DType::kF32, units, stream, 16),
                                                                             spec, units, segment)));
  };
  EncodedSegment plain, cheap, corrected;
  const double plain_error = run(0, false, plain), cheap_error = run(0.15, false, cheap);
  const double corrected_error = run(0.15, true, corrected);
  EXPECT_LT(cheap.bytes.size(), plain.bytes.size() / 20 * 19);
  EXPECT_GT(cheap_error, plain_error);
  EXPECT_LT(corrected_error, cheap_error);
  EXPECT_EQ(corrected.bytes.size(), cheap.bytes.size());
  // At equal lambda: 0.15 squared cells a bit were offered, so what was saved must have cost less.
  const double saved_bits = 8 * static_cast<double>(plain.bytes.size() - cheap.bytes.size()) / 50000;
  EXPECT_LT(cheap_error - plain_error, 0.15 * saved_bits * 1.1);
}

}  // namespace
}  // namespace weft
