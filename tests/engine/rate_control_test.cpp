#include "engine/rate_control.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "support/expect_error.hpp"
#include "support/memory_network.hpp"
#include "support/random_network.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"

namespace weft {
namespace {

using testing::draw_weights;
using testing::expect_error;
using testing::MemoryNetwork;
using testing::MemoryTensor;
using testing::TempFolder;
using testing::weight_bytes;

MemoryTensor tensor(const std::string& name, DType dtype, std::uint64_t rows, double deviation, std::uint64_t seed) {
  return {name, dtype, {rows, 100}, weight_bytes(dtype, draw_weights(rows * 100, seed, deviation))};
}

// Three tensors of different sizes and scales, and what stays lossless.
MemoryNetwork small_network() {
  return MemoryNetwork({tensor("wide", DType::kF32, 900, 1, 1),
                        tensor("narrow", DType::kBF16, 1500, 0.02, 2),
                        tensor("half", DType::kF16, 300, 0.3, 3),
                        {"bias", DType::kF32, {100}, weight_bytes(DType::kF32, draw_weights(100, 4))},
                        {"ids", DType::kI64, {1000}, std::string(8000, '\1')}});
}
constexpr double kWeights = 270'100;  // of floating types

Config config_for(const Target& target) {
  Config config;
  config.target = target;
  config.rules.resize(1);
  config.rules[0].min_rank = 2;
  config.rules[0].spec.codec = CodecId::kUniform;
  return config;
}

RunOptions overwriting(std::uint32_t threads = 0) {
  RunOptions options;
  options.overwrite = true;
  options.threads = threads;
  return options;
}

double step_of(const Report& report, std::size_t tensor) { return report.tensors[tensor].step.value_or(0); }

TEST(RateControl, MeetsSizesFromBelow) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network = small_network();
  for (const Distortion distortion : {Distortion::kAbsolute, Distortion::kBalanced, Distortion::kRelative})
    for (const double bits : {0.8, 1.5, 3.0, 5.0, 8.0}) {
      SCOPED_TRACE(bits);
      Target targets[3];
      targets[0].bits_per_weight = bits;
      targets[1].bytes = static_cast<std::uint64_t>(bits * kWeights / 8);
      targets[2].ratio = static_cast<double>(network.bytes_of_file(0).size()) * 8 / (bits * kWeights);
      std::uint64_t sizes[3];
      for (int i = 0; i < 3; i++) {
        targets[i].distortion = distortion;
        const Report report = compress(network, config_for(targets[i]), temp / "w", overwriting());
        sizes[i] = std::filesystem::file_size(temp / "w");
        const double reached = static_cast<double>(sizes[i]) * 8 / kWeights;
        EXPECT_LE(reached, bits);
        EXPECT_GE(reached, 0.99 * bits);
        ASSERT_TRUE(report.target);
        EXPECT_LE(report.target->iterations, 12u);
        EXPECT_EQ(report.target->encodes, 1u);
        EXPECT_TRUE(report.warnings.empty());
        if (i == 0) {
          EXPECT_NEAR(report.target->reached, reached, 1e-9);
        }
      }
      EXPECT_NEAR(static_cast<double>(sizes[1]), static_cast<double>(sizes[0]), 0.003 * static_cast<double>(sizes[0]));
      EXPECT_NEAR(static_cast<double>(sizes[2]), static_cast<double>(sizes[0]), 0.003 * static_cast<double>(sizes[0]));
    }
}

// One matrix for a trellis. Where its columns are of different sizes, whether a model with scales pays flips to and fro as the
// step grows.
MemoryNetwork one_matrix(double spread) {
  std::vector<double> values = draw_weights(30'000, 1);
  const std::vector<double> columns = draw_weights(100, 2, spread);
  for (std::size_t i = 0; i < values.size(); i++) values[i] *= std::exp(columns[i % 100]);
  return MemoryNetwork({{"w", DType::kF32, {300, 100}, weight_bytes(DType::kF32, values)}});
}

Config trellis_config(const Target& target) {
  Config config = config_for(target);
  config.rules[0].spec.codec = CodecId::kTrellis;
  return config;
}

// What a jump leaves out is reached from below, and mostly beside it.
TEST(RateControl, SizesAreLimitsWhereTheyJump) {
  const TempFolder temp = TempFolder::in_memory();
  int targets = 0, missed = 0;
  const auto meet = [&](const MemoryNetwork& network, std::uint64_t least, std::uint64_t most, std::uint64_t step) {
    for (std::uint64_t bytes = least; bytes <= most; bytes += step * testing::kEvery) {
      SCOPED_TRACE(bytes);
      Target target;
      target.bytes = bytes;
      const Report report = compress(network, trellis_config(target), temp / "w", overwriting());
      const auto size = std::filesystem::file_size(temp / "w");
      const bool is_near = size * 100 >= bytes * 99;
      EXPECT_LE(size, bytes);
      EXPECT_EQ(report.warnings.empty(), is_near);
      EXPECT_LE(report.target->iterations, 40u);
      targets++, missed += is_near ? 0 : 1;
    }
  };
  meet(one_matrix(0.25), 3000, 4200, 40);
  EXPECT_LT(6 * missed, targets);
  meet(one_matrix(0), 24'700, 26'000, 50);  // where the step becomes too fine for a trellis
}

TEST(RateControl, ALimitWithRoomForEverythingCostsNothing) {
  const TempFolder temp = TempFolder::in_memory();
  const auto is_kept = [&](const MemoryNetwork& network, const Target& target) {
    Config config;
    config.rules.resize(1);
    config.rules[0].spec.codec = CodecId::kLossless;
    const std::uint64_t bytes = compress(network, config, temp / "lossless", overwriting()).bytes_out;
    config = config_for(target);
    const Report report = compress(network, config, temp / "w", overwriting());
    EXPECT_LE(report.bytes_out, bytes + bytes / 100);
    for (const TensorReport& one : report.tensors) {
      EXPECT_EQ(one.codec, "lossless") << one.name;
      EXPECT_EQ(one.sum_squared_error, 0) << one.name;
    }
    EXPECT_FALSE(report.target->step);
    ASSERT_EQ(report.warnings.size(), 1u);
    EXPECT_NE(report.warnings[0].find("needs no step: without loss the archive has"), std::string::npos);
    EXPECT_EQ(estimate(network, config, {}).bytes_out, report.bytes_out);
  };
  const MemoryNetwork network = small_network();
  Target target;
  target.bytes = 100'000'000;
  is_kept(network, target);
  target = {};
  target.ratio = 1.001;
  is_kept(network, target);
  // Sparse weights: less than half of the network, where steps would fill the limit with loss.
  std::vector<double> sparse = draw_weights(60'000, 1);
  for (std::size_t i = 0; i < sparse.size(); i++) sparse[i] = i % 10 == 0 ? sparse[i] : 0;
  target = {};
  target.bits_per_weight = 8;
  for (const DType dtype : {DType::kF16, DType::kF32})
    is_kept(MemoryNetwork({{"w", dtype, {600, 100}, weight_bytes(dtype, sparse)}}), target);

  target = {};
  target.bytes = 100'000'000;
  Config config = config_for(target);
  config.rules.insert(config.rules.begin(), config.rules[0]);
  config.rules[0].match = {"wide"};
  config.rules[0].spec.step = 0.25;
  const Report report = compress(network, config, temp / "w", overwriting());
  EXPECT_EQ(step_of(report, 0), 0.25);
  EXPECT_EQ(report.tensors[1].codec, "lossless");
}

TEST(RateControl, MeetsErrorsFromAbove) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network = small_network();
  for (const double wanted : {3.0, 10.0, 20.0, 45.0}) {
    Target target;
    target.sqnr_db = wanted;
    (void)compress(network, config_for(target), temp / "w", overwriting());
    double squares = 0, error = 0;
    for (const TensorReport& one : verify(Archive::open(temp / "w"), &network, {}).tensors)
      squares += one.sum_squares, error += one.sum_squared_error;
    const double reached = 10 * std::log10(squares / error);
    EXPECT_GE(reached, wanted);
    EXPECT_LE(reached, 1.01 * wanted);
  }
}

TEST(RateControl, NoErrorIsLargerThanAsked) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network = small_network();
  for (const double wanted : {0.1, 0.01, 0.001}) {
    SCOPED_TRACE(wanted);
    Target target;
    target.max_abs_error = wanted;
    Config config = config_for(target);
    config.rules[0].spec.per_channel = true;
    const Report report = compress(network, config, temp / "w", overwriting());
    const Report checked = verify(Archive::open(temp / "w"), &network, {});
    double largest = 0;
    for (const TensorReport& one : checked.tensors) {
      EXPECT_LE(one.max_abs_error, wanted) << one.name;
      largest = std::max(largest, one.max_abs_error);
    }
    EXPECT_GE(largest, 0.99 * wanted);
    EXPECT_EQ(report.target->reached, largest);
  }
}

// What is too fine for a trellis is as coarse as the bound allows all the same.
TEST(RateControl, ABoundDecidesTheStepOfATrellissFallback) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network = small_network();
  Target target;
  target.max_abs_error = 0.002;
  const Report report = compress(network, trellis_config(target), temp / "w", overwriting());
  EXPECT_EQ(report.tensors[0].codec, "uniform");
  EXPECT_EQ(report.tensors[1].codec, "trellis");
  EXPECT_NEAR(report.tensors[0].max_abs_error, 0.002, 0.00002);
  EXPECT_LE(report.target->reached, 0.002);
}

