// Decoding codec trellis on a device: which thread blocks decode which blocks, with which tables.
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "backends/cuda/decode_batch.hpp"
#include "backends/cuda/segment_coder.hpp"
#include "backends/cuda/trellis_upload.hpp"
#include "core/trellis_cases.hpp"
#include "support/devices.hpp"
#include "support/sanitizer.hpp"
#include "trellis/shape.hpp"

namespace weft {
namespace {

using Bytes = std::vector<std::byte>;

// A segment of many blocks that are all the same, for its scales come back with every block.
class Repeated {
 public:
  static constexpr std::uint32_t kUnits = 1024;

  Repeated(const cpu::TrellisMode& mode, int base, DType dtype, std::size_t blocks, std::uint32_t seed)
      : stream_(test::trellis_stream(mode, base, seed)) {
    std::mt19937 random(seed);
    stream_.factors = {{1, std::vector<std::int8_t>(32)}, {64, std::vector<std::int8_t>(16)}};
    for (auto& factor : stream_.factors)
      for (auto& code : factor.codes) code = static_cast<std::int8_t>(static_cast<int>(random() % 4) - 1);
    if (!stream_.taps.empty() && kUnits % stream_.taps.size() != 0) stream_.taps.resize(8);  // so do places in a period
    const Shape& shape = trellis::typical_shapes()[3];
    const test::TrellisBlock coded(cpu::active_kernels(), stream_, shape, test::trellis_weights(stream_, kUnits, seed),
                                   5);
    block_ = test::stored_block(coded, unit_bytes(dtype), {{seed % kUnits, 77}});
    blocks_.assign(blocks, block_);
    view_.codec = CodecId::kTrellis;
    view_.dtype = dtype;
    view_.block_log2 = 10;
    view_.units = blocks * kUnits;
    view_.trellis = &stream_;
    view_.shape = &shape;
    view_.corrections = {3, -2, 1};
    out_.resize(view_.units * static_cast<std::uint64_t>(unit_bytes(dtype)));
  }
  Repeated(const Repeated&) = delete;
  Repeated& operator=(const Repeated&) = delete;

  // Whether its tables are such that a device decodes it in the faster way.
  [[nodiscard]] bool is_fast() const {
    const trellis::ClassRange range = trellis::table_range(stream_);
    const auto classes = static_cast<std::uint32_t>(range.highest - range.lowest + 1);
    const auto symbols = static_cast<std::uint32_t>(2 * trellis::MassCurve(*view_.shape).reach(range.highest) + 1);
    if (!stream_.predicts) return core::maps_fit(symbols) && core::trellis_map_bytes(classes) <= cuda::kMostMapBytes;
    return core::trellis_memory_bytes(core::kParts + symbols,
                                      classes * core::tables_in_use(stream_.keeps_zero, true)) <= cuda::kMostExactBytes;
  }
  [[nodiscard]] DecodeItem item() { return {view_, 0, blocks_, out_, {}}; }
  [[nodiscard]] bool is_right(SegmentCoder& cpu) const {
    Bytes expected(out_.size());
    return !cpu.decode(view_, 0, blocks_, expected) && expected == out_;
  }

 private:
  TrellisStream stream_;
  Bytes block_, out_;
  std::vector<std::span<const std::byte>> blocks_;
  SegmentView view_;
};

class CudaTrellisDecode : public ::testing::TestWithParam<std::shared_ptr<cuda::Device>> {
 protected:
  void decode(std::vector<std::unique_ptr<Repeated>>& segments) {
    std::vector<DecodeItem> items;
    items.reserve(segments.size());
    for (auto& segment : segments) items.push_back(segment->item());
    backend_->make_coder()->decode_batch(items);
    const auto cpu = make_cpu_backend()->make_coder();
    for (std::size_t i = 0; i < segments.size(); i++) {
      EXPECT_FALSE(items[i].fault) << i;
      EXPECT_TRUE(segments[i]->is_right(*cpu)) << i;
    }
  }
  std::unique_ptr<Backend> backend_ = cuda::make_device_backend({GetParam()}, 0);
};

INSTANTIATE_TEST_SUITE_P(Devices, CudaTrellisDecode, ::testing::ValuesIn(testing::devices()), testing::name_of_device);

// More than small thread blocks have warps, so that large ones do it, each of which goes through several segments, whose
// shares begin and end anywhere.
TEST_P(CudaTrellisDecode, ThreadBlocksShareTheBlocksOfManySegments) {
  const std::size_t few = testing::kThreadSanitized ? 1 : 7, many = testing::kThreadSanitized ? 5 : 61;
  for (const bool zero : {false, true})
    for (const bool predicts : {false, true})
      for (const DType dtype : {DType::kBF16, DType::kF32}) {
        SCOPED_TRACE(std::to_string(zero) + std::to_string(predicts) + std::to_string(static_cast<int>(dtype)));
        std::vector<std::unique_ptr<Repeated>> segments;
        for (const std::size_t blocks : {few, many, few, few}) {
          const auto seed = static_cast<std::uint32_t>(segments.size());
          segments.push_back(std::make_unique<Repeated>(cpu::TrellisMode{3, zero, predicts}, 11, dtype, blocks, seed));
        }
        decode(segments);
      }
}

// Maps say 128 symbols of a quantizer at most, and exact rows take memory: there are other ways for wider classes.
TEST_P(CudaTrellisDecode, ClassesOfEveryWidth) {
  for (const bool predicts : {false, true}) {
    std::size_t fast = 0, others = 0;
    for (const int base : {2, 8, 14, 20, 26, 30})
      for (const bool zero : {false, true}) {
        SCOPED_TRACE(std::to_string(base) + std::to_string(zero));
        std::vector<std::unique_ptr<Repeated>> segments;
        for (const int states_log2 : {0, 2, 8}) {
          const auto seed = static_cast<std::uint32_t>(base);
          const cpu::TrellisMode mode{states_log2, zero, predicts};
          segments.push_back(std::make_unique<Repeated>(mode, base, DType::kF16, 2, seed));
          (segments.back()->is_fast() ? fast : others)++;
        }
        decode(segments);
      }
    EXPECT_GE(fast, 6u);
    EXPECT_GE(others, 6u);
  }
}

}  // namespace
}  // namespace weft
