#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/find_prunings.hpp"
#include "support/expect_error.hpp"
#include "support/memory_network.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"

namespace weft::engine {
namespace {

using testing::draw_weights;
using testing::expect_error;
using testing::kSanitized;
using testing::MemoryNetwork;
using testing::MemoryTensor;
using testing::TempFolder;
using testing::values_of;
using testing::weight_bytes;

const double kNan = std::nan(""), kInfinity = std::numeric_limits<double>::infinity();
const std::vector<DType> kTypes{DType::kF16, DType::kBF16, DType::kF32, DType::kF64};

Prune sparsity(double fraction, const std::string& scope = "tensor") {
  Prune prune;
  prune.sparsity = fraction;
  prune.scope = scope;
  return prune;
}

Prune pattern(const std::string& text) {
  Prune prune;
  prune.pattern = text;
  return prune;
}

Prune channels(double fraction, std::int64_t axis = 0) {
  Prune prune;
  prune.channels = fraction;
  prune.channel_axis = axis;
  return prune;
}

Config config_of(const Prune& prune, CodecId codec = CodecId::kLossless) {
  Config config;
  config.rules.push_back({});
  config.rules[0].spec.codec = codec;
  config.rules[0].spec.prune = prune;
  if (has_step(codec)) config.rules[0].spec.relative_step = 0.6;
  return config;
}

Plan plan_of(const Network& network, const Config& config, std::uint32_t threads = 1) {
  Plan plan = make_plan(network, config);
  std::vector<StageTimes> times(threads);
  find_prunings(network, plan, threads, 256u << 20, nullptr, times);
  return plan;
}

// A tensor of the network as the engine reads it, in runs of this many units.
std::string pruned_bytes(const Network& network, const Plan& plan, std::size_t t, std::uint64_t run) {
  const TensorInfo& tensor = network.tensors()[t];
  const auto unit = static_cast<std::uint64_t>(unit_bytes(tensor.dtype));
  std::string bytes(tensor.bytes, '?');
  for (std::uint64_t first = 0; first < tensor.elements; first += run)
    read_pruned(
        network, t, plan.prunings[t], first,
        std::as_writable_bytes(std::span(bytes)).subspan(first * unit, std::min(run, tensor.elements - first) * unit));
  return bytes;
}

std::vector<double> pruned(DType dtype, const std::vector<std::uint64_t>& shape, const std::vector<double>& values,
                           const Prune& prune, std::uint64_t run = 1 << 20) {
  const MemoryNetwork network({{"w", dtype, shape, weight_bytes(dtype, values)}});
  return values_of(dtype, pruned_bytes(network, plan_of(network, config_of(prune)), 0, run));
}

// The places of the n smallest magnitudes that are finite, the first of equal ones first.
std::vector<double> without_smallest(std::vector<double> values, std::size_t n) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < values.size(); i++)
    if (std::isfinite(values[i])) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return std::fabs(values[a]) < std::fabs(values[b]); });
  for (std::size_t i = 0; i < std::min(n, order.size()); i++) values[order[i]] = 0;
  return values;
}

std::vector<double> rounded(DType dtype, const std::vector<double>& values) {
  return values_of(dtype, weight_bytes(dtype, values));
}

void expect_same(const std::vector<double>& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); i++)
    ASSERT_TRUE(got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i])))
        << i << ": " << got[i] << ", expected " << expected[i];
}

