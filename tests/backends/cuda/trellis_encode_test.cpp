// Encoding codec trellis on a device against the CPU backend: the same bytes.
#include <bit>
#include <cmath>
#include <limits>

#include "backends/cpu/segments.hpp"
#include "backends/cuda/segment_coder.hpp"
#include "backends/cuda/trellis_encode_batch.hpp"
#include "core/trellis_cases.hpp"
#include "support/devices.hpp"
#include "support/sanitizer.hpp"
#include "trellis/shape.hpp"

namespace weft {
namespace {

using test::Bytes;
using testing::kEvery;
using testing::kSanitized;

// A segment whose stream suits its weights.
struct TrellisSegment {
  TrellisStream stream;
  SegmentView view;
  CodecSpec spec;
  Bytes units;

  TrellisSegment(const cpu::TrellisMode& mode, DType dtype, std::uint64_t n, std::uint32_t seed)
      : stream(test::trellis_stream(mode, 11, seed)) {
    stream.factors.resize(seed % 2);
    spec.codec = view.codec = CodecId::kTrellis;
    view.dtype = dtype;
    view.block_log2 = 17;
    view.units = n;
    view.first_unit = seed % 3 == 0 ? 12345 : 0;
    view.trellis = &stream;
    view.shape = &trellis::typical_shapes()[seed % 4];
    spec.correct_reconstruction = seed % 5 != 0;
  }
  // Weights in steps, which become units.
  void set(std::vector<float> steps) {
    std::vector<double> values(steps.begin(), steps.end());
    for (double& value : values) value = (64 * value + stream.offset) * static_cast<double>(stream.fine_step);
    units = test::to_units(view.dtype, values);
  }
  void draw(std::uint32_t seed, float spread) { set(test::trellis_weights(stream, view.units, seed, spread)); }
};

class CudaTrellis : public ::testing::TestWithParam<std::shared_ptr<cuda::Device>> {
 protected:
  // All at once on the device, which takes every one of them, and one by one on the CPU.
  void expect_same(std::vector<std::unique_ptr<TrellisSegment>>& segments) {
    std::vector<EncodedSegment> encoded(segments.size());
    std::vector<EncodeItem> items;
    cpu::TrellisCache cache;
    for (std::size_t i = 0; i < segments.size(); i++) {
      items.push_back({segments[i]->view, &segments[i]->spec, segments[i]->units, &encoded[i]});
      ASSERT_TRUE(cuda::encodes_trellis_on_device(items.back(), cache)) << i;
    }
    coder_->encode_batch(items);
    EXPECT_TRUE(backend_->notes().empty());
    for (std::size_t i = 0; i < segments.size(); i++) {
      SCOPED_TRACE(std::to_string(i) + ": " + test::name_of(cpu::mode_of(segments[i]->stream)) + ", " +
                   std::to_string(segments[i]->view.units) + " weights");
      EncodedSegment expected;
      cpu_->encode(segments[i]->view, segments[i]->spec, segments[i]->units, expected);
      EXPECT_EQ(encoded[i].corrections, expected.corrections);
      EXPECT_EQ(encoded[i].block_sizes, expected.block_sizes);
      EXPECT_EQ(encoded[i].plane_bytes, expected.plane_bytes);
      ASSERT_EQ(encoded[i].bytes, expected.bytes);
    }
  }

