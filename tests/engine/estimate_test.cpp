#include <gtest/gtest.h>

#include <cmath>

#include "support/memory_network.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"

namespace weft {
namespace {

using testing::draw_weights;
using testing::MemoryNetwork;
using testing::TempFolder;
using testing::weight_bytes;

MemoryNetwork network() {
  MemoryNetwork network;
  network.make_folder();
  network.add_safetensors(
      "m.safetensors",
      {{"bf16", DType::kBF16, {2500, 1000}, weight_bytes(DType::kBF16, draw_weights(2'500'000, 1, 0.02))},
       {"f32", DType::kF32, {700, 1000}, weight_bytes(DType::kF32, draw_weights(700'000, 2))},
       {"bias", DType::kF32, {100}, weight_bytes(DType::kF32, draw_weights(100, 3))},
       {"ids", DType::kI32, {5000}, std::string(20000, '\2')},
       {"empty", DType::kF32, {0}, ""}});
  network.add_asset("vocabulary", std::string(100'000, 'v'));
  return network;
}

Config uniform_config() {
  Config config;
  config.rules.push_back({});
  config.rules[0].spec.codec = CodecId::kUniform;
  config.rules[0].spec.relative_step = 0.4;
  return config;
}

TEST(Estimate, IsNearTheRealSizesAndWritesNothing) {
  const TempFolder temp;
  const MemoryNetwork original = network();
  int run = 0;
  for (const Config& config : {Config{}, uniform_config()}) {
    SCOPED_TRACE(run);
    const Report guess = estimate(original, config, {});
    EXPECT_EQ(temp.names().size(), static_cast<std::size_t>(run));
    const Report real = compress(original, config, temp / std::to_string(run++), {});
    EXPECT_TRUE(guess.estimated);
    EXPECT_EQ(guess.command, "dry-run");
    EXPECT_EQ(guess.bytes_in, real.bytes_in);
    const auto size = static_cast<double>(real.bytes_out);
    EXPECT_NEAR(static_cast<double>(guess.bytes_out) / size, 1, 0.02);
    EXPECT_NEAR((static_cast<double>(guess.overhead_bytes) - static_cast<double>(real.overhead_bytes)) / size, 0, 0.01);
    ASSERT_EQ(guess.tensors.size(), real.tensors.size());
    for (std::size_t t = 0; t < real.tensors.size(); t++) {
      EXPECT_EQ(guess.tensors[t].codec, real.tensors[t].codec);
      EXPECT_EQ(guess.tensors[t].note, real.tensors[t].note);
      EXPECT_NEAR(static_cast<double>(guess.tensors[t].bytes_out), static_cast<double>(real.tensors[t].bytes_out),
                  0.03 * static_cast<double>(real.tensors[t].bytes_out) + 1);
      if (real.tensors[t].sum_squared_error > 0) {
        EXPECT_NEAR(guess.tensors[t].sum_squared_error / real.tensors[t].sum_squared_error, 1, 0.03);
      }
    }
  }
}

TEST(Estimate, OfASmallNetworkIsNearlyExact) {
  const TempFolder temp;
  const MemoryNetwork original({{"w", DType::kF32, {100, 100}, weight_bytes(DType::kF32, draw_weights(10'000, 1))}});
  const Report real = compress(original, Config{}, temp / "w", {});
  EXPECT_NEAR(static_cast<double>(estimate(original, Config{}, {}).bytes_out), static_cast<double>(real.bytes_out), 16);
}

TEST(Estimate, OfNothing) {
  const Report report = estimate(MemoryNetwork(std::vector<testing::MemoryTensor>{}), Config{}, {});
  EXPECT_LT(report.bytes_out, 200u);
  EXPECT_GT(report.bytes_out, 56u);
}

}  // namespace
}  // namespace weft
