// Tensors encoded from device memory, on a device: the segments of the CPU, and archives made of them.
#include "backends/cuda/tensor_encoder.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "backends/cpu/segments.hpp"
#include "backends/cuda/memory.hpp"
#include "backends/cuda/write_archive.hpp"
#include "support/devices.hpp"
#include "support/expect_error.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"

namespace weft {
namespace {

using test::Bytes;
using testing::expect_error;

CodecSpec spec_of(CodecId codec) {
  CodecSpec spec;
  spec.codec = codec;
  if (codec == CodecId::kUniform) spec.step = 0.01;
  return spec;
}

class TensorEncoder : public ::testing::Test {
 protected:
  testing::TempFolder temp_;
  std::shared_ptr<cuda::Device> device_ = testing::a_device();
  std::unique_ptr<cuda::Queue> queue_ = device_->make_queue();
  cuda::Heap heap_{device_, UINT64_MAX};
  cuda::DeviceBuffer weights_{heap_}, workspace_{heap_};

  // Encodes each in turn at the same address.
  std::vector<std::vector<EncodedSegment>> encode(cuda::TensorEncoder& encoder, const std::vector<Bytes>& all) {
    EXPECT_TRUE(weights_.reserve(all[0].size() + 1));
    EXPECT_TRUE(workspace_.reserve(encoder.workspace_bytes() + 1));
    encoder.upload(*queue_, weights_.data(), workspace_.data());
    std::vector<std::vector<EncodedSegment>> results;
    for (const Bytes& units : all) {
      queue_->to_device(weights_.data(), units.data(), units.size());
      encoder.encode(*queue_);
      encoder.encode(*queue_);  // nothing of the one before is left
      results.push_back(encoder.fetch(*queue_));
    }
    return results;
  }
};

Bytes draw(DType dtype, std::size_t n, std::uint64_t seed) {
  if (is_quantizable(dtype)) return test::to_units(dtype, testing::draw_weights(n, seed, 0.02));
  std::mt19937_64 random(seed);
  Bytes bytes(n * static_cast<std::size_t>(unit_bytes(dtype)));
  for (auto& byte : bytes) byte = static_cast<std::byte>(random() % 23);
  return bytes;
}

TEST_F(TensorEncoder, GivesTheSegmentsOfTheCpu) {
  const auto cpu = make_cpu_backend()->make_coder();
  for (const CodecId codec : {CodecId::kRaw, CodecId::kLossless, CodecId::kUniform})
    for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF64, DType::kU8})
      for (const std::size_t n : {0u, 1u, 1001u, 70000u, (1u << 20) + 66000}) {
        if (codec == CodecId::kUniform && dtype == DType::kU8) continue;
        if (n > 1u << 20 && (dtype != DType::kBF16 || testing::kSanitized)) continue;
        if (n > 1001 && dtype == DType::kF64) continue;  // so few values repeat, which here nobody looks for
        SCOPED_TRACE(std::to_string(static_cast<int>(codec)) + ", " + std::string(name_of(dtype)) + ", " +
                     std::to_string(n));
        const CodecSpec spec = spec_of(codec);
        cuda::TensorEncoder encoder(dtype, n, spec);
        const std::vector<Bytes> weights{draw(dtype, n, 1), draw(dtype, n, 2)};
        const auto found = encode(encoder, weights);
        for (std::size_t w = 0; w < weights.size(); w++) {
          std::size_t at = 0;
          for (const EncodedSegment& segment : found[w]) {
            SegmentView view = test::segment_view(codec, dtype, 0);
            view.first_unit = at;
            view.units = std::min<std::uint64_t>(n - at, 1u << 20);
            view.uniform = &encoder.stream().uniform;
            const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
            EncodedSegment expected;
            cpu->encode(view, spec, std::span(weights[w]).subspan(at * unit, view.units * unit), expected);
            EXPECT_EQ(segment.bytes, expected.bytes);
            EXPECT_EQ(segment.tables, expected.tables);
            EXPECT_EQ(segment.block_sizes, expected.block_sizes);
            EXPECT_EQ(segment.corrections, expected.corrections);
            at += view.units;
          }
          EXPECT_EQ(at, n);
        }
      }
}