TEST(RateControl, ATypeTooCoarseForTheBoundStaysLossless) {
  const TempFolder temp = TempFolder::in_memory();
  // BF16 around 200 has neighbours one apart: no grid but its own keeps within 0.1.
  std::vector<double> values = draw_weights(20'000, 5, 1);
  for (double& value : values) value += 200;
  const MemoryNetwork network({{"coarse", DType::kBF16, {200, 100}, weight_bytes(DType::kBF16, values)},
                               tensor("fine", DType::kF32, 200, 1, 6)});
  Target target;
  target.max_abs_error = 0.1;
  const Report report = compress(network, config_for(target), temp / "w", overwriting());
  EXPECT_LE(report.tensors[0].max_abs_error, 0.1);
  EXPECT_LE(report.tensors[1].max_abs_error, 0.1);
  EXPECT_EQ(report.tensors[1].codec, "uniform");
}

TEST(RateControl, TensorsShareOneStepOrOneRelativeStepByImportance) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network = small_network();
  Target target;
  target.bits_per_weight = 4;
  target.distortion = Distortion::kAbsolute;
  Config config = config_for(target);
  config.rules.insert(config.rules.begin(), config.rules[0]);
  config.rules[0].match = {"half"};
  config.rules[0].spec.importance = 4;
  Report report = compress(network, config, temp / "w", overwriting());
  EXPECT_FLOAT_EQ(static_cast<float>(step_of(report, 0)), static_cast<float>(step_of(report, 1)));
  EXPECT_FLOAT_EQ(static_cast<float>(step_of(report, 2) * 2), static_cast<float>(step_of(report, 0)));
  EXPECT_NEAR(report.target->step.value(), step_of(report, 0), 1e-6 * step_of(report, 0));

  config.target->distortion = Distortion::kRelative;
  report = compress(network, config, temp / "w", overwriting());
  const auto relative = [&](std::size_t t) {
    const TensorReport& one = report.tensors[t];
    return step_of(report, t) / std::sqrt(one.sum_squares / static_cast<double>(one.elements));
  };
  EXPECT_NEAR(relative(1) / relative(0), 1, 1.0 / 256);
  EXPECT_NEAR(relative(2) / relative(0), 0.5, 1.0 / 256);
  EXPECT_NEAR(report.target->relative_step.value() / relative(0), 1, 1.0 / 256);

  // Half way between, and what a size gets by default.
  const auto rms = [&](std::size_t t) {
    return std::sqrt(report.tensors[t].sum_squares / static_cast<double>(report.tensors[t].elements));
  };
  config.target->distortion = Distortion::kAuto;
  report = compress(network, config, temp / "w", overwriting());
  EXPECT_NEAR(step_of(report, 1) / step_of(report, 0), std::sqrt(rms(1) / rms(0)), 1e-5);
  EXPECT_NEAR(step_of(report, 2) / step_of(report, 0), std::sqrt(rms(2) / rms(0)) / 2, 1e-5);
  config.target = Target{};
  config.target->sqnr_db = 20;
  report = compress(network, config, temp / "w", overwriting());
  EXPECT_FLOAT_EQ(static_cast<float>(step_of(report, 0)), static_cast<float>(step_of(report, 1)));
}

