#include "engine/plan.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "support/memory_network.hpp"

namespace weft::engine {
namespace {

using testing::expect_error;
using testing::MemoryNetwork;
using testing::MemoryTensor;

MemoryTensor zeros(const std::string& name, DType dtype, std::vector<std::uint64_t> shape) {
  std::uint64_t elements = 1;
  for (const std::uint64_t d : shape) elements *= d;
  return {name, dtype, std::move(shape), std::string(elements * static_cast<std::uint64_t>(bits_of(dtype)) / 8, '\0')};
}

Config one_rule(CodecSpec spec) {
  Config config;
  config.rules.push_back({});
  config.rules.back().spec = spec;
  return config;
}

CodecSpec uniform_spec() {
  CodecSpec spec;
  spec.codec = CodecId::kUniform;
  spec.relative_step = 0.5;
  return spec;
}

TEST(Plan, SmallTensorsOfOneTypeShareAStream) {
  const MemoryNetwork network({zeros("a", DType::kF32, {10}), zeros("b", DType::kI32, {4}), zeros("c", DType::kF32, {}),
                               zeros("big", DType::kF32, {128, 128}), zeros("empty", DType::kF32, {0}),
                               zeros("d", DType::kF32, {127, 129})});
  const Plan plan = make_plan(network, Config{});
  ASSERT_EQ(plan.index.streams.size(), 3u);
  EXPECT_EQ(plan.index.streams[0].members, (std::vector<std::size_t>{0, 2, 4, 5}));
  EXPECT_EQ(plan.index.streams[1].members, std::vector<std::size_t>{1});
  EXPECT_EQ(plan.index.streams[2].members, std::vector<std::size_t>{3});
  EXPECT_EQ(plan.index.places[2].first_unit, 10u);
  EXPECT_EQ(plan.index.places[5].first_unit, 11u);
  EXPECT_EQ(plan.index.places[5].units, 127u * 129);
  EXPECT_EQ(plan.index.streams[0].units, 11u + 127 * 129);
  EXPECT_EQ(plan.index.streams[0].codec, CodecId::kLossless);
}

TEST(Plan, ASharedStreamEnds) {
  std::vector<MemoryTensor> tensors;
  for (int i = 0; i < 140; i++) tensors.push_back(zeros("t" + std::to_string(i), DType::kU8, {10000}));
  const Plan plan = make_plan(MemoryNetwork(std::move(tensors)), Config{});
  ASSERT_EQ(plan.index.streams.size(), 2u);
  EXPECT_EQ(plan.index.streams[0].members.size(), 105u);  // the first to reach 2^20 units is the last
  EXPECT_EQ(plan.index.streams[1].members.size(), 35u);
}

// Tensors that are only said to be there.
class DeclaredNetwork final : public Network {
 public:
  explicit DeclaredNetwork(const std::vector<std::uint64_t>& sizes) {
    files_.push_back({FileInfo::Kind::kSafetensors, "model.safetensors", 0, 0, sizes.size(), "", {}, false});
    for (const std::uint64_t n : sizes)
      tensors_.push_back({"t" + std::to_string(tensors_.size()), DType::kBF16, {n}, n, 2 * n});
  }
  void read_tensor(std::size_t, std::uint64_t, std::span<std::byte>) const override {
    FAIL() << "a plan reads nothing";
  }
  void read_file(std::size_t, std::uint64_t, std::span<std::byte>) const override { FAIL() << "a plan reads nothing"; }
};

int block_log2_of(const std::vector<std::uint64_t>& sizes, const Config& config = {}) {
  return make_plan(DeclaredNetwork(sizes), config).index.streams.front().block_log2;
}

TEST(Plan, BlocksAreShorterWhereTheyWouldBeTooFewForAGpu) {
  EXPECT_EQ(block_log2_of({1u << 20}), 16);
  EXPECT_EQ(block_log2_of({1u << 25, (1u << 25) - 1}), 16);
  EXPECT_EQ(block_log2_of({1u << 25, 1u << 25}), 15);
  EXPECT_EQ(block_log2_of({4999u << 16, (1u << 16) - 1}), 15);
  EXPECT_EQ(block_log2_of({2500u << 16, 2500u << 16}), 16);
  EXPECT_EQ(block_log2_of({std::uint64_t{1} << 40}), 16);
  Config config;
  config.block_log2 = 13;
  EXPECT_EQ(block_log2_of({1u << 27}, config), 13);
  // Lanes of a trellis want long runs whatever the network.
  config = one_rule(uniform_spec());
  config.rules.front().spec.codec = CodecId::kTrellis;
  EXPECT_EQ(block_log2_of({1u << 27}, config), 17);
}

TEST(Plan, DifferentCodingIsNotShared) {
  Config config;
  Rule raw;
  raw.match = {"r*"};
  raw.spec.codec = CodecId::kRaw;
  Rule saving;
  saving.match = {"s*"};
  saving.spec.min_saving = 0.1;
  config.rules = {raw, saving};
  const MemoryNetwork network({zeros("r1", DType::kF32, {3}), zeros("s1", DType::kF32, {3}),
                               zeros("x1", DType::kF32, {3}), zeros("r2", DType::kF32, {3}),
                               zeros("s2", DType::kF32, {3}), zeros("x2", DType::kF32, {3})});
  const Plan plan = make_plan(network, config);
  ASSERT_EQ(plan.index.streams.size(), 3u);
  EXPECT_EQ(plan.index.streams[0].codec, CodecId::kRaw);
  for (std::size_t s = 0; s < 3; s++)
    EXPECT_EQ(plan.index.streams[s].members, (std::vector<std::size_t>{s, s + 3})) << s;
  EXPECT_EQ(plan.specs[1].min_saving, 0.1);
}

TEST(Plan, UniformTensorsHaveStreamsOfTheirOwn) {
  const MemoryNetwork network({zeros("a", DType::kF32, {10}), zeros("b", DType::kF32, {10})});
  const Plan plan = make_plan(network, one_rule(uniform_spec()));
  ASSERT_EQ(plan.index.streams.size(), 2u);
  EXPECT_EQ(plan.index.streams[1].codec, CodecId::kUniform);
  EXPECT_TRUE(plan.index.streams[1].uniform.scale_codes.empty());
  EXPECT_EQ(plan.notes[0], "");
}

TEST(Plan, WhatCannotBeQuantizedIsLosslessWithANote) {
  const MemoryNetwork network({zeros("i", DType::kI32, {10}), zeros("f8", DType::kF8E4M3, {10}),
                               zeros("empty", DType::kF32, {0, 5}), zeros("c", DType::kC64, {2})});
  const Plan plan = make_plan(network, one_rule(uniform_spec()));
  for (const auto& stream : plan.index.streams) EXPECT_EQ(stream.codec, CodecId::kLossless);
  EXPECT_EQ(plan.notes[0], "I32 values are not quantized");
  EXPECT_EQ(plan.notes[1], "F8_E4M3 values are not quantized");
  EXPECT_EQ(plan.notes[2], "");
  EXPECT_EQ(plan.notes[3], "C64 values are not quantized");
}

TEST(Plan, ChannelsFollowTheAxis) {
  CodecSpec spec = uniform_spec();
  spec.per_channel = true;
  const MemoryNetwork network({zeros("w", DType::kF32, {2, 3, 5})});
  for (const auto& [axis, inner, channels] :
       {std::tuple{0, 15u, 2u}, {1, 5u, 3u}, {2, 1u, 5u}, {-1, 1u, 5u}, {-3, 15u, 2u}}) {
    spec.channel_axis = axis;
    const Plan plan = make_plan(network, one_rule(spec));
    const UniformStream& uniform = plan.index.streams[0].uniform;
    EXPECT_EQ(uniform.inner, inner) << axis;
    EXPECT_EQ(uniform.scale_codes.size(), channels) << axis;
  }
  for (const int axis : {3, -4, 100}) {
    spec.channel_axis = axis;
    expect_error(ErrorKind::kConfig, {"tensor w", "channel_axis " + std::to_string(axis), "3 dimensions", "min_rank"},
                 [&] { (void)make_plan(network, one_rule(spec)); });
  }
  spec.channel_axis = 0;
  expect_error(ErrorKind::kConfig, {"tensor scalar", "0 dimensions"},
               [&] { (void)make_plan(MemoryNetwork({zeros("scalar", DType::kF32, {})}), one_rule(spec)); });
}

TEST(Plan, AssetsHaveStreams) {
  MemoryNetwork network;
  network.make_folder();
  network.add_asset("config.json", "{}");
  network.add_safetensors("m.safetensors", {zeros("a", DType::kU8, {3})});
  network.add_asset("empty.txt", "");
  const Plan plan = make_plan(network, Config{});
  ASSERT_EQ(plan.index.streams.size(), 3u);
  EXPECT_EQ(plan.index.asset_streams, (std::vector<std::size_t>{0, 0, 2}));
  EXPECT_EQ(plan.asset_files, (std::vector<std::size_t>{0, 0, 2}));
  EXPECT_EQ(plan.index.streams[0].codec, CodecId::kAsset);
  EXPECT_EQ(plan.index.streams[0].units, 2u);
  EXPECT_EQ(plan.index.streams[2].segment_count, 0u);
}

TEST(Plan, ReadsAcrossMembers) {
  std::vector<MemoryTensor> tensors = {
      {"a", DType::kU16, {2}, "aabb"}, {"none", DType::kU16, {0}, ""}, {"b", DType::kU16, {3}, "ccddee"}};
  const MemoryNetwork network(std::move(tensors));
  const Plan plan = make_plan(network, Config{});
  std::string out(6, '?');
  read_units(network, plan, 0, 1, std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(out, "bbccdd");
}

TEST(Plan, MemoryGrowsWithTheUnits) {
  StreamRecord stream;
  stream.dtype = DType::kF32;
  stream.codec = CodecId::kLossless;
  EXPECT_LT(encode_bytes(stream, 1000), encode_bytes(stream, 1u << 20));
  EXPECT_LT(decode_bytes(stream, 1000), decode_bytes(stream, 1u << 20));
}

}  // namespace
}  // namespace weft::engine
