#include "engine/steps.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "backends/cpu/uniform_steps.hpp"
#include "support/devices.hpp"
#include "support/memory_network.hpp"
#include "support/weights.hpp"
#include "weft/core/quantize.hpp"

namespace weft::engine {
namespace {

using testing::draw_weights;
using testing::MemoryNetwork;
using testing::weight_bytes;

CodecSpec uniform_spec(double relative_step) {
  CodecSpec spec;
  spec.codec = CodecId::kUniform;
  spec.relative_step = relative_step;
  return spec;
}

CodecSpec absolute_spec(double step) {
  CodecSpec spec;
  spec.codec = CodecId::kUniform;
  spec.step = step;
  return spec;
}

// The plan of one tensor with its steps chosen.
Plan choose(DType dtype, const std::vector<double>& values, const CodecSpec& spec,
            std::vector<std::uint64_t> shape = {}, std::uint32_t threads = 1,
            const Backend& backend = *make_cpu_backend()) {
  if (shape.empty()) shape = {values.size()};
  const MemoryNetwork network({{"w", dtype, std::move(shape), weight_bytes(dtype, values)}});
  Config config;
  config.rules.push_back({});
  config.rules[0].spec = spec;
  Plan plan = make_plan(network, config);
  std::vector<Piece> pieces;
  for (const SegmentRecord& segment : plan.index.segments) pieces.push_back({0, segment.first_unit, segment.units});
  std::vector<StageTimes> times(threads);
  choose_steps(network, plan, pieces, backend, threads, nullptr, times);
  return plan;
}

double rms_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum / static_cast<double>(values.size()));
}

double cell_of(const Plan& plan) {
  EXPECT_EQ(plan.index.streams[0].codec, CodecId::kUniform) << plan.notes[0];
  return static_cast<double>(plan.index.streams[0].uniform.fine_step) * (1 << core::kFineBits);
}

void expect_lossless(const Plan& plan, const std::string& why) {
  EXPECT_EQ(plan.index.streams[0].codec, CodecId::kLossless);
  EXPECT_EQ(plan.index.streams[0].uniform, UniformStream{});
  EXPECT_NE(plan.notes[0].find(why), std::string::npos) << plan.notes[0];
}

constexpr double kShortness = 1.0 / 512;  // of a step that follows from the rms

TEST(Steps, AShortStepIsNearAndHasFewBits) {
  for (const double step : {1.0, 0.3, 1e-30, 7e20, 511.0, 511.4, 1023.0}) {
    const double near = short_step(step);
    EXPECT_NEAR(near / step, 1, kShortness);
    int exponent = 0;
    const double mantissa = std::frexp(near, &exponent) * 512;
    EXPECT_EQ(mantissa, std::rint(mantissa));
  }
}

TEST(Steps, ARelativeStepIsAMultipleOfTheRms) {
  for (const double size : {1.0, 1e-4, 300.0}) {
    const auto values = draw_weights(5000, 1, size);
    for (const DType dtype : {DType::kF32, DType::kF64})
      for (const double relative : {0.1, 0.6, 2.0})
        EXPECT_NEAR(cell_of(choose(dtype, values, uniform_spec(relative))) / (relative * rms_of(values)), 1,
                    kShortness);
  }
}

TEST(Steps, AnAbsoluteStepIsTakenAsItIs) {
  const auto values = draw_weights(5000, 1);
  EXPECT_EQ(cell_of(choose(DType::kF32, values, absolute_spec(0.25))), 0.25);
  EXPECT_NEAR(cell_of(choose(DType::kBF16, values, absolute_spec(0.1))), 0.1, 1e-8);
}

TEST(Steps, NonFiniteValuesDoNotCount) {
  auto values = draw_weights(5000, 1);
  const double rms = rms_of(values);
  values.push_back(std::numeric_limits<double>::infinity());
  values.push_back(std::nan(""));
  const Plan plan = choose(DType::kF32, values, uniform_spec(0.5));
  EXPECT_NEAR(cell_of(plan) / (0.5 * rms), 1, kShortness);
}

TEST(Steps, ChannelsGetTheNearestEighthOfAnOctave) {
  constexpr std::size_t kChannels = 24, kInner = 500;
  std::vector<double> values;
  std::vector<double> rms;
  for (std::size_t c = 0; c < kChannels; c++) {
    const auto row = draw_weights(kInner, c, std::exp2(static_cast<double>(c) * 0.37 - 4));
    rms.push_back(rms_of(row));
    values.insert(values.end(), row.begin(), row.end());
  }
  CodecSpec spec = uniform_spec(0.5);
  spec.per_channel = true;
  const Plan plan = choose(DType::kF32, values, spec, {kChannels, kInner});
  (void)cell_of(plan);
  const UniformStream& uniform = plan.index.streams[0].uniform;
  ASSERT_EQ(uniform.scale_codes.size(), kChannels);
  for (std::size_t c = 0; c < kChannels; c++) {
    const double step = static_cast<double>(cpu::channel_step(uniform.fine_step, uniform.scale_codes[c])) * 64;
    EXPECT_LE(std::fabs(std::log2(step / (0.5 * rms[c]))), 1.0 / 16 + 1e-5) << c;
  }
}