// What the shared step is for: at the same size, no other division of the error does better.
TEST(RateControl, AbsoluteHasTheLeastErrorAndImportanceShiftsIt) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network({tensor("a", DType::kF32, 500, 1, 1), tensor("b", DType::kF32, 500, 0.1, 2)});
  Target target;
  target.bits_per_weight = 3;
  const auto run = [&](double importance, Distortion distortion) {
    target.distortion = distortion;
    Config config = config_for(target);
    config.rules.push_back(config.rules[0]);
    config.rules[0].match = {"a"};
    config.rules[1].spec.importance = importance;
    return compress(network, config, temp / "w", overwriting());
  };
  const auto error = [](const Report& report) {
    return report.tensors[0].sum_squared_error + report.tensors[1].sum_squared_error;
  };
  const Report plain = run(1, Distortion::kAbsolute);
  EXPECT_LT(1.05 * error(plain), error(run(1, Distortion::kBalanced)));
  EXPECT_LT(1.05 * error(plain), error(run(1, Distortion::kRelative)));
  const Report shifted = run(20, Distortion::kAbsolute);
  EXPECT_LT(1.05 * error(plain), error(shifted));
  EXPECT_GT(plain.tensors[1].sum_squared_error, 2 * shifted.tensors[1].sum_squared_error);
}