TEST_F(TensorEncoder, WhatItMakesBecomesAnArchive) {
  const struct {
    const char* name;
    DType dtype;
    std::vector<std::uint64_t> shape;
    CodecId codec;
  } list[] = {{"layer.weight", DType::kBF16, {300, 700}, CodecId::kLossless},
              {"layer.bias", DType::kF32, {300}, CodecId::kRaw},
              {"empty", DType::kF32, {0, 7}, CodecId::kLossless},
              {"head", DType::kF16, {1000, 90}, CodecId::kUniform},
              {"steps", DType::kI64, {}, CodecId::kLossless}};
  std::vector<cuda::TensorToWrite> tensors;
  std::vector<Bytes> weights;
  for (const auto& t : list) {
    TensorInfo info = cuda::describe_tensor(t.dtype, t.shape);
    weights.push_back(draw(t.dtype, info.elements, 7));
    cuda::TensorEncoder encoder(t.dtype, info.elements, spec_of(t.codec));
    auto segments = std::move(encode(encoder, {weights.back()})[0]);
    tensors.push_back({std::move(info), encoder.stream(), std::move(segments)});
  }
  std::vector<cuda::NamedTensorToWrite> named;
  for (std::size_t i = 0; i < tensors.size(); i++) named.push_back({list[i].name, &tensors[i]});
  cuda::write_tensors(named, temp_ / "w.weft", false);
  const Archive archive = Archive::open(temp_ / "w.weft");
  ASSERT_EQ(archive.index().files[0].name, "w.safetensors");
  (void)decompress(archive, temp_ / "out.safetensors", {}, {});
  const auto network = open_network(temp_ / "out.safetensors");
  ASSERT_EQ(network->tensors().size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); i++) {
    const TensorInfo& info = network->tensors()[i];
    EXPECT_EQ(info.name, list[i].name);
    EXPECT_EQ(info.shape, list[i].shape);
    Bytes data(info.bytes);
    network->read_tensor(i, 0, data);
    if (list[i].codec != CodecId::kUniform) {
      EXPECT_EQ(data, weights[i]) << info.name;
      continue;
    }
    const auto restored = test::to_values(info.dtype, data), original = test::to_values(info.dtype, weights[i]);
    for (std::size_t k = 0; k < restored.size(); k++) ASSERT_NEAR(restored[k], original[k], 0.0085) << k;
  }

  expect_error(ErrorKind::kUsage, {"w.weft"}, [&] { cuda::write_tensors(named, temp_ / "w.weft", false); });
  cuda::write_tensors(named, temp_ / "w.weft", true);
  named[1].name = named[0].name;
  expect_error(ErrorKind::kInput, {"layer.weight"}, [&] { cuda::write_tensors(named, temp_ / "x.weft", false); });
  EXPECT_FALSE(std::filesystem::exists(temp_ / "x.weft"));
  cuda::write_tensors({}, temp_ / "none.weft", false);
  EXPECT_TRUE(Archive::open(temp_ / "none.weft").index().tensors.empty());
}

TEST_F(TensorEncoder, SaysWhatItCannotDo) {
  const auto refuse = [](DType dtype, auto change, const char* part) {
    CodecSpec spec = spec_of(CodecId::kUniform);
    change(spec);
    expect_error(ErrorKind::kUsage, {part}, [&] { const cuda::TensorEncoder encoder(dtype, 100, spec); });
  };
  refuse(
      DType::kU8, [](CodecSpec&) {}, "U8 values are not quantized");
  refuse(
      DType::kF32, [](CodecSpec& s) { s.step.reset(); }, "one absolute `step`");
  refuse(
      DType::kF32, [](CodecSpec& s) { s.per_channel = true; }, "one absolute `step`");
  refuse(
      DType::kF32, [](CodecSpec& s) { s.uniform_model = "auto"; }, "codec uniform takes no model");
  refuse(
      DType::kF32, [](CodecSpec& s) { s.codec = CodecId::kLossless, s.symbol_model = "auto"; },
      "codec lossless takes no model");
  refuse(
      DType::kF32, [](CodecSpec& s) { s.step = 1e-39; }, "positive normal number");
  refuse(
      DType::kF32, [](CodecSpec& s) { s.step = std::numeric_limits<double>::quiet_NaN(); }, "positive normal");
  refuse(
      DType::kF16, [](CodecSpec& s) { s.step = 1000; }, "may overflow F16");
  refuse(
      DType::kF32, [](CodecSpec& s) { s.codec = CodecId::kTrellis; }, "raw, lossless and uniform");
  refuse(
      DType::kF32, [](CodecSpec& s) { s.prune.emplace(); }, "not pruned");
  expect_error(ErrorKind::kInput, {"2^64"}, [] { (void)cuda::describe_tensor(DType::kU8, {1ull << 33, 1ull << 33}); });
  expect_error(ErrorKind::kInput, {"byte"}, [] { (void)cuda::describe_tensor(DType::kF4, {3}); });

  cuda::TensorEncoder encoder(DType::kF32, 1000, spec_of(CodecId::kUniform));
  expect_error(ErrorKind::kUsage, {"before its jobs"}, [&] { encoder.encode(*queue_); });
  EXPECT_TRUE(weights_.reserve(5000) && workspace_.reserve(encoder.workspace_bytes()));
  expect_error(ErrorKind::kUsage, {"multiple of 16"},
               [&] { encoder.upload(*queue_, weights_.data() + 4, workspace_.data()); });
  expect_error(ErrorKind::kUsage, {"multiple of 256"},
               [&] { encoder.upload(*queue_, weights_.data(), workspace_.data() + 16); });
  const Bytes far = test::to_units(DType::kF32, std::vector<double>(1000, 1e6));
  expect_error(ErrorKind::kUnsupported, {"larger step"}, [&] { (void)encode(encoder, {far}); });
}

}  // namespace
}  // namespace weft