TEST(Steps, ChannelsOfTheLastAxis) {
  std::vector<double> values;
  for (std::size_t i = 0; i < 3000; i++) values.push_back(i % 3 == 0 ? 1 : i % 3 == 1 ? -4 : 0);
  CodecSpec spec = uniform_spec(0.5);
  spec.per_channel = true;
  spec.channel_axis = -1;
  const UniformStream uniform = choose(DType::kF32, values, spec, {1000, 3}).index.streams[0].uniform;
  ASSERT_EQ(uniform.scale_codes.size(), 3u);
  EXPECT_EQ(uniform.scale_codes[1] - uniform.scale_codes[0], 16);  // two octaves
  EXPECT_EQ(uniform.scale_codes[2], 128);                          // nothing but zeros: the tensor's own
}

TEST(Steps, LowBitsFollowTheWidthOfTheLevels) {
  const auto values = draw_weights(50000, 1);
  EXPECT_EQ(choose(DType::kF32, values, uniform_spec(0.5)).index.streams[0].uniform.low_bits, 0);
  EXPECT_EQ(choose(DType::kF32, values, uniform_spec(0.003)).index.streams[0].uniform.low_bits, 4);
  EXPECT_EQ(choose(DType::kF32, values, uniform_spec(0.0004)).index.streams[0].uniform.low_bits, 8);
  auto outlier = values;
  outlier[7] = 300;  // one exception is cheaper than low bits for all
  EXPECT_EQ(choose(DType::kF32, outlier, absolute_spec(0.5)).index.streams[0].uniform.low_bits, 0);
}

TEST(Steps, AStepThatSavesNothingIsLossless) {
  expect_lossless(choose(DType::kF32, draw_weights(5000, 1), uniform_spec(1e-8)), "takes no more");
}

TEST(Steps, ZerosAndConstants) {
  EXPECT_EQ(cell_of(choose(DType::kF32, std::vector<double>(100, 0.0), uniform_spec(0.5))), 1);
  EXPECT_EQ(cell_of(choose(DType::kF32, std::vector<double>(100, 3.0), uniform_spec(0.5))), 1.5);
  EXPECT_EQ(cell_of(choose(DType::kF32, std::vector<double>(100, -0.25), uniform_spec(0.5))), 0.125);
}

TEST(Steps, SmallAndLargeScalesAreKept) {
  for (const double size : {1e-30, 1e-20, 1e20, 1e30})
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF64}) {
      const Plan plan = choose(dtype, draw_weights(3000, 1, size), uniform_spec(0.5));
      EXPECT_NEAR(cell_of(plan) / (0.5 * size), 1, 0.05) << size;
    }
}

TEST(Steps, ValuesThatFloat32CannotQuantizeAreLossless) {
  expect_lossless(choose(DType::kF32, draw_weights(3000, 1, 1e-40), uniform_spec(0.5)), "no float32 step");
  expect_lossless(choose(DType::kF64, draw_weights(3000, 1, 1e-60), uniform_spec(0.5)), "no float32 step");
  expect_lossless(choose(DType::kF64, draw_weights(3000, 1, 1e-300), uniform_spec(0.5)), "no float32 step");
  expect_lossless(choose(DType::kF64, draw_weights(3000, 1, 1e300), uniform_spec(0.5)), "no float32 step");
}

TEST(Steps, NothingFiniteIsLossless) {
  expect_lossless(choose(DType::kF32, std::vector<double>(50, std::nan("")), uniform_spec(0.5)), "finite");
}

TEST(Steps, DoNotDependOnThreadsOrTheDevice) {
  const auto values = draw_weights(2'500'000, 9);
  CodecSpec spec = uniform_spec(0.004);
  spec.per_channel = true;
  const UniformStream one = choose(DType::kF32, values, spec, {1000, 2500}, 1).index.streams[0].uniform;
  for (const std::uint32_t threads : {2u, 7u})
    EXPECT_EQ(choose(DType::kF32, values, spec, {1000, 2500}, threads).index.streams[0].uniform, one);
  cuda::DeviceList list;
  list.devices.push_back(testing::a_device());
  cuda::use_devices(std::move(list));
  const auto backend = make_backend("cuda", 0);
  EXPECT_EQ(choose(DType::kF32, values, spec, {1000, 2500}, 2, *backend).index.streams[0].uniform, one);
  EXPECT_GT(backend->peak_device_bytes(), 0u);
  cuda::use_devices(std::nullopt);
}

}  // namespace
}  // namespace weft::engine
