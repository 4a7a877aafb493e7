// Trellis streams through the engine: what is chosen, what falls back, and what comes out again.
#include "engine/models.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "archive/trellis_index.hpp"
#include "engine/view.hpp"
#include "support/expect_error.hpp"
#include "support/memory_network.hpp"
#include "support/random_network.hpp"
#include "support/temp_folder.hpp"
#include "weft/engine.hpp"

namespace weft::engine {
namespace {

using testing::draw_weights;
using testing::MemoryNetwork;
using testing::MemoryTensor;
using testing::read_file;
using testing::TempFolder;
using testing::weight_bytes;

const double kNan = std::nan(""), kInfinity = std::numeric_limits<double>::infinity();

CodecSpec trellis_spec(double relative_step = 0.5) {
  CodecSpec spec;
  spec.codec = CodecId::kTrellis;
  spec.relative_step = relative_step;
  return spec;
}

Config config_of(const CodecSpec& spec) {
  Config config;
  config.rules.push_back({});
  config.rules[0].spec = spec;
  config.block_log2 = 12;
  return config;
}

MemoryTensor tensor(const std::string& name, DType dtype, std::vector<std::uint64_t> shape,
                    const std::vector<double>& values) {
  return {name, dtype, std::move(shape), weight_bytes(dtype, values)};
}

// Neighbours along the first axis are alike, so that its view is worth having.
std::vector<double> smooth_across(std::uint64_t rows, std::uint64_t columns, std::uint64_t seed) {
  std::vector<double> values = draw_weights(rows * columns, seed);
  for (std::size_t i = columns; i < values.size(); i++) values[i] += 0.95 * values[i - columns];
  return values;
}

// Kernels whose weights lie around a value of their own: one after the other, or side by side as in Keras's files.
std::vector<double> kernels(std::uint64_t count, std::uint64_t size, bool turned) {
  const std::vector<double> centres = draw_weights(count, 5, 0.1), noise = draw_weights(count * size, 6, 0.1);
  std::vector<double> values(count * size);
  for (std::size_t i = 0; i < values.size(); i++)
    values[turned ? i % size * count + i / size : i] = centres[i / size] + noise[i];
  return values;
}

MemoryNetwork several_tensors() {
  std::vector<double> rows = draw_weights(64 * 300, 1, 0.02);
  for (std::size_t i = 0; i < rows.size(); i++) rows[i] *= i / 300 % 3 == 0 ? 5 : 1;
  std::vector<double> pruned = draw_weights(20000, 2);
  for (double& value : pruned) value = std::fabs(value) < 1.2 ? 0 : value;
  std::vector<MemoryTensor> tensors;
  tensors.push_back(tensor("rows", DType::kF32, {64, 300}, rows));
  tensors.push_back(tensor("across", DType::kF32, {40, 500}, smooth_across(40, 500, 3)));
  tensors.push_back(tensor("pruned", DType::kF16, {100, 200}, pruned));
  tensors.push_back(tensor("long", DType::kBF16, {1200, 300}, draw_weights(360000, 4, 0.1)));
  tensors.push_back(tensor("one", DType::kF64, {}, {0.3}));
  tensors.push_back({"empty", DType::kF32, {0, 4}, ""});
  tensors.push_back({"steps", DType::kI64, {3}, std::string(24, '\1')});
  tensors.push_back(tensor("kernels", DType::kF32, {24, 50, 3, 3}, kernels(1200, 9, false)));
  tensors.push_back(tensor("turned", DType::kBF16, {5, 24, 50}, kernels(1200, 5, true)));
  return MemoryNetwork(std::move(tensors));
}

Report compress_to(const std::filesystem::path& path, const MemoryNetwork& network, const Config& config,
                   std::uint32_t threads = 2) {
  RunOptions options;
  options.threads = threads;
  options.overwrite = true;
  return compress(network, config, path, options);
}

// Taps find something in any sample; a decoder takes twice the time for it.
TEST(TrellisModels, NoiseIsNotPredicted) {
  const TempFolder temp;
  std::vector<MemoryTensor> tensors;
  for (std::uint64_t seed = 0; seed < 12; seed++)
    tensors.push_back(tensor("noise" + std::to_string(seed), DType::kF32, {512, seed % 2 == 0 ? 512u : 57u * 9},
                             draw_weights(512 * (seed % 2 == 0 ? 512 : 57 * 9), seed)));
  for (MemoryTensor& noise : tensors)
    if (noise.shape[1] % 9 == 0) noise.shape = {512, 57, 3, 3};
  const Report report = compress_to(temp / "a", MemoryNetwork(std::move(tensors)), config_of(trellis_spec(0.6)));
  for (const auto& result : report.tensors) EXPECT_EQ(result.trellis->model, "order0") << result.name;
}

// A mean far from zero costs bits in every weight; a small one, or one that zeros need, stays.
TEST(TrellisModels, LevelZeroIsAMeanThatMatters) {
  const TempFolder temp;
  constexpr std::size_t kWeights = 200 * 300;
  const auto around = [](double mean, std::uint64_t seed) {
    std::vector<double> values = draw_weights(kWeights, seed, 0.1);
    for (double& value : values) value += mean;
    return values;
  };
  std::vector<double> sparse(kWeights), rough = around(-7, 4);
  for (std::size_t i = 0; i < kWeights; i += 9) sparse[i] = 1 + 0.001 * static_cast<double>(i % 70);
  rough[5] = kNan, rough[77] = kInfinity, rough[99] = 0;
  const MemoryNetwork network(
      {tensor("around", DType::kF32, {200, 300}, around(0.1, 1)),
       tensor("still", DType::kF32, {200, 300}, around(0.003, 2)), tensor("sparse", DType::kF32, {200, 300}, sparse),
       tensor("far", DType::kF16, {200, 300}, around(20, 3)), tensor("rough", DType::kF64, {200, 300}, rough)});
  CodecSpec spec = trellis_spec();
  spec.relative_step.reset();
  spec.step = 0.05;
  const Report report = compress_to(temp / "a", network, config_of(spec));
  EXPECT_NEAR(report.tensors[0].trellis->offset, 0.1, 0.003);
  EXPECT_EQ(report.tensors[1].trellis->offset, 0);
  EXPECT_EQ(report.tensors[2].trellis->offset, 0);
  EXPECT_NEAR(report.tensors[3].trellis->offset, 20, 0.02);
  EXPECT_NEAR(report.tensors[4].trellis->offset, -7, 0.02);
  for (const std::size_t t : {0u, 1u, 4u}) {  // Gaussian all: the same deviation, the same rate
    EXPECT_NEAR(8.0 * static_cast<double>(report.tensors[t].bytes_out) / kWeights, 3.1, 0.2) << t;
  }
  RunOptions options;
  const Report checked = verify(Archive::open(temp / "a"), &network, options);
  for (const std::size_t t : {0u, 1u, 4u}) EXPECT_LT(checked.tensors[t].max_abs_error, 0.1) << t;

  spec.prune.emplace();
  spec.prune->sparsity = 0.5;
  const Report pruned = compress_to(temp / "b", network, config_of(spec));
  for (std::size_t t = 0; t < 5; t++) {
    ASSERT_EQ(pruned.tensors[t].trellis.has_value(), t < 3)
        << t;  // without an offset, steps are too fine for the others
    if (pruned.tensors[t].trellis) {
      EXPECT_EQ(pruned.tensors[t].trellis->offset, 0) << t;
    }
  }
}

// Zeros come back as zeros where there are many, or where the labelling says so.
TEST(TrellisModels, LevelZeroStaysWithZeros) {
  const TempFolder temp;
  std::vector<double> masked = draw_weights(128 * 200, 1, 0.3), positive = draw_weights(128 * 200, 2, 0.3);
  for (std::size_t i = 0; i < masked.size(); i++) masked[i] = i % 5 < 2 ? 0 : masked[i] + 1;
  for (double& value : positive) value = std::fabs(value);
  positive[77] = 0;
  const MemoryNetwork network(
      {tensor("masked", DType::kF32, {128, 200}, masked), tensor("positive", DType::kF32, {128, 200}, positive)});
  const auto offset_of = [&](std::size_t t, const std::string& labelling) {
    CodecSpec spec = trellis_spec(0.3);
    spec.labelling = labelling;
    return compress_to(temp / "a", network, config_of(spec)).tensors[t].trellis->offset;
  };
  EXPECT_EQ(offset_of(0, "auto"), 0);
  EXPECT_NEAR(offset_of(1, "auto"), 0.24, 0.02);
  EXPECT_EQ(offset_of(1, "zero"), 0);
}

TEST(TrellisModels, EqualValuesTakeNextToNothing) {
  const TempFolder temp;
  std::vector<double> ones(3000, 1), some(3000, -0.1);
  some[3] = some[2999] = kNan;
  const MemoryNetwork network({tensor("ones", DType::kF32, {3000}, ones), tensor("some", DType::kF32, {3000}, some),
                               tensor("half", DType::kF16, {3000}, ones)});
  for (const double relative_step : {0.06, 0.1, 0.25, 0.6, 1.0}) {
    const Report report = compress_to(temp / "a", network, config_of(trellis_spec(relative_step)));
    for (const auto& result : report.tensors) EXPECT_LT(result.bytes_out, 250u) << result.name << " " << relative_step;
    const Report checked = verify(Archive::open(temp / "a"), &network, {});
    for (const auto& result : checked.tensors) EXPECT_LT(result.max_abs_error, 0.01) << result.name;
  }
}

TEST(TrellisModels, TheArchiveDoesNotDependOnThreads) {
  const TempFolder temp;
  const MemoryNetwork network = several_tensors();
  for (const std::uint32_t threads : {1u, 2u, 5u})
    (void)compress_to(temp / std::to_string(threads), network, config_of(trellis_spec()), threads);
  EXPECT_EQ(read_file(temp / "1"), read_file(temp / "2"));
  EXPECT_EQ(read_file(temp / "1"), read_file(temp / "5"));
}

TEST(TrellisModels, EveryTensorGetsWhatSuitsIt) {
  const TempFolder temp;
  const MemoryNetwork network = several_tensors();
  const Report report = compress_to(temp / "a", network, config_of(trellis_spec()));
  for (const std::size_t t : {0u, 1u, 2u, 3u, 7u, 8u}) {
    ASSERT_EQ(report.tensors[t].codec, "trellis") << report.tensors[t].note;
    ASSERT_TRUE(report.tensors[t].trellis.has_value());
  }
  EXPECT_FALSE(report.tensors[0].trellis->scales.empty());
  EXPECT_EQ(report.tensors[1].trellis->model, "predictive");
  EXPECT_FALSE(report.tensors[1].trellis->view.empty());
  EXPECT_EQ(report.tensors[2].trellis->labelling, "zero");
  EXPECT_EQ(report.tensors[2].trellis->period, 0u);
  EXPECT_EQ(report.tensors[4].codec, "lossless");
  EXPECT_THAT(report.tensors[4].note, ::testing::HasSubstr("few different values"));
  EXPECT_NE(report.tensors[6].codec, "trellis");
  EXPECT_EQ(report.tensors[7].trellis->period, 9u);
  EXPECT_EQ(report.tensors[8].trellis->period, 5u);
  EXPECT_FALSE(report.tensors[8].trellis->view.empty());
  // The errors of a report are those of what a decoder gives.
  const Archive archive = Archive::open(temp / "a");
  const Report verified = verify(archive, &network, {});
  for (std::size_t t = 0; t < report.tensors.size(); t++) {
    const double reported = report.tensors[t].sum_squared_error;  // of a view, added up in another order
    EXPECT_NEAR(verified.tensors[t].sum_squared_error, reported, 1e-13 * reported) << t;
  }
  // About a quarter of a cell squared over twelve, or less where the rate counts for more.
  const double rms = std::sqrt(report.tensors[3].sum_squares / 360000);
  const double error = std::sqrt(report.tensors[3].sum_squared_error / 360000) / (0.5 * rms);
  EXPECT_GT(error, 0.15);
  EXPECT_LT(error, 0.35);
}

TEST(TrellisModels, WithoutTheBankEachTensorHasItsOwnShape) {
  const TempFolder temp;
  const MemoryNetwork network = several_tensors();
  CodecSpec spec = trellis_spec();
  (void)compress_to(temp / "a", network, config_of(spec));
  spec.bank = false;
  (void)compress_to(temp / "b", network, config_of(spec));
  const Archive with = Archive::open(temp / "a"), without = Archive::open(temp / "b");
  EXPECT_LT(with.index().shapes.size(), 5u);
  ASSERT_EQ(without.index().shapes.size(), 6u);
  std::vector<std::uint32_t> shapes;
  for (const StreamRecord& stream : without.index().streams)
    if (stream.codec == CodecId::kTrellis) shapes.push_back(stream.trellis.shape);
  EXPECT_THAT(shapes, ::testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_NO_THROW((void)verify(without, &network, {}));
}

TEST(TrellisModels, OneTensorWithAViewComesOutAlone) {
  const TempFolder temp;
  const MemoryNetwork network = several_tensors();
  (void)compress_to(temp / "a", network, config_of(trellis_spec()));
  const Archive archive = Archive::open(temp / "a");
  ASSERT_TRUE(has_view(archive.index().streams[archive.index().places[1].stream]));
  (void)decompress(archive, temp / "all", {}, {});
  (void)decompress(archive, temp / "some", {"across", "rows"}, {});
  const std::string all = read_file(temp / "all"), some = read_file(temp / "some");
  const std::size_t bytes = (64 * 300 + 40 * 500) * 4;
  const std::size_t data = 8 + network.files()[0].header.size();
  EXPECT_EQ(some.substr(some.size() - bytes), all.substr(data, bytes));
}

TEST(TrellisModels, ADryRunIsNear) {
  const TempFolder temp;
  const MemoryNetwork network = several_tensors();
  const Report real = compress_to(temp / "a", network, config_of(trellis_spec()));
  const Report dry = estimate(network, config_of(trellis_spec()), {});
  EXPECT_NEAR(static_cast<double>(dry.bytes_out), static_cast<double>(real.bytes_out),
              0.05 * static_cast<double>(real.bytes_out));
}

// A uniform quantizer has the models, too: about the same error for fewer bits, and its own bound of the error.
TEST(TrellisModels, UniformTakesAModel) {
  const TempFolder temp;
  const MemoryNetwork network = several_tensors();
  CodecSpec spec;
  spec.codec = CodecId::kUniform;
  spec.relative_step = 0.5;
  spec.lambda = 0;
  spec.correct_reconstruction = false;
  const Report order0 = compress_to(temp / "a", network, config_of(spec));
  spec.uniform_model = "auto";
  const Report report = compress_to(temp / "b", network, config_of(spec));
  for (const std::size_t t : {0u, 1u, 2u, 3u, 7u, 8u}) {
    const TensorReport &tensor = report.tensors[t], &before = order0.tensors[t];
    ASSERT_EQ(tensor.codec, "uniform");
    ASSERT_TRUE(tensor.trellis.has_value()) << t;
    EXPECT_EQ(tensor.trellis->states, 1u);
    EXPECT_EQ(tensor.step, before.step) << t;
    EXPECT_LT(static_cast<double>(tensor.bytes_out), 1.01 * static_cast<double>(before.bytes_out)) << t;
    EXPECT_NEAR(tensor.sum_squared_error, before.sum_squared_error, 0.02 * before.sum_squared_error) << t;
    EXPECT_LE(tensor.max_abs_error, *tensor.step * (tensor.dtype == "BF16" ? 0.53 : 0.503)) << t;
  }
  EXPECT_EQ(report.tensors[1].trellis->model, "predictive");
  for (const std::size_t t : {0u, 1u, 7u, 8u})
    EXPECT_LT(static_cast<double>(report.tensors[t].bytes_out), 0.92 * static_cast<double>(order0.tensors[t].bytes_out))
        << t;
  (void)verify(Archive::open(temp / "b"), &network, {});

  spec.prune.emplace();
  spec.prune->sparsity = 0.5;
  spec.lambda = 0.1;
  const Report pruned = compress_to(temp / "c", network, config_of(spec));
  EXPECT_EQ(pruned.tensors[0].trellis->states, 1u);
  EXPECT_GE(pruned.tensors[0].prune->zeros, 64u * 300 / 2);

  spec.prune.reset();
  spec.relative_step = 0.01;
  const Report fine = compress_to(temp / "d", network, config_of(spec));
  EXPECT_EQ(fine.tensors[0].codec, "uniform");
  EXPECT_FALSE(fine.tensors[0].trellis.has_value());
  spec.uniform_model = "order0";
  EXPECT_EQ(fine.tensors[0].step, compress_to(temp / "e", network, config_of(spec)).tensors[0].step);
}

// Tails that the tables do not reach are stored apart: at no price of bits every error is half a cell at most.
TEST(TrellisModels, UniformKeepsToItsCellInTheTails) {
  const TempFolder temp;
  std::vector<double> tails = draw_weights(120000, 1);
  for (std::size_t i = 0; i < 40; i++) tails[1000 + 2900 * i] = 4.5 + 0.11 * static_cast<double>(i);
  const MemoryNetwork network({tensor("tails", DType::kF32, {400, 300}, tails)});
  CodecSpec spec;
  spec.codec = CodecId::kUniform;
  spec.uniform_model = "auto";
  spec.step = 0.5;
  spec.lambda = 0;
  spec.correct_reconstruction = false;
  const Report report = compress_to(temp / "a", network, config_of(spec));
  ASSERT_TRUE(report.tensors[0].trellis.has_value());
  EXPECT_LE(report.tensors[0].max_abs_error, 0.25 * 1.005);
  EXPECT_LE(verify(Archive::open(temp / "a"), &network, {}).tensors[0].max_abs_error, 0.25 * 1.005);
}

TEST(TrellisModels, AStepTooFineBecomesUniform) {
  const TempFolder temp;
  const auto values = draw_weights(20000, 1);
  const MemoryNetwork network({tensor("w", DType::kF32, {100, 200}, values)});
  const Report report = compress_to(temp / "a", network, config_of(trellis_spec(0.01)));
  EXPECT_EQ(report.tensors[0].codec, "uniform");
  EXPECT_THAT(report.tensors[0].note, ::testing::HasSubstr("too fine for a trellis"));
  (void)verify(Archive::open(temp / "a"), &network, {});
  EXPECT_LT(std::sqrt(report.tensors[0].sum_squared_error / report.tensors[0].sum_squares), 0.01);
}

// Exact where that takes no more bits: constants, signs and masks, but not levels that have an entropy of their own.
TEST(TrellisModels, FewValuesAreExactWhereThatIsSmaller) {
  const TempFolder temp;
  constexpr std::size_t kWeights = 256 * 300;
  const std::vector<double> noise = draw_weights(kWeights, 1);
  std::vector<double> ones(kWeights, 1), signs(kWeights), mask(kWeights), levels(kWeights);
  for (std::size_t i = 0; i < kWeights; i++) {
    signs[i] = noise[i] < 0 ? -0.1 : 0.1;
    mask[i] = i / 300 >= i % 300 ? 1 : 0;
    levels[i] = std::rint(noise[i] * 7) * 0.1;
  }
  const MemoryNetwork network(
      {tensor("ones", DType::kBF16, {256, 300}, ones), tensor("signs", DType::kF32, {256, 300}, signs),
       tensor("mask", DType::kF32, {256, 300}, mask), tensor("levels", DType::kF32, {256, 300}, levels)});
  const Report report = compress_to(temp / "a", network, config_of(trellis_spec(0.34)));
  const Report exact = compress_to(temp / "b", network, config_of(CodecSpec{}));
  for (const std::size_t t : {0u, 1u, 2u}) {
    EXPECT_EQ(report.tensors[t].codec, "lossless") << t;
    EXPECT_LE(report.tensors[t].bytes_out, exact.tensors[t].bytes_out) << t;
  }
  EXPECT_EQ(report.tensors[3].codec, "trellis");
  EXPECT_LT(report.tensors[3].bytes_out, exact.tensors[3].bytes_out);
}

// 16-bit floats have no finer errors to give.
TEST(TrellisModels, AStepAsFineAsTheFloatsIsLossless) {
  const TempFolder temp;
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    const MemoryNetwork network({tensor("w", dtype, {300, 200}, draw_weights(60000, 1, 0.02))});
    const Report exact = compress_to(temp / "a", network, config_of(CodecSpec{}));
    for (const double step : {0.0001, 0.0004, 0.002, 0.01, 0.03}) {
      const Report report = compress_to(temp / "b", network, config_of(trellis_spec(step)));
      EXPECT_LE(static_cast<double>(report.bytes_out), 1.003 * static_cast<double>(exact.bytes_out)) << step;
      if (step == 0.0001 || step == 0.03) {
        EXPECT_EQ(report.tensors[0].codec, step < 0.01 ? "lossless" : "uniform");
      }
    }
  }
}

TEST(TrellisModels, NothingFiniteBecomesLossless) {
  const TempFolder temp;
  const MemoryNetwork network({tensor("nan", DType::kF32, {30, 50}, std::vector<double>(1500, kNan))});
  const Report report = compress_to(temp / "a", network, config_of(trellis_spec()));
  EXPECT_EQ(report.tensors[0].codec, "lossless");
  EXPECT_THAT(report.tensors[0].note, ::testing::HasSubstr("finite"));
  (void)decompress(Archive::open(temp / "a"), temp / "b", {}, {});
  EXPECT_EQ(read_file(temp / "b"), network.bytes_of_file(0));
}

TEST(TrellisModels, StepsThatFloat32CannotHoldBecomeLossless) {
  const TempFolder temp;
  const MemoryNetwork network({tensor("tiny", DType::kF64, {30, 50}, draw_weights(1500, 1, 1e-36))});
  const Report report = compress_to(temp / "a", network, config_of(trellis_spec()));
  EXPECT_EQ(report.tensors[0].codec, "lossless");
  EXPECT_THAT(report.tensors[0].note, ::testing::HasSubstr("no float32 step"));
}

// Shapes and values that break models.
TEST(TrellisModels, OddTensorsRoundTrip) {
  const TempFolder temp;
  std::vector<MemoryTensor> tensors;
  const std::vector<std::vector<std::uint64_t>> shapes = {{1},         {1, 3000}, {3000, 1}, {1, 1, 1},
                                                          {7, 11, 13}, {65536},   {65537}};
  for (std::size_t s = 0; s < shapes.size(); s++)
    for (int kind = 0; kind < 6; kind++) {
      std::uint64_t n = 1;
      for (const std::uint64_t d : shapes[s]) n *= d;
      if (n > 60000 && kind > 1) continue;
      std::vector<double> values = draw_weights(n, s + 1, 0.1);
      if (kind == 1) std::fill(values.begin(), values.end(), 0.0);
      if (kind == 2) std::fill(values.begin(), values.end(), -0.75);
      if (kind == 3) values[n / 2] = 30000;  // one huge outlier
      if (kind == 4) values[0] = kNan, values[n - 1] = kInfinity, values[n / 2] = 0.25;
      if (kind == 5)
        for (std::size_t i = 0; i < n; i++) values[i] = i % 2 == 0 ? 65504 : -65504;
      const DType dtype =
          std::array{DType::kF32, DType::kF16, DType::kBF16, DType::kF64}[(s + static_cast<std::size_t>(kind)) % 4];
      tensors.push_back(tensor(std::to_string(s) + "." + std::to_string(kind), dtype, shapes[s], values));
    }
  const MemoryNetwork network(std::move(tensors));
  for (const double step : {0.3, 1.5}) {
    const Report report = compress_to(temp / "a", network, config_of(trellis_spec(step)));
    const Report verified = verify(Archive::open(temp / "a"), &network, {});
    for (std::size_t t = 0; t < report.tensors.size(); t++) {
      const TensorReport& r = verified.tensors[t];
      EXPECT_TRUE(std::isfinite(r.sum_squared_error)) << r.name;
      EXPECT_LE(r.sum_squared_error, step * step * r.sum_squares * 1.01) << r.name << " " << r.codec;
    }
  }
}

TEST(TrellisModels, RandomNetworksRoundTrip) {
  const TempFolder temp;
  for (std::uint64_t seed = 0; seed < 60; seed++) {
    SCOPED_TRACE(seed);
    const MemoryNetwork network = testing::random_network(seed);
    CodecSpec spec = trellis_spec(0.1 + 0.2 * static_cast<double>(seed % 8));
    spec.states = 4u << seed % 4;
    spec.model = std::array{"auto", "order0", "scaled", "predictive"}[seed / 4 % 4];
    spec.labelling = std::array{"auto", "natural", "zero"}[seed % 3];
    (void)compress_to(temp / "a", network, config_of(spec));
    (void)verify(Archive::open(temp / "a"), &network, {});
  }
}

TEST(TrellisModels, GaussianWeightsComeNearTheShannonBound) {
  const TempFolder temp;
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<double> values(1 << 20);
  for (double& value : values) value = normal(random);
  const MemoryNetwork network({tensor("w", DType::kF32, {1024, 1024}, values)});
  for (const double step : {1.9, 1.05, 0.52, 0.26}) {  // about 1, 2, 3 and 4 bits
    Config config = config_of(trellis_spec(step));
    config.block_log2 = 18;
    const Report report = compress_to(temp / "a", network, config);
    const TensorReport& r = report.tensors[0];
    const double bits = 8 * static_cast<double>(r.bytes_out) / static_cast<double>(values.size());
    EXPECT_LT(bits, 0.5 * std::log2(r.sum_squares / r.sum_squared_error) + 0.09) << step;
  }
}

TEST(TrellisModels, ASparseTensorCostsItsEntropy) {
  // 90 % zeros: the entropy of where they are, and of a Gaussian at the error that comes out for the others.
  const TempFolder temp;
  std::mt19937_64 random(5);
  std::vector<double> values = draw_weights(1 << 19, 6);
  for (double& value : values) value = random() % 10 != 0 ? 0 : value;
  const MemoryNetwork network({tensor("w", DType::kF32, {512, 1024}, values)});
  const Report report = compress_to(temp / "a", network, config_of(trellis_spec(1.5)));
  ASSERT_EQ(report.tensors[0].codec, "trellis");
  EXPECT_EQ(report.tensors[0].trellis->labelling, "zero");
  const double bits = 8.0 * static_cast<double>(report.tensors[0].bytes_out) / static_cast<double>(values.size());
  EXPECT_LT(bits, 0.469 + 0.1 * 2.0);
}

TEST(TrellisModels, TheMemoryLimitIsKept) {
  const TempFolder temp;
  const MemoryNetwork network({tensor("w", DType::kF32, {1000, 1000}, std::vector<double>(1000000, 0.5))});
  testing::expect_error(ErrorKind::kMemory, {"memory"}, [&] {
    RunOptions options;
    options.threads = 1;
    options.memory_limit = 1 << 20;
    (void)compress(network, config_of(trellis_spec()), temp / "a", options);
  });
  EXPECT_FALSE(std::filesystem::exists(temp / "a"));
}

}  // namespace
}  // namespace weft::engine