TEST(RateControl, RulesWithAStepKeepIt) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network = small_network();
  Target target;
  target.bits_per_weight = 4;
  Config config = config_for(target);
  config.rules.insert(config.rules.begin(), config.rules[0]);
  config.rules[0].match = {"wide"};
  config.rules[0].spec.step = 0.25;
  const Report report = compress(network, config, temp / "w", overwriting());
  EXPECT_EQ(step_of(report, 0), 0.25);
  EXPECT_NE(step_of(report, 1), 0.25);
  EXPECT_NEAR(static_cast<double>(report.bytes_out) * 8 / kWeights, 4, 0.04);
}

TEST(RateControl, DoesNotDependOnThreads) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network = small_network();
  Target targets[3];
  targets[0].bits_per_weight = 2;
  targets[1].sqnr_db = 30;
  targets[2].max_abs_error = 0.05;
  for (const Target& target : targets) {
    (void)compress(network, config_for(target), temp / "a", overwriting(1));
    (void)compress(network, config_for(target), temp / "b", overwriting(5));
    EXPECT_TRUE(temp.read("a") == temp.read("b"));
  }
}

TEST(RateControl, ADryRunFindsTheSame) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network = small_network();
  Target target;
  target.bytes = 100'000;
  const Report real = compress(network, config_for(target), temp / "w", overwriting());
  const Report guess = estimate(network, config_for(target), {});
  EXPECT_EQ(guess.bytes_out, real.bytes_out);
  EXPECT_EQ(guess.target->step, real.target->step);
}

TEST(RateControl, SaysWhatIsPossible) {
  const TempFolder temp;
  MemoryNetwork network({tensor("w", DType::kF32, 100, 1, 1),
                         {"kept", DType::kF32, {10'000}, weight_bytes(DType::kF32, draw_weights(10'000, 2))}});
  const auto refuse = [&](const Target& target, const std::vector<std::string>& words) {
    expect_error(ErrorKind::kConfig, words,
                 [&] { (void)compress(network, config_for(target), temp / "w", overwriting()); });
  };
  Target target;
  target.bits_per_weight = 8;
  refuse(target, {"8 bits per weight (20,000 bytes)", "cannot be met", "the smallest archive", "bits per weight ("});
  target = {};
  target.bytes = 30'000;
  refuse(target, {"30,000 bytes", "the smallest archive"});
  target = {};
  target.ratio = 1000;
  refuse(target, {"a ratio of 1000 (", "the smallest archive"});
  target = {};
  target.sqnr_db = 1;
  refuse(target, {"1.00 dB", "the least is", "other tensors keep"});
  target.sqnr_db = 250;
  refuse(target, {"250.00 dB", "the nearest is", "beyond that use codec lossless"});
  EXPECT_TRUE(temp.names().empty());

  network = MemoryNetwork({{"vector", DType::kF32, {1000}, weight_bytes(DType::kF32, draw_weights(1000, 1))},
                           {"ids", DType::kI32, {10, 10}, std::string(400, '\1')}});
  refuse(target, {"no tensor takes its step from the target", "needs a tensor of a floating type"});
}

