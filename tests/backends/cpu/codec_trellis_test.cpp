#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/segments.hpp"
#include "core/trellis_cases.hpp"
#include "support/weights.hpp"
#include "trellis/shape.hpp"

namespace weft {
namespace {

using test::Bytes;
using test::to_units;
using test::to_values;
using testing::draw_weights;

const double kNan = std::nan(""), kInfinity = std::numeric_limits<double>::infinity();
const Shape& gauss() { return trellis::typical_shapes()[3]; }

SegmentView view_of(DType dtype, const Bytes& units, const TrellisStream& stream, int block_log2 = 11) {
  SegmentView view = test::segment_view(CodecId::kTrellis, dtype, units.size(), block_log2);
  view.trellis = &stream;
  view.shape = &gauss();
  return view;
}

// Steps of this size for weights of this deviation, nothing modelled.
TrellisStream plain_stream(double step, double deviation, int states_log2 = 3) {
  TrellisStream stream;
  stream.fine_step = static_cast<float>(step / 64);
  stream.states_log2 = static_cast<std::uint8_t>(states_log2);
  stream.base_class = static_cast<std::int16_t>(std::lrint(3 * std::log2(16 * deviation / step)));
  stream.lambda = 0.1;
  return stream;
}

// No weight is further away than what is stored apart would cost, in steps.
void expect_near(DType dtype, const std::vector<double>& before, const Bytes& after_units,
                 const TrellisStream& stream) {
  const auto after = to_values(dtype, after_units);
  const double step = 64 * static_cast<double>(stream.fine_step);
  const double limit = (1 + std::sqrt(cpu::far_cost(stream) / 4096.0)) * step;  // 1: corrections
  for (std::size_t i = 0; i < before.size(); i++) {
    const double rounding = std::fabs(before[i]) * (dtype == DType::kBF16 ? 0.01 : dtype == DType::kF16 ? 0.002 : 1e-6);
    ASSERT_NEAR(after[i], before[i], limit + rounding) << i;
  }
}

TEST(TrellisCodecTest, EveryModeRoundTripsAtOddSizes) {
  for (const auto& mode : test::trellis_modes())
    for (const std::size_t n : {1u, 2047u, 2049u, 4500u}) {
      if (n != 2047 && mode.states_log2 != 3) continue;
      const TrellisStream stream = test::trellis_stream(mode, 14, static_cast<std::uint32_t>(n));
      SCOPED_TRACE(test::name_of(mode) + ", " + std::to_string(n));
      std::vector<double> values;
      for (const float v : test::trellis_weights(stream, n, 1)) values.push_back(static_cast<double>(v));
      const Bytes units = to_units(DType::kF32, values);
      expect_near(DType::kF32, values, test::round_trip(view_of(DType::kF32, units, stream), {}, units), stream);
    }
}

TEST(TrellisCodecTest, EveryTypeRoundTrips) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64})
    for (const bool correct : {false, true}) {
      CodecSpec spec;
      spec.correct_reconstruction = correct;
      const TrellisStream stream = plain_stream(0.2, 1);
      const auto values = draw_weights(9001, 1);
      const Bytes units = to_units(dtype, values);
      expect_near(dtype, values, test::round_trip(view_of(dtype, units, stream), spec, units), stream);
    }
}

TEST(TrellisCodecTest, BlocksOfAllSizesRoundTrip) {
  for (const std::size_t n : {65535u, 65536u, 65537u}) {
    const TrellisStream stream = plain_stream(0.5, 1, 2);
    const auto values = draw_weights(n, 2);
    const Bytes units = to_units(DType::kF32, values);
    EncodedSegment segment;
    expect_near(DType::kF32, values, test::round_trip(view_of(DType::kF32, units, stream, 16), {}, units, segment),
                stream);
    EXPECT_EQ(segment.block_sizes.size(), n > 65536 ? 2u : 1u);
  }
}

