#include "engine/codebooks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "archive/index.hpp"
#include "engine/limits.hpp"
#include "support/expect_error.hpp"
#include "support/memory_network.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"

namespace weft::engine {
namespace {

using testing::draw_weights;
using testing::MemoryNetwork;
using testing::TempFolder;
using testing::weight_bytes;

const double kNan = std::nan(""), kInfinity = std::numeric_limits<double>::infinity();

CodecSpec codebook_spec(std::uint32_t clusters = 16) {
  CodecSpec spec;
  spec.codec = CodecId::kCodebook;
  spec.clusters = clusters;
  return spec;
}

Config config_of(const CodecSpec& spec) {
  Config config;
  config.rules.push_back({});
  config.rules[0].spec = spec;
  return config;
}

MemoryNetwork network_of(DType dtype, const std::vector<double>& values) {
  return MemoryNetwork({{"w", dtype, {values.size()}, weight_bytes(dtype, values)}});
}

// The plan of one tensor with its codebook chosen.
Plan choose(DType dtype, const std::vector<double>& values, const CodecSpec& spec, std::uint32_t threads = 1) {
  const MemoryNetwork network = network_of(dtype, values);
  Plan plan = make_plan(network, config_of(spec));
  std::vector<StageTimes> times(threads);
  choose_codebooks(network, plan, pieces_for_codebooks(plan), *make_cpu_backend(), threads, nullptr, times);
  return plan;
}

std::vector<float> centroids_of(const Plan& plan) {
  EXPECT_EQ(plan.index.streams[0].codec, CodecId::kCodebook) << plan.notes[0];
  return plan.index.codebooks.at(plan.index.streams[0].codebook.books.at(0)).values;
}

void expect_lossless(const Plan& plan, const std::string& why) {
  EXPECT_EQ(plan.index.streams[0].codec, CodecId::kLossless);
  EXPECT_EQ(plan.index.streams[0].codebook, CodebookStream{});
  EXPECT_NE(plan.notes[0].find(why), std::string::npos) << plan.notes[0];
}

TEST(Codebooks, EntriesAscendAndFitTheWeights) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64})
    for (const std::uint32_t clusters : {2u, 16u, 200u}) {
      const auto values = draw_weights(20000, 1);
      const Plan plan = choose(dtype, values, codebook_spec(clusters));
      const auto centroids = centroids_of(plan);
      EXPECT_GT(centroids.size(), clusters * 9 / 10);
      EXPECT_LE(centroids.size(), clusters);
      EXPECT_TRUE(std::is_sorted(centroids.begin(), centroids.end(), std::less_equal<>()));
      // k entries for a normal distribution: an error of about 2.72 / k^2 of its variance (Panter and Dite).
      const double mse = plan.clusterings[0].inertia / 20000;
      EXPECT_LT(mse, 4.0 / (clusters * clusters)) << clusters;
    }
}

TEST(Codebooks, FewValuesAreKeptExactly) {
  std::vector<double> values;
  for (std::size_t i = 0; i < 3000; i++) values.push_back(i % 3 == 0 ? 1 : i % 3 == 1 ? -4 : 0.3f);
  const Plan plan = choose(DType::kF32, values, codebook_spec());
  EXPECT_EQ(centroids_of(plan), (std::vector<float>{-4, 0.3f, 1}));
  EXPECT_EQ(plan.clusterings[0].dead, 13u);
}

TEST(Codebooks, ConstantsHaveOneEntry) {
  EXPECT_EQ(centroids_of(choose(DType::kF32, std::vector<double>(100, -0.25), codebook_spec())),
            std::vector<float>{-0.25f});
  EXPECT_EQ(centroids_of(choose(DType::kBF16, std::vector<double>(100, 0.0), codebook_spec())), std::vector<float>{0});
}

TEST(Codebooks, AreStoredInTheirType) {
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    CodecSpec spec = codebook_spec();
    spec.centroid_dtype = dtype;
    const auto centroids = centroids_of(choose(DType::kF32, draw_weights(5000, 1), spec));
    for (const float c : centroids)
      EXPECT_EQ(testing::values_of(dtype, weight_bytes(dtype, {c})), std::vector<double>{c});
  }
}

TEST(Codebooks, APinnedZeroIsThere) {
  CodecSpec spec = codebook_spec(8);
  spec.pin_zero = true;
  auto values = draw_weights(5000, 1);
  for (double& value : values) value = std::fabs(value) < 0.7 ? 0 : value + 0.1;
  const Plan plan = choose(DType::kF32, values, spec);
  const auto centroids = centroids_of(plan);
  EXPECT_EQ(std::count(centroids.begin(), centroids.end(), 0.0f), 1);
}

