// Decoding codec trellis on a device: which thread blocks decode which blocks, with which tables.
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "backends/cuda/decode_batch.hpp"
#include "backends/cuda/segment_coder.hpp"
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

// Maps say 128 symbols of a quantizer at most; wider classes have rows.
TEST_P(CudaTrellisDecode, ClassesOfEveryWidth) {
  std::size_t mapped = 0;
  for (const int base : {2, 8, 14, 20, 26, 30})
    for (const bool zero : {false, true}) {
      SCOPED_TRACE(std::to_string(base) + std::to_string(zero));
      mapped += core::maps_fit(static_cast<std::uint32_t>(
                    2 * trellis::MassCurve(trellis::typical_shapes()[3]).reach(std::min(base + 4, 31)) + 1))
                    ? 1
                    : 0;
      std::vector<std::unique_ptr<Repeated>> segments;
      for (const int states_log2 : {2, 8})
        segments.push_back(std::make_unique<Repeated>(cpu::TrellisMode{states_log2, zero, false}, base, DType::kF16, 2,
                                                      static_cast<std::uint32_t>(base)));
      decode(segments);
    }
  EXPECT_GT(mapped, 2u);
  EXPECT_LT(mapped, 12u);
}

}  // namespace
}  // namespace weft