TEST(TrellisCodecTest, ZerosCostAlmostNothing) {
  TrellisStream stream = plain_stream(1, 1e-3);
  for (const bool zero : {false, true}) {
    stream.keeps_zero = zero;
    const Bytes units(4 * 65536);
    EncodedSegment segment;
    const Bytes back = test::round_trip(view_of(DType::kF32, units, stream, 16), {}, units, segment);
    if (zero) {
      EXPECT_EQ(back, units);
      EXPECT_LT(segment.plane_bytes, 65536u / 8 / 10);
    }
  }
}

// Kernels look up taps for all lanes of a vector, also for those that a small block does not have.
TEST(TrellisCodecTest, EveryLaneHasAPlaceInThePeriod) {
  cpu::TrellisWork work;
  for (const std::size_t period : {64u, 9u, 1u, 0u}) {
    TrellisStream stream = plain_stream(0.3, 1);
    stream.taps.resize(period);
    for (const std::uint64_t n : {1u, 70u, 3000u}) {
      const core::Weave order = cpu::weave_for(cpu::active_kernels(), n, cpu::trellis_lanes_log2(n));
      cpu::weave_classes(work, stream, 1000, order);
      for (std::uint32_t lane = 0; lane < core::kLanes; lane++)
        EXPECT_EQ(work.places[lane], (1000 + lane * order.run) % trellis::period_of(stream)) << lane;
    }
  }
}

TEST(TrellisCodecTest, WhatIsNotFiniteComesBackBitByBit) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64})
    for (const bool predicts : {false, true}) {
      TrellisStream stream = plain_stream(0.3, 1);
      stream.predicts = predicts;
      stream.taps = {{20, 0, 0, 0}};
      auto values = draw_weights(5000, 2);
      for (const std::size_t i : {0u, 1u, 2047u, 2048u, 4999u})
        values[i] = i % 2 ? kNan : i == 0 ? kInfinity : -kInfinity;
      const Bytes units = to_units(dtype, values);
      const Bytes back = test::round_trip(view_of(dtype, units, stream), {}, units);
      const auto size = static_cast<std::ptrdiff_t>(unit_bytes(dtype));
      for (const std::ptrdiff_t i : {0, 1, 2047, 2048, 4999})
        EXPECT_TRUE(std::equal(units.begin() + i * size, units.begin() + (i + 1) * size, back.begin() + i * size)) << i;
    }
}

TEST(TrellisCodecTest, NothingFiniteIsStoredAsItIs) {
  const TrellisStream stream = plain_stream(1, 1);
  const Bytes units = to_units(DType::kBF16, std::vector<double>(3000, kNan));
  EncodedSegment segment;
  EXPECT_EQ(test::round_trip(view_of(DType::kBF16, units, stream), {}, units, segment), units);
  EXPECT_EQ(segment.plane_bytes, units.size());
}

TEST(TrellisCodecTest, FarWeightsAreKeptToAStep) {
  const TrellisStream stream = plain_stream(0.1, 0.3);
  auto values = draw_weights(3000, 5, 0.3);
  const std::vector<std::pair<std::size_t, double>> far = {{0, 500}, {1, -819}, {2047, 40.02}, {2048, -300.033}};
  for (const auto& [i, value] : far) values[i] = value;
  values[7] = 1e5;  // beyond a record's level
  values[9] = -1e30;
  const Bytes units = to_units(DType::kF32, values);
  EncodedSegment segment;
  const auto after = to_values(DType::kF32, test::round_trip(view_of(DType::kF32, units, stream), {}, units, segment));
  for (const auto& [i, value] : far) EXPECT_NEAR(after[i], value, 0.0501) << i;
  EXPECT_EQ(after[7], 1e5);
  EXPECT_EQ(after[9], static_cast<double>(-1e30f));
  EXPECT_LT(segment.plane_bytes, 3000u);
}