  std::unique_ptr<Backend> backend_ = cuda::make_device_backend({GetParam()}, 0);
  std::unique_ptr<SegmentCoder> coder_ = backend_->make_coder();
  std::unique_ptr<SegmentCoder> cpu_ = make_cpu_backend()->make_coder();
};

INSTANTIATE_TEST_SUITE_P(Devices, CudaTrellis, ::testing::ValuesIn(testing::devices()), testing::name_of_device);

constexpr DType kTypes[] = {DType::kBF16, DType::kF16, DType::kF32, DType::kF64};

TEST_P(CudaTrellis, EncodesEveryModeTypeAndSize) {
  std::vector<std::unique_ptr<TrellisSegment>> segments;
  std::uint32_t seed = 0;
  for (const auto& mode : test::trellis_modes())
    for (const std::uint64_t n : {1u, 2u, 31u, 33u, 500u, 4095u, 4096u, 9000u}) {
      seed++;
      if (n > 500 && seed % kEvery != 0) continue;
      auto& segment = *segments.emplace_back(std::make_unique<TrellisSegment>(mode, kTypes[seed % 4], n, seed));
      segment.view.block_log2 = n == 9000 ? 12 : 17;
      segment.draw(seed, 1 + static_cast<float>(seed % 3));
    }
  expect_same(segments);
}

// All 32 lanes, and a last block whose lanes have runs of different lengths.
TEST_P(CudaTrellis, EncodesLargeBlocks) {
  std::vector<std::unique_ptr<TrellisSegment>> segments;
  for (const auto& mode : test::trellis_modes()) {
    if (mode.states_log2 > 4 && mode.states_log2 % 2 == 1) continue;
    if (mode.keeps_zero != mode.predicts || (kSanitized && mode.states_log2 != 3)) continue;
    const auto log2 = static_cast<std::uint32_t>(mode.states_log2);
    auto& segment =
        *segments.emplace_back(std::make_unique<TrellisSegment>(mode, kTypes[log2 % 4], 131072 + 4097, log2));
    segment.view.block_log2 = 17;
    segment.draw(log2, 1);
  }
  expect_same(segments);
}

TEST_P(CudaTrellis, EncodesWhatIsNotUsual) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  std::vector<std::unique_ptr<TrellisSegment>> segments;
  std::uint32_t seed = 0;
  for (const auto& mode : test::trellis_modes()) {
    if (mode.states_log2 != 0 && mode.states_log2 != 2 && mode.states_log2 != 3 && mode.states_log2 != 6) continue;
    for (const DType dtype : kTypes)
      for (int kind = 0; kind < 8; kind++) {
        if (kSanitized && dtype != kTypes[kind % 4]) continue;
        const std::uint64_t n = kind == 7 ? 20000 : 700;
        auto& segment = *segments.emplace_back(std::make_unique<TrellisSegment>(mode, dtype, n, ++seed));
        segment.stream.pins_zero = mode.keeps_zero && seed % 2 == 0;
        segment.stream.lambda = kind == 6 ? 10 : kind == 5 ? 0 : 0.1;
        auto steps = test::trellis_weights(segment.stream, n, seed);
        for (std::size_t i = 0; i < n; i++) {
          if (kind == 0) steps[i] = 0;
          if (kind == 1) steps[i] = 2.5f;
          if (kind == 2 && i % 7 == 3) steps[i] = i % 2 == 0 ? 500.0f : -9000.0f;
          if (kind == 3 && i % 50 == 9) steps[i] = i % 3 == 0 ? kNan : i % 3 == 1 ? kInf : -kInf;
          if (kind == 4) steps[i] = i % 10 == 0 ? steps[i] : 0.0f;
          if (kind == 5) steps[i] = i == 333 ? 1e30f : -0.0f;
          if (kind == 6) steps[i] *= 40;
          if (kind == 7 && i % 999 == 0) steps[i] = 300;
        }
        segment.set(steps);
      }
  }
  expect_same(segments);
}

// Whatever the bytes are, and however little the stream suits them.
TEST_P(CudaTrellis, EncodesAnyBits) {
  std::vector<std::unique_ptr<TrellisSegment>> segments;
  for (std::uint32_t seed = 0; seed < 60; seed += kEvery) {
    const auto modes = test::trellis_modes();
    auto& segment = *segments.emplace_back(
        std::make_unique<TrellisSegment>(modes[seed / kEvery % modes.size()], kTypes[seed % 4], 900, seed));
    segment.stream.fine_step = std::ldexp(1.0f, static_cast<int>(seed) * 4 - 120);
    segment.units = test::random_bytes(900 * static_cast<std::size_t>(unit_bytes(segment.view.dtype)), seed);
  }
  expect_same(segments);
}

TEST_P(CudaTrellis, LeavesToTheCpuWhatDoesNotFit) {
  cpu::TrellisCache cache;
  EncodedSegment encoded, expected;
  TrellisSegment many_classes({3, false, true}, DType::kF32, 500, 1);
  many_classes.stream.base_class = 16;
  many_classes.stream.factors = {{1, std::vector<std::int8_t>(40)}};
  for (std::size_t i = 0; i < 40; i++) many_classes.stream.factors[0].codes[i] = static_cast<std::int8_t>(i) - 20;
  many_classes.draw(1, 1);
  EncodeItem item{many_classes.view, &many_classes.spec, many_classes.units, &encoded};
  EXPECT_FALSE(cuda::encodes_trellis_on_device(item, cache));
  coder_->encode_batch({&item, 1});
  cpu_->encode(item.view, *item.spec, item.units, expected);
  EXPECT_EQ(encoded.bytes, expected.bytes);
  item.view.units = (1u << 22) + 1;  // sums of offsets might be rounded
  many_classes.stream.factors.clear();
  EXPECT_FALSE(cuda::encodes_trellis_on_device(item, cache));
  item.view.units = 1u << 22;
  EXPECT_TRUE(cuda::encodes_trellis_on_device(item, cache));
}

TEST(CudaTrellisMemory, LittleMemoryMeansSmallerBatchesAndThenTheCpu) {
  for (const std::uint64_t limit : {std::uint64_t{1} << 30, std::uint64_t{2000000}, std::uint64_t{1000}}) {
    const auto backend = cuda::make_device_backend({weft::testing::a_device(limit)}, 0);
    const auto coder = backend->make_coder(), cpu = make_cpu_backend()->make_coder();
    std::vector<std::unique_ptr<TrellisSegment>> segments;
    std::vector<EncodedSegment> encoded(20);
    std::vector<EncodeItem> items;
    for (std::uint32_t i = 0; i < 20; i++) {
      auto& segment = *segments.emplace_back(
          std::make_unique<TrellisSegment>(cpu::TrellisMode{3, false, false}, DType::kBF16, 3000 / kEvery, i));
      segment.draw(i, 1);
      items.push_back({segment.view, &segment.spec, segment.units, &encoded[i]});
    }
    coder->encode_batch(items);
    for (std::size_t i = 0; i < items.size(); i++) {
      EncodedSegment expected;
      cpu->encode(items[i].view, *items[i].spec, items[i].units, expected);
      EXPECT_EQ(encoded[i].bytes, expected.bytes) << limit << ", " << i;
    }
    EXPECT_LE(backend->peak_device_bytes(), limit);
    EXPECT_EQ(backend->notes().empty(), limit > 1000);
  }
}

}  // namespace
}  // namespace weft