TEST(Codebooks, APinnedZeroIsNeverDearerThanItsNeighbours) {
  // Zeros are rare, and the price of a bit is high: without the pin they would go to a frequent neighbour.
  auto values = draw_weights(20'000, 1, 0.01);
  for (double& value : values) value += value < 0 ? -0.05 : 0.05;
  for (std::size_t i = 0; i < values.size(); i += 500) values[i] = 0;
  CodecSpec spec = codebook_spec(8);
  spec.pin_zero = true;
  spec.codebook_lambda = 1;
  const TempFolder temp = TempFolder::in_memory();
  (void)compress(network_of(DType::kF32, values), config_of(spec), temp / "w", {});
  (void)decompress(Archive::open(temp / "w"), temp / "restored", {}, {});
  const std::string restored = temp.read("restored");
  const auto after = testing::values_of(DType::kF32, restored.substr(restored.size() - 80'000));
  for (std::size_t i = 0; i < values.size(); i += 500) ASSERT_EQ(after[i], 0.0) << i;
}

TEST(Codebooks, WhatNoCodebookSuitsIsLossless) {
  expect_lossless(choose(DType::kF32, std::vector<double>(50, kNan), codebook_spec()), "finite");
  expect_lossless(choose(DType::kF32, draw_weights(17, 1), codebook_spec()), "saves nothing");
  expect_lossless(choose(DType::kF64, draw_weights(3000, 1, 1e-60), codebook_spec()), "no float32 entry");
  CodecSpec half = codebook_spec();
  half.centroid_dtype = DType::kF16;
  expect_lossless(choose(DType::kF32, draw_weights(3000, 1, 1e6), half), "range of F16");
}

TEST(Codebooks, OfIntegersAndOfNothing) {
  const MemoryNetwork network(
      {{"ids", DType::kI32, {5}, std::string(20, '\1')}, {"empty", DType::kF32, {0, 3}, std::string()}});
  const Plan plan = make_plan(network, config_of(codebook_spec()));
  EXPECT_NE(plan.notes[0].find("not quantized"), std::string::npos);
  EXPECT_TRUE(pieces_for_codebooks(plan).empty());
}

TEST(Codebooks, LargeTensorsAreSampledFromEndToEnd) {
  Plan plan;
  plan.importances.resize(1);
  plan.specs.resize(1);
  StreamRecord stream;
  stream.codec = CodecId::kCodebook;
  stream.dtype = DType::kF32;
  for (const std::uint64_t units : {kClusteredUnits + 1, kClusteredUnits * 1000 + 77}) {
    stream.units = units;
    plan.index.streams = {stream};
    const auto pieces = pieces_for_codebooks(plan);
    EXPECT_EQ(pieces.front().first, 0u);
    EXPECT_EQ(pieces.back().first + pieces.back().units, units);
    std::uint64_t sum = 0;
    for (const Piece& piece : pieces) sum += piece.units;
    EXPECT_EQ(sum, kClusteredUnits);
    for (std::size_t p = 1; p < pieces.size(); p++) EXPECT_GT(pieces[p].first, pieces[p - 1].first);
  }
}

TEST(Codebooks, MemoryIsAccounted) {
  Plan plan = make_plan(network_of(DType::kF32, draw_weights(1'000'000, 1)), config_of(codebook_spec()));
  EXPECT_EQ(codebook_bytes(plan), 18'000'000u);
  RunOptions options;
  options.threads = 40;
  EXPECT_EQ(limit_threads(plan, options, 5'000'000), 40u);
  EXPECT_EQ(plan.codebook_threads, 14u);
  options.memory_limit = 8u << 20;
  testing::expect_error(ErrorKind::kMemory, {"needs 17.2 MiB", "--memory-limit"},
                        [&] { (void)limit_threads(plan, options, 5'000'000); });
}

TEST(Codebooks, TensorsShareOneByName) {
  CodecSpec spec = codebook_spec(32);
  spec.shared = "all";
  auto with_nan = draw_weights(700, 2);
  with_nan[3] = kNan;
  const MemoryNetwork network({{"a", DType::kF32, {5000}, weight_bytes(DType::kF32, draw_weights(5000, 1))},
                               {"b", DType::kBF16, {700}, weight_bytes(DType::kBF16, with_nan)},
                               {"none", DType::kF32, {50}, weight_bytes(DType::kF32, std::vector<double>(50, kNan))},
                               {"c", DType::kF64, {300}, weight_bytes(DType::kF64, draw_weights(300, 3))}});
  Plan plan = make_plan(network, config_of(spec));
  std::vector<StageTimes> times(2);
  choose_codebooks(network, plan, pieces_for_codebooks(plan), *make_cpu_backend(), 2, nullptr, times);
  ASSERT_EQ(plan.index.codebooks.size(), 1u);
  EXPECT_EQ(plan.index.codebooks[0].entries(), 32u);
  EXPECT_EQ(plan.index.streams[2].codec, CodecId::kLossless);
  for (const std::size_t s : {0u, 1u, 3u}) {
    EXPECT_EQ(plan.index.streams[s].codebook.books, std::vector<std::uint32_t>{0});
    EXPECT_EQ(plan.clusterings[s].inertia, plan.clusterings[0].inertia);
  }
  // About the same as if all their weights were one tensor.
  auto all = draw_weights(5000, 1);
  for (const double value : testing::values_of(DType::kBF16, weight_bytes(DType::kBF16, draw_weights(700, 2))))
    all.push_back(value);
  all.erase(all.begin() + 5003);
  for (const double value : draw_weights(300, 3)) all.push_back(value);
  const auto expected = centroids_of(choose(DType::kF32, all, codebook_spec(32)));
  for (std::size_t i = 0; i < 32; i++) EXPECT_NEAR(plan.index.codebooks[0].values[i], expected[i], 0.01);
}

TEST(Codebooks, SharedSamplesStayBounded) {
  Plan plan;
  CodecSpec spec = codebook_spec();
  spec.shared = "x";
  for (const std::uint64_t units : {std::uint64_t{10}, std::uint64_t{5000}, kClusteredUnits, 3 * kClusteredUnits}) {
    StreamRecord stream;
    stream.codec = CodecId::kCodebook;
    stream.dtype = DType::kF32;
    stream.units = units;
    stream.segment_log2 = 20;
    archive::lay_out_stream(plan.index, stream);
    plan.index.streams.push_back(stream);
    plan.importances.emplace_back();
    plan.specs.push_back(spec);
  }
  std::uint64_t sum = 0;
  for (const Piece& piece : pieces_for_codebooks(plan)) {
    sum += piece.units;
    EXPECT_LE(piece.first + piece.units, plan.index.streams[piece.stream].units);
  }
  EXPECT_LE(sum, kClusteredUnits + 100);
  EXPECT_GT(sum, kClusteredUnits * 9 / 10);
}

TEST(Codebooks, GroupsOfChannelsHaveTheirOwn) {
  // Channels of quite different sizes.
  std::vector<double> values = draw_weights(5 * 400, 1);
  for (std::size_t i = 0; i < values.size(); i++) values[i] *= std::pow(10.0, static_cast<double>(i / 400));
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const MemoryNetwork network({{"w", dtype, {5, 400}, weight_bytes(dtype, values)}});
    CodecSpec spec = codebook_spec(8);
    spec.channel_group = 2;
    Plan plan = make_plan(network, config_of(spec));
    std::vector<StageTimes> times(1);
    choose_codebooks(network, plan, pieces_for_codebooks(plan), *make_cpu_backend(), 1, nullptr, times);
    ASSERT_EQ(plan.index.codebooks.size(), 3u);
    EXPECT_EQ(plan.index.streams[0].codebook, (CodebookStream{{0, 1, 2}, 400, 5, 2, 1, 1}));
    for (std::size_t g = 0; g < 3; g++) {
      const auto& entries = plan.index.codebooks[g].values;
      const double deviation = g == 0 ? 10 : g == 1 ? 1000 : 10'000;  // of the larger channel of the two
      EXPECT_NEAR(entries.back(), 2 * deviation, 1.5 * deviation);
    }
    spec.channel_group = 5;
    plan = make_plan(network, config_of(spec));
    EXPECT_EQ(plan.index.streams[0].codebook.group, 0u);
    spec.channel_axis = 2;
    testing::expect_error(ErrorKind::kConfig, {"channel_axis"}, [&] { (void)make_plan(network, config_of(spec)); });
  }
}

TEST(Codebooks, VectorsAreSampledByTheNumberOfEntries) {
  Plan plan;
  plan.importances.resize(1);
  plan.specs = {codebook_spec(256)};
  StreamRecord stream;
  stream.codec = CodecId::kCodebook;
  stream.dtype = DType::kBF16;
  stream.codebook.dimension = 4;
  stream.units = 1'000'003;
  plan.index.streams = {stream};
  std::uint64_t sum = 0;
  for (const Piece& piece : pieces_for_codebooks(plan)) {
    EXPECT_EQ(piece.first % 4, 0u);
    sum += piece.units;
  }
  EXPECT_NEAR(static_cast<double>(sum), 256 * 4 * 128, 4096);
}

// Every scope, dimension and width of index through an archive and back, with threads that change nothing.
TEST(Codebooks, OfAllKindsComeBack) {
  auto odd = draw_weights(3001, 2);
  odd[0] = kNan, odd[17] = kInfinity, odd[3000] = -kInfinity;
  const MemoryNetwork network(
      {{"conv", DType::kF32, {40, 13, 3, 3}, weight_bytes(DType::kF32, draw_weights(40 * 13 * 9, 1))},
       {"odd", DType::kF32, {3001}, weight_bytes(DType::kF32, odd)},
       {"half", DType::kF16, {50, 101}, weight_bytes(DType::kF16, draw_weights(5050, 3))},
       {"f64", DType::kF64, {300, 7}, weight_bytes(DType::kF64, draw_weights(2100, 4))},
       {"tiny", DType::kF32, {3}, weight_bytes(DType::kF32, {1, 2, 3})}});
  const TempFolder temp = TempFolder::in_memory();
  for (const std::uint32_t dimension : {1u, 2u, 4u, 8u})
    for (const int scope : {0, 1, 2})
      for (const std::uint32_t clusters : {16u, 300u}) {
        CodecSpec spec = codebook_spec(clusters);
        spec.dimension = dimension;
        spec.centroid_dtype = DType::kF16;
        spec.codebook_lambda = clusters == 300 ? 0.001 : 0;
        if (scope == 1) spec.shared = "network";
        if (scope == 2) spec.channel_group = 25;
        RunOptions options;
        options.overwrite = true;
        std::string first;
        for (const std::uint32_t threads : {1u, 3u}) {
          options.threads = threads;
          const Report report = compress(network, config_of(spec), temp / "w", options);
          if (first.empty()) first = temp.read("w");
          ASSERT_TRUE(temp.read("w") == first);
          const Report checked = verify(Archive::open(temp / "w"), &network, options);
          for (std::size_t t = 0; t < report.tensors.size(); t++) {
            ASSERT_EQ(report.tensors[t].sum_squared_error, checked.tensors[t].sum_squared_error);
            if (!report.tensors[t].codebook) continue;
            EXPECT_EQ(report.tensors[t].codebook->dimension, dimension);
            EXPECT_LT(report.tensors[t].sum_squared_error, 0.9 * report.tensors[t].sum_squares);
          }
          EXPECT_TRUE(report.tensors[2].codebook.has_value() || scope == 2) << report.tensors[2].note;
        }
      }
}

TEST(Codebooks, NetworksComeBackTheSameWhateverTheThreads) {
  auto odd = draw_weights(70'000, 2);
  odd[0] = kNan, odd[1] = kInfinity, odd[69'999] = -kInfinity;
  const MemoryNetwork network(
      {{"bf16", DType::kBF16, {1300, 1000}, weight_bytes(DType::kBF16, draw_weights(1'300'000, 1, 0.02))},
       {"odd", DType::kF32, {70'000}, weight_bytes(DType::kF32, odd)},
       {"f64", DType::kF64, {300}, weight_bytes(DType::kF64, draw_weights(300, 3))},
       {"constant", DType::kF16, {40}, weight_bytes(DType::kF16, std::vector<double>(40, 0.3))},
       {"ids", DType::kI64, {10}, std::string(80, '\1')}});
  const TempFolder temp = TempFolder::in_memory();
  CodecSpec spec = codebook_spec();
  spec.codebook_lambda = 0.01;
  std::string first;
  for (const std::uint32_t threads : {1u, 2u, 7u}) {
    RunOptions options;
    options.threads = threads;
    options.memory_limit = 1u << 30;
    options.overwrite = true;
    const Report report = compress(network, config_of(spec), temp / "w", options);
    ASSERT_TRUE(report.tensors[1].codebook.has_value());
    EXPECT_EQ(report.tensors[1].codec, "codebook");
    EXPECT_GT(report.tensors[1].codebook->inertia, 0);
    EXPECT_EQ(report.tensors[3].max_abs_error, 0);
    EXPECT_EQ(report.tensors[4].codec, "lossless");
    if (first.empty()) first = temp.read("w");
    EXPECT_TRUE(temp.read("w") == first) << threads;
    const Report checked = verify(Archive::open(temp / "w"), &network, options);
    for (std::size_t t = 0; t < report.tensors.size(); t++)
      EXPECT_EQ(report.tensors[t].sum_squared_error, checked.tensors[t].sum_squared_error);
  }
  const Report guess = estimate(network, config_of(spec), {});
  EXPECT_NEAR(static_cast<double>(guess.bytes_out), static_cast<double>(first.size()),
              0.1 * static_cast<double>(first.size()));
}

}  // namespace
}  // namespace weft::engine