TEST(Pruning, TakesTheSmallestWeightsOfEveryType) {
  for (const DType dtype : kTypes) {
    // 16-bit types tie a lot among this many values; some are tiny, and F64 has denormals.
    auto values = draw_weights(600'000, 1);
    for (std::size_t i = 0; i < values.size(); i += 1000) values[i] *= 1e-30;
    values[17] = 1e-310, values[18] = -1e-311;
    values = rounded(dtype, values);
    for (const double fraction : {0.0, 0.001, 0.3333, 0.9, 0.999999, 1.0}) {
      if (kSanitized && fraction != 0.3333) continue;
      SCOPED_TRACE(std::string(name_of(dtype)) + " " + std::to_string(fraction));
      const auto count = static_cast<std::size_t>(std::llround(fraction * 600'000));
      expect_same(pruned(dtype, {600, 1000}, values, sparsity(fraction), 77'777), without_smallest(values, count));
    }
  }
}

TEST(Pruning, OfEqualWeightsTakesTheFirst) {
  std::vector<double> values(700'000);
  for (std::size_t i = 0; i < values.size(); i++) values[i] = i % 2 == 0 ? 0.5 : -0.5;
  for (const DType dtype : kTypes) {
    const auto left = pruned(dtype, {700'000}, values, sparsity(0.75), 1000);
    EXPECT_EQ(std::count(left.begin(), left.begin() + 525'000, 0.0), 525'000);
    EXPECT_EQ(std::count(left.begin() + 525'000, left.end(), 0.0), 0);
  }
}

TEST(Pruning, KeepsWhatIsNotFinite) {
  for (const DType dtype : kTypes) {
    std::vector<double> values{kNan, 1, -kInfinity, 2, kInfinity, -3, 4, kNan};
    expect_same(pruned(dtype, {8}, values, sparsity(1)), {kNan, 0, -kInfinity, 0, kInfinity, 0, 0, kNan});
    expect_same(pruned(dtype, {8}, values, sparsity(0.25)), {kNan, 0, -kInfinity, 0, kInfinity, -3, 4, kNan});
    expect_same(pruned(dtype, {8}, values, pattern("1:4")), {kNan, 0, -kInfinity, 0, kInfinity, 0, 0, kNan});
    expect_same(pruned(dtype, {4, 2}, values, channels(1)), {kNan, 1, -kInfinity, 2, kInfinity, -3, 4, kNan});
    expect_same(pruned(dtype, {3}, {kNan, kNan, kInfinity}, sparsity(0.9)), {kNan, kNan, kInfinity});
  }
}

TEST(Pruning, OfZerosAndOfNearlyNothing) {
  expect_same(pruned(DType::kF32, {4}, {0, -0.0, 0, 0}, sparsity(0.5)), {0, 0, 0, 0});
  expect_same(pruned(DType::kF32, {}, {3}, sparsity(0.4)), {3});
  expect_same(pruned(DType::kF32, {}, {3}, sparsity(0.6)), {0});
  expect_same(pruned(DType::kF32, {}, {3}, pattern("2:4")), {3});
  expect_same(pruned(DType::kF32, {1}, {3}, channels(1)), {0});
  expect_same(pruned(DType::kF32, {0, 5}, {}, pattern("2:4")), {});
  expect_same(pruned(DType::kF32, {0, 5}, {}, channels(0.5)), {});
  expect_same(pruned(DType::kF32, {0, 5}, {}, sparsity(0.5)), {});
}

TEST(Pruning, OneThresholdForARule) {
  const auto a = draw_weights(300'000, 1), b = draw_weights(50'000, 2, 0.1),
             c = rounded(DType::kF16, draw_weights(999, 3));
  const auto narrow = rounded(DType::kF32, a);
  for (const bool wide : {false, true}) {
    const DType other = wide ? DType::kF64 : DType::kF32;
    const auto second = rounded(other, b);
    const MemoryNetwork network({{"a", DType::kF32, {300'000}, weight_bytes(DType::kF32, a)},
                                 {"b", other, {50, 1000}, weight_bytes(other, b)},
                                 {"c", DType::kF16, {999}, weight_bytes(DType::kF16, c)}});
    std::vector<double> all = narrow;
    all.insert(all.end(), second.begin(), second.end());
    all.insert(all.end(), c.begin(), c.end());
    const auto expected = without_smallest(all, 280'799);  // 0.8 of 350 999
    const Plan plan = plan_of(network, config_of(sparsity(0.8, "rule")), 3);
    std::vector<double> got;
    for (std::size_t t = 0; t < 3; t++) {
      const auto part = values_of(network.tensors()[t].dtype, pruned_bytes(network, plan, t, 4096));
      got.insert(got.end(), part.begin(), part.end());
    }
    expect_same(got, expected);
  }
}

TEST(Pruning, TiesOfARuleEndInOneOfItsTensors) {
  const std::string bytes = weight_bytes(DType::kF32, std::vector<double>(10, 0.5));
  const MemoryNetwork network(
      {{"a", DType::kF32, {10}, bytes}, {"b", DType::kF32, {10}, bytes}, {"c", DType::kF32, {10}, bytes}});
  const Plan plan = plan_of(network, config_of(sparsity(0.5, "rule")));
  const auto zeros = [&](std::size_t t) {
    const auto values = values_of(DType::kF32, pruned_bytes(network, plan, t, 3));
    return std::vector<std::ptrdiff_t>{std::count(values.begin(), values.begin() + 5, 0.0),
                                       std::count(values.begin() + 5, values.end(), 0.0)};
  };
  EXPECT_EQ(zeros(0), (std::vector<std::ptrdiff_t>{5, 5}));
  EXPECT_EQ(zeros(1), (std::vector<std::ptrdiff_t>{5, 0}));
  EXPECT_EQ(zeros(2), (std::vector<std::ptrdiff_t>{0, 0}));
}

TEST(Pruning, PatternsHoldInEveryRow) {
  expect_same(pruned(DType::kF32, {8}, {1, -2, 3, 0.5, 7, 7, 7, 7}, pattern("2:4")), {0, -2, 3, 0, 0, 0, 7, 7});
  expect_same(pruned(DType::kF32, {2, 3}, {3, 1, 2, 1, 2, 3}, pattern("2:4")), {3, 0, 2, 0, 2, 3});
  expect_same(pruned(DType::kF32, {2, 6}, {1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1}, pattern("1:4")),
              {0, 0, 0, 4, 0, 6, 6, 0, 0, 0, 2, 0});
  expect_same(pruned(DType::kF32, {3, 1}, {1, 2, 3}, pattern("1:2")), {1, 2, 3});
}

TEST(Pruning, RunsMayBeginAnywhereInAGroup) {
  const auto values = draw_weights(3000, 1);
  for (const std::uint64_t columns : {1u, 3u, 10u, 100u, 3000u})
    for (const char* text : {"2:4", "1:2", "3:7", "5:99", "1:16"})
      for (const DType dtype : {DType::kBF16, DType::kF64}) {
        SCOPED_TRACE(std::string(text) + " in rows of " + std::to_string(columns));
        const auto whole = pruned(dtype, {3000 / columns, columns}, values, pattern(text));
        for (const std::uint64_t run : {1u, 2u, 5u, 64u, 1000u})
          expect_same(pruned(dtype, {3000 / columns, columns}, values, pattern(text), run), whole);
      }
}

TEST(Pruning, TakesChannelsOfTheLeastNorm) {
  // 4 x 3 x 2: norms along axis 1 and 0.
  std::vector<double> values(24);
  for (std::size_t i = 0; i < 24; i++) values[i] = (i / 2 % 3 == 1 ? 0.1 : 1.0) * (i / 6 == 2 ? 0.01 : 1.0);
  const auto rows = pruned(DType::kF32, {4, 3, 2}, values, channels(0.25), 5);
  const auto middles = pruned(DType::kF32, {4, 3, 2}, values, channels(0.34, -2), 5);
  for (std::size_t i = 0; i < 24; i++) {
    EXPECT_EQ(rows[i] == 0, i / 6 == 2) << i;
    EXPECT_EQ(middles[i] == 0, i / 2 % 3 == 1) << i;
  }
  expect_same(pruned(DType::kF32, {4, 1}, {2, 1, -1, 1}, channels(0.5)), {2, 0, 0, 1});
  expect_same(pruned(DType::kF64, {2, 2}, {1e-200, 0, 1e-300, 0}, channels(0.5)), {0, 0, 1e-300, 0});
  auto many = draw_weights(700'000, 1);
  for (double& value : many) value += value == 0;
  const auto whole = pruned(DType::kF32, {7, 100'000}, many, channels(0.3, 1), 999);
  EXPECT_EQ(std::count(whole.begin(), whole.end(), 0.0), 7 * 30'000);
}

TEST(Pruning, ChannelsThatDoNotExistAreAMistake) {
  const MemoryNetwork network({{"scalar", DType::kF32, {}, std::string(4, '\0')}});
  expect_error(ErrorKind::kConfig, {"scalar", "channel_axis 0", "0 dimensions", "min_rank"},
               [&] { (void)make_plan(network, config_of(channels(0.5))); });
  const MemoryNetwork wide({{"wide", DType::kF16, {5'000'000}, std::string(10'000'000, '\0')}});
  expect_error(ErrorKind::kConfig, {"wide", "4194304", "5000000"},
               [&] { (void)make_plan(wide, config_of(channels(0.5))); });
}

TEST(Pruning, MemoryIsBounded) {
  const MemoryNetwork network({{"w", DType::kF32, {40}, std::string(160, '\1')}});
  Plan plan = make_plan(network, config_of(sparsity(0.5)));
  std::vector<StageTimes> times(8);
  EXPECT_NO_THROW(find_prunings(network, plan, 8, 8u << 20, nullptr, times));
  expect_error(ErrorKind::kMemory, {"--memory-limit"},
               [&] { find_prunings(network, plan, 8, 1u << 20, nullptr, times); });
}

// Tensors of all types and several shapes, with values that are not finite.
MemoryNetwork mixed_network() {
  std::vector<MemoryTensor> tensors;
  std::uint64_t seed = 1;
  for (const DType dtype : kTypes) {
    auto values = draw_weights(90'000, seed++);
    values[5] = kNan, values[89'999] = -kInfinity;
    tensors.push_back({std::string(name_of(dtype)), dtype, {300, 300}, weight_bytes(dtype, values)});
    tensors.push_back(
        {"small " + std::string(name_of(dtype)), dtype, {9}, weight_bytes(dtype, draw_weights(9, seed++))});
  }
  tensors.push_back({"conv", DType::kF32, {64, 16, 3, 3}, weight_bytes(DType::kF32, draw_weights(9216, seed))});
  tensors.push_back({"zeros", DType::kF32, {40, 40}, std::string(6400, '\0')});
  tensors.push_back({"empty", DType::kF32, {0, 4}, ""});
  tensors.push_back({"ids", DType::kI64, {10}, std::string(80, '\1')});
  return MemoryNetwork(std::move(tensors));
}

TEST(Pruning, PrunedWeightsComeBackAsZerosWithEveryCodec) {
  const MemoryNetwork network = mixed_network();
  const TempFolder temp = TempFolder::in_memory();
  for (const Prune& prune :
       {sparsity(0.9), sparsity(0.5, "rule"), pattern("2:4"), channels(0.3), sparsity(0), sparsity(1)})
    for (const CodecId codec :
         {CodecId::kRaw, CodecId::kLossless, CodecId::kUniform, CodecId::kTrellis, CodecId::kCodebook}) {
      Config config = config_of(prune, codec);
      if (prune.channels) config.rules[0].min_rank = 1;
      config.rules[0].spec.codebook_lambda = 0.2;
      SCOPED_TRACE(std::string(name_of(codec)) + "\n" + to_json(config));
      const Plan plan = plan_of(network, config);
      std::string first;
      for (const std::uint32_t threads : {1u, 3u}) {
        RunOptions options;
        options.threads = threads;
        options.overwrite = true;
        options.pruned = true;
        const Report report = compress(network, config, temp / "w", options);
        if (first.empty()) first = temp.read("w");
        ASSERT_TRUE(temp.read("w") == first) << threads;
        if (threads > 1) continue;
        const Archive archive = Archive::open(temp / "w");
        const Report checked = verify(archive, &network, options);
        (void)decompress(archive, temp / "restored", {}, options);
        const std::string restored = temp.read("restored");
        std::size_t at = 8 + network.files()[0].header.size();
        for (std::size_t t = 0; t < network.tensors().size(); t++) {
          const TensorInfo& tensor = network.tensors()[t];
          SCOPED_TRACE(tensor.name);
          EXPECT_EQ(report.tensors[t].sum_squared_error, checked.tensors[t].sum_squared_error);
          ASSERT_EQ(report.tensors[t].prune.has_value(), tensor.name != "ids" && tensor.name != "empty");
          if (report.tensors[t].prune) {
            const auto before = values_of(tensor.dtype, network.data_of(t));
            const auto wanted = values_of(tensor.dtype, pruned_bytes(network, plan, t, tensor.elements));
            const auto after = values_of(tensor.dtype, restored.substr(at, tensor.bytes));
            std::uint64_t zeros = 0, changed = 0;
            for (std::size_t i = 0; i < wanted.size(); i++) {
              zeros += wanted[i] == 0;
              changed += wanted[i] == 0 && before[i] != 0;
              ASSERT_TRUE(wanted[i] != 0 || (after[i] == 0 && !std::signbit(after[i]))) << i << ": " << after[i];
              ASSERT_EQ(std::isfinite(before[i]), std::isfinite(after[i])) << i;
            }
            EXPECT_EQ(report.tensors[t].prune->zeros, zeros);
            EXPECT_EQ(report.tensors[t].prune->pruned, changed);
          }
          at += tensor.bytes;
        }
      }
    }
}

TEST(Pruning, NotesWhatHasNoWeights) {
  const MemoryNetwork network({{"ids", DType::kI64, {10}, std::string(80, '\1')}});
  const Plan plan = make_plan(network, config_of(sparsity(0.5)));
  EXPECT_EQ(plan.notes[0], "I64 values are not pruned");
  EXPECT_FALSE(plan.prunings[0].wanted);
}

TEST(Pruning, VerificationWantsToBeToldOfIt) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network({{"w", DType::kF32, {500}, weight_bytes(DType::kF32, draw_weights(500, 1))}});
  (void)compress(network, config_of(sparsity(0.5)), temp / "w", {});
  const Archive archive = Archive::open(temp / "w");
  expect_error(ErrorKind::kVerify, {"tensor w", "--pruned"}, [&] { (void)verify(archive, &network, {}); });
  RunOptions options;
  options.pruned = true;
  EXPECT_GT(verify(archive, &network, options).tensors[0].sum_squared_error, 0);
  const MemoryNetwork other({{"w", DType::kF32, {500}, weight_bytes(DType::kF32, draw_weights(500, 2))}});
  expect_error(ErrorKind::kVerify, {"tensor w", "its values differ"}, [&] { (void)verify(archive, &other, options); });
}

TEST(Pruning, DryRunsAndTargetsKnowOfIt) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network({{"w", DType::kF32, {300, 1000}, weight_bytes(DType::kF32, draw_weights(300'000, 1))}});
  Config config = config_of(sparsity(0.9), CodecId::kTrellis);
  const Report guess = estimate(network, config, {});
  const Report report = compress(network, config, temp / "w", {});
  EXPECT_EQ(guess.bytes_out, report.bytes_out);
  EXPECT_EQ(guess.tensors[0].prune->zeros, 270'000u);
  EXPECT_EQ(guess.tensors[0].sum_squared_error, report.tensors[0].sum_squared_error);
  config.rules[0].spec.relative_step.reset();
  config.target = Target{};
  config.target->ratio = 35;
  const Report met = compress(network, config, temp / "t", {});
  EXPECT_NEAR(met.target->reached, 35, 0.35);
  EXPECT_EQ(met.tensors[0].prune->zeros, 270'000u);
}

// Entropy of the restored values of a tensor, in bits per weight.
double entropy_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double bits = 0;
  for (std::size_t i = 0; i < values.size();) {
    const auto end = std::upper_bound(values.begin() + static_cast<std::ptrdiff_t>(i), values.end(), values[i]);
    const auto count = static_cast<double>(end - values.begin()) - static_cast<double>(i);
    bits -= count * std::log2(count / static_cast<double>(values.size()));
    i = static_cast<std::size_t>(end - values.begin());
  }
  return bits / static_cast<double>(values.size());
}

TEST(Pruning, SparseTensorsCostHardlyMoreThanTheirEntropy) {
  const MemoryNetwork network(
      {{"w", DType::kF32, {1100, 1000}, weight_bytes(DType::kF32, draw_weights(1'100'000, 1))}});
  const TempFolder temp = TempFolder::in_memory();
  for (const CodecId codec : {CodecId::kUniform, CodecId::kTrellis, CodecId::kCodebook}) {
    RunOptions options;
    options.overwrite = true;
    (void)compress(network, config_of(sparsity(0.9), codec), temp / "w", options);
    const Archive archive = Archive::open(temp / "w");
    (void)decompress(archive, temp / "restored", {}, options);
    const std::string restored = temp.read("restored");
    const double entropy = entropy_of(values_of(DType::kF32, restored.substr(restored.size() - 4'400'000)));
    EXPECT_LT(8 * static_cast<double>(archive.file_bytes()) / 1.1e6, entropy + 0.02) << name_of(codec);
  }
}

}  // namespace
}  // namespace weft::engine