TEST(TrellisCodecTest, LargeHalvesStayFinite) {
  for (const double largest : {65504.0, 65472.0, 65000.0, 64000.0})
    for (const double step : {20000.0, 3000.0, 100.0, 7.0}) {
      std::vector<double> values = draw_weights(1500, 3, 20000);
      for (double& value : values) value = std::clamp(value, -largest, largest);
      values[3] = largest, values[77] = -largest;
      const TrellisStream stream = plain_stream(step, 20000);
      const Bytes units = to_units(DType::kF16, values);
      const auto after = to_values(DType::kF16, test::round_trip(view_of(DType::kF16, units, stream), {}, units));
      for (std::size_t i = 0; i < values.size(); i++) ASSERT_TRUE(std::isfinite(after[i])) << step << " " << i;
    }
}

TEST(TrellisCodecTest, ExtremeStepsRoundTrip) {
  for (const double step : {1e-33, 1e30}) {
    const TrellisStream stream = plain_stream(step, 3 * step);
    const auto values = draw_weights(3000, 8, 3 * step);
    const Bytes units = to_units(DType::kF32, values);
    expect_near(DType::kF32, values, test::round_trip(view_of(DType::kF32, units, stream), {}, units), stream);
  }
}

TEST(TrellisCodecTest, ShiftsBeyondTheLastClassHaveTheirTables) {
  for (const int base : {0, 31})
    for (const int shift : {-4, 4})
      for (const bool zero : {false, true}) {
        TrellisStream stream = plain_stream(1, 1);
        stream.base_class = static_cast<std::int16_t>(base);
        stream.predicts = true;
        stream.keeps_zero = zero;
        stream.shifts.fill(static_cast<std::int8_t>(shift));
        std::vector<double> values;
        for (const float v : test::trellis_weights(stream, 2500, 1)) values.push_back(static_cast<double>(v));
        const Bytes units = to_units(DType::kF32, values);
        expect_near(DType::kF32, values, test::round_trip(view_of(DType::kF32, units, stream), {}, units), stream);
      }
}

TEST(TrellisCodecTest, CorruptBlocksEndInAFault) {
  const TrellisStream stream = test::trellis_stream({3, false, true}, 15, 1);
  std::vector<double> values;
  for (const float v : test::trellis_weights(stream, 600, 1)) values.push_back(static_cast<double>(v));
  values[5] = kNan, values[599] = 1000;
  const Bytes units = to_units(DType::kF32, values);
  const SegmentView view = view_of(DType::kF32, units, stream);
  EncodedSegment segment;
  const Bytes good = test::round_trip(view, {}, units, segment);
  test::Guarded<std::byte> out(units.size());
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    const auto coder = cpu::make_segment_coder(*kernels);
    std::size_t faults = 0;
    for (std::size_t bit = 32; bit < 8 * segment.bytes.size(); bit += 5) {
      Bytes bad = segment.bytes;
      bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      const std::uint32_t crc = kernels->crc32c(reinterpret_cast<const std::uint8_t*>(bad.data()) + 4, bad.size() - 4);
      std::memcpy(bad.data(), &crc, 4);  // so that what lies behind the checksum is tested
      const std::vector<std::span<const std::byte>> blocks{bad};
      if (coder->decode(segment.with_tables(view), 0, blocks, out.span()))
        faults++;
      else
        EXPECT_NE(Bytes(out.data(), out.end()), good) << bit;
    }
    EXPECT_GT(faults, segment.bytes.size());
    for (std::size_t n = 0; n < segment.bytes.size(); n++) {
      const Bytes cut(segment.bytes.begin(), segment.bytes.begin() + static_cast<std::ptrdiff_t>(n));
      const std::vector<std::span<const std::byte>> blocks{cut};
      EXPECT_TRUE(coder->decode(segment.with_tables(view), 0, blocks, out.span()).has_value()) << n;
    }
    EXPECT_TRUE(out.intact());
  }
}

}  // namespace
}  // namespace weft