TEST(RateControl, OtherRulesCannotBreakABound) {
  const TempFolder temp;
  const MemoryNetwork network({tensor("w", DType::kF32, 100, 1, 1), tensor("shared", DType::kF32, 100, 1, 2)});
  Target target;
  target.max_abs_error = 0.01;
  Config config = config_for(target);
  Rule codebook;
  codebook.match = {"shared"};
  codebook.spec.codec = CodecId::kCodebook;
  config.rules.insert(config.rules.begin(), codebook);
  expect_error(ErrorKind::kConfig, {"tensor shared", "codebook", "allows 0.01"},
               [&] { (void)compress(network, config, temp / "w", overwriting()); });
  EXPECT_TRUE(temp.names().empty());
}

// More than a trial looks at as a whole.
MemoryNetwork large_network() {
  const std::uint64_t rows = engine::kTrialUnits / 100 + 20'000;
  return MemoryNetwork({tensor("w", DType::kBF16, rows, 0.02, 1), tensor("v", DType::kF32, 3'000, 0.5, 2)});
}

// A rate control that has found its steps, for what a test says of the real encode.
struct Controlled {
  Controlled(const MemoryNetwork& network, const Target& target) : config(config_for(target)) {
    plan = engine::make_plan(network, config);
    control.emplace(network, config, plan, *backend, 2, nullptr);
    control->find_steps();
  }
  Config config;
  engine::Plan plan;
  std::unique_ptr<Backend> backend = make_cpu_backend();
  std::optional<engine::RateControl> control;
};

TEST(RateControl, OfALargeNetworkUsesASample) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network = large_network();
  Target target;
  target.bits_per_weight = 2.5;
  const Report report = compress(network, config_for(target), temp / "w", overwriting());
  EXPECT_NEAR(report.target->reached, 2.4875, 0.0125);  // and nothing above

  // As if the sample had misled: the archive has 5 % more than the trial said.
  Controlled controlled(network, target);
  engine::RateControl& control = *controlled.control;
  const engine::Plan& plan = controlled.plan;
  engine::Plan first = plan, second = plan;
  control.set_steps(first);
  Report misled = report;
  misled.bytes_out = static_cast<std::uint64_t>(1.05 * static_cast<double>(report.bytes_out));
  EXPECT_FALSE(control.accept(misled));
  control.set_steps(second);
  // 5 % of 2.5 bits are an eighth of an octave.
  EXPECT_NEAR(std::log2(*second.specs[0].step / *first.specs[0].step), 0.125, 0.03);
  EXPECT_TRUE(control.accept(report));
  // It does not go on for ever, and accepts nothing above.
  for (int i = 1; i < 6; i++) EXPECT_FALSE(control.accept(misled));
  expect_error(ErrorKind::kConfig, {"2.5 bits per weight", "cannot be met", "after 6 corrections", "ask for more"},
               [&] { (void)control.accept(misled); });
}

TEST(RateControl, GoesBackToWhatWasBelow) {
  const MemoryNetwork network = large_network();
  Target target;
  target.bits_per_weight = 2.5;
  Controlled controlled(network, target);
  engine::RateControl& control = *controlled.control;
  const engine::Plan& plan = controlled.plan;
  engine::Plan first = plan, last = plan;
  control.set_steps(first);
  double weights = 0;
  for (const TensorInfo& tensor : network.tensors()) weights += static_cast<double>(tensor.elements);
  Report below, above;
  below.bytes_out = static_cast<std::uint64_t>(0.97 * 2.5 / 8 * weights);
  above.bytes_out = static_cast<std::uint64_t>(1.02 * 2.5 / 8 * weights);
  EXPECT_FALSE(control.accept(below));
  for (int i = 0; i < 3; i++) EXPECT_FALSE(control.accept(above));
  control.set_steps(last);
  EXPECT_EQ(*last.specs[0].step, *first.specs[0].step);
  EXPECT_TRUE(control.accept(below));
  control.describe(below);
  ASSERT_EQ(below.warnings.size(), 1u);
  EXPECT_NE(below.warnings[0].find("missed by more than 1 %"), std::string::npos) << below.warnings[0];
  EXPECT_EQ(below.target->encodes, 5u);
}

TEST(RateControl, QuantizesWhatASampleSaidWouldFitWithoutLoss) {
  const MemoryNetwork network = large_network();
  Target target;
  target.ratio = 1.001;
  Controlled controlled(network, target);
  engine::RateControl& control = *controlled.control;
  const engine::Plan& plan = controlled.plan;
  engine::Plan lossless = plan, quantized = plan;
  control.set_steps(lossless);
  EXPECT_EQ(lossless.index.streams[0].codec, CodecId::kLossless);
  Report misled;
  misled.bytes_out = network.bytes_of_file(0).size() + 100;
  EXPECT_FALSE(control.accept(misled));
  control.set_steps(quantized);
  EXPECT_EQ(quantized.index.streams[0].codec, CodecId::kUniform);
}

TEST(RateControl, CorrectsABoundThatASampleMissed) {
  const MemoryNetwork network = large_network();
  Target target;
  target.max_abs_error = 0.01;
  Controlled controlled(network, target);
  engine::RateControl& control = *controlled.control;
  const engine::Plan& plan = controlled.plan;
  Report misled;
  misled.tensors.resize(2);
  misled.tensors[0].elements = misled.tensors[1].elements = 1;
  misled.tensors[1].max_abs_error = 0.02;
  engine::Plan steps = plan;
  control.set_steps(steps);
  const double before = *steps.specs[1].step;
  EXPECT_FALSE(control.accept(misled));
  control.set_steps(steps = plan);
  EXPECT_NEAR(*steps.specs[1].step / before, 0.5, 0.001);
  for (int i = 0; i < 3; i++) EXPECT_FALSE(control.accept(misled));
  control.set_steps(steps = plan);
  EXPECT_EQ(steps.index.streams[1].codec, CodecId::kLossless);
  EXPECT_EQ(steps.index.streams[0].codec, CodecId::kUniform);
}

TEST(RateControl, OddTensors) {
  const TempFolder temp = TempFolder::in_memory();
  std::vector<double> spiky(30'000, 0);
  spiky[7] = 1e30;
  std::vector<double> equal(30'000, 0.125);
  const MemoryNetwork network({tensor("w", DType::kF32, 1000, 1, 1),
                               {"zero", DType::kF32, {300, 100}, std::string(120'000, '\0')},
                               {"equal", DType::kF32, {300, 100}, weight_bytes(DType::kF32, equal)},
                               {"one", DType::kF32, {1, 1}, weight_bytes(DType::kF32, {3})},
                               {"row", DType::kF32, {1, 500}, weight_bytes(DType::kF32, draw_weights(500, 3))},
                               {"empty", DType::kF32, {0, 5}, ""}});
  Target target;
  target.bits_per_weight = 1;
  for (const Distortion distortion : {Distortion::kAbsolute, Distortion::kBalanced, Distortion::kRelative}) {
    target.distortion = distortion;
    const Report report = compress(network, config_for(target), temp / "w", overwriting());
    EXPECT_NEAR(report.target->reached, 1, 0.01);
  }
  // One weight holds all of the energy; the steps that the others need are far from it.
  const MemoryNetwork outlier(
      {tensor("w", DType::kF32, 1000, 1, 1), {"spiky", DType::kF32, {300, 100}, weight_bytes(DType::kF32, spiky)}});
  target.distortion = Distortion::kAbsolute;
  const Report report = compress(outlier, config_for(target), temp / "w", overwriting());
  EXPECT_NEAR(report.target->reached, 1, 0.01);
}

TEST(RateControl, EitherMeetsItsTargetOrSaysWhyNot) {
  const TempFolder temp = TempFolder::in_memory();
  int met = 0, refused = 0;
  for (std::uint64_t seed = 0; seed < 60; seed++) {
    SCOPED_TRACE(seed);
    const MemoryNetwork network = testing::random_network(seed);
    Target targets[3];
    targets[0].bits_per_weight = 6;
    targets[1].sqnr_db = 20;
    targets[2].max_abs_error = 0.001;
    for (const Target& target : targets) {
      Config config = config_for(target);
      config.rules[0].min_rank = 0;
      try {
        const Report report = compress(network, config, temp / "w", overwriting());
        if (!target.sqnr_db) {
          EXPECT_LE(report.target->reached, report.target->wanted);
        }
        if (!target.max_abs_error && report.warnings.empty()) {
          EXPECT_NEAR(report.target->reached, report.target->wanted, 0.0101 * report.target->wanted);
        }
        met++;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kConfig) << error.what();
        refused++;
      }
    }
  }
  EXPECT_GT(met, 30);
  EXPECT_GT(refused, 10);
}

}  // namespace
}  // namespace weft
