#include "sweep/point.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.hpp"
#include "support/memory_network.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"

namespace weft::sweep {
namespace {

using weft::testing::draw_weights;
using weft::testing::expect_error;
using weft::testing::MemoryNetwork;
using weft::testing::TempFolder;
using weft::testing::weight_bytes;

Config uniform_config() {
  Config config;
  config.rules.resize(1);
  config.rules[0].min_rank = 2;
  config.rules[0].spec.codec = CodecId::kUniform;
  config.rules[0].spec.relative_step = 0.5;
  return config;
}

TEST(MeasurePoint, CountsTheTensorsConcernedAndAllThatTheyNeed) {
  const TempFolder temp = TempFolder::in_memory();
  MemoryNetwork network;
  network.make_folder();
  network.add_safetensors("m.safetensors",
                          {{"a", DType::kF32, {100, 100}, weight_bytes(DType::kF32, draw_weights(10'000, 1))},
                           {"b", DType::kBF16, {300, 100}, weight_bytes(DType::kBF16, draw_weights(30'000, 2, 0.01))},
                           {"zero", DType::kF32, {10, 10}, std::string(400, '\0')},
                           {"kept", DType::kF32, {5000}, weight_bytes(DType::kF32, draw_weights(5000, 3))},
                           {"ids", DType::kI32, {10, 10}, std::string(400, '\1')}});
  network.add_asset("vocabulary", std::string(1000, 'v') + "abcdefghijklmnop");
  const PointFigures figures = measure_point(network, uniform_config(), temp / "w", {});
  EXPECT_TRUE(temp.names().empty());

  const Report report = compress(network, uniform_config(), temp / "again", {});
  const auto& a = report.tensors[0];
  const auto& b = report.tensors[1];
  EXPECT_EQ(figures.weights, 40'000u);
  EXPECT_EQ(figures.archive_bytes, report.bytes_out);
  const double mse =
      (10'000 * a.sum_squared_error / a.sum_squares + 30'000 * b.sum_squared_error / b.sum_squares) / 40'000;
  EXPECT_NEAR(figures.normalised_mse, mse, 1e-12);
  EXPECT_NEAR(figures.sqnr_db.value(), -10 * std::log10(mse), 1e-9);
  EXPECT_NEAR(figures.archive_bits_per_weight.value(), 8.0 * static_cast<double>(report.bytes_out) / 45'200, 1e-9);
  // Without assets and the blocks of other tensors, with everything else.
  const double least = 8.0 * static_cast<double>(a.bytes_out + b.bytes_out) / 40'000;
  EXPECT_GT(figures.bits_per_weight, least);
  EXPECT_LT(figures.bits_per_weight, least + 8.0 * 800 / 40'000);
  const MemoryNetwork bare({{"a", DType::kF32, {100, 100}, weight_bytes(DType::kF32, draw_weights(10'000, 1))}});
  const PointFigures alone = measure_point(bare, uniform_config(), temp / "w", {});
  EXPECT_EQ(alone.bits_per_weight, 8.0 * static_cast<double>(alone.archive_bytes) / 10'000);
  EXPECT_GT(figures.encode_mw_s, 0);
  EXPECT_GT(figures.decode_mw_s, 0);
}

TEST(MeasurePoint, WithoutLossThereIsNoSqnr) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network({{"w", DType::kF32, {100, 10}, weight_bytes(DType::kF32, draw_weights(1000, 1))}});
  const PointFigures lossless = measure_point(network, Config{}, temp / "w", {});
  EXPECT_EQ(lossless.weights, 0u);
  const auto json = to_json(lossless);
  EXPECT_TRUE(json["sqnr_db"].is_null());
  EXPECT_EQ(json["archive_bytes"], lossless.archive_bytes);
  // A step too small to quantize with: concerned all the same, without error.
  Config config = uniform_config();
  config.rules[0].spec.relative_step = 1e-4;
  config.rules[0].spec.lambda = 0;
  const PointFigures fine = measure_point(network, config, temp / "w", {});
  EXPECT_EQ(fine.weights, 1000u);
}

TEST(MeasurePoint, LeavesNothingWhenItFails) {
  const TempFolder temp = TempFolder::in_memory();
  const MemoryNetwork network({{"w", DType::kF32, {100, 10}, weight_bytes(DType::kF32, draw_weights(1000, 1))}});
  Config config = uniform_config();
  config.rules[0].spec.relative_step = {};
  config.target.emplace().bytes = 10;
  expect_error(ErrorKind::kConfig, {"cannot be met"}, [&] { (void)measure_point(network, config, temp / "w", {}); });
  EXPECT_TRUE(temp.names().empty());
}

}  // namespace
}  // namespace weft::sweep
