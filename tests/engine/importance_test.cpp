#include "engine/importance.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/codebooks.hpp"
#include "support/expect_error.hpp"
#include "support/make_safetensors.hpp"
#include "support/memory_network.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"

namespace weft::engine {
namespace {

using testing::draw_weights;
using testing::expect_error;
using testing::MemoryNetwork;
using testing::TempFolder;
using testing::weight_bytes;

std::shared_ptr<const Network> file_of(DType dtype, const std::vector<std::uint64_t>& shape,
                                       const std::vector<double>& values) {
  return std::make_shared<MemoryNetwork>(
      std::vector<testing::MemoryTensor>{{"w", dtype, shape, weight_bytes(dtype, values)}});
}

const TensorInfo kWeights{"w", DType::kF32, {3, 2}, 6, 24};

std::vector<float> read(const Importance& importance, std::uint64_t first, std::size_t n) {
  std::vector<float> out(n);
  importance.read(first, out);
  return out;
}

TEST(Importance, IsPerElementOrPerChannel) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    const Importance each(file_of(dtype, {3, 2}, {0, 1, 2, 3, 4, 5}), kWeights);
    EXPECT_EQ(read(each, 2, 3), (std::vector<float>{2, 3, 4}));
    const Importance channels(file_of(dtype, {3}, {7, 0, 9}), kWeights);
    EXPECT_EQ(read(channels, 0, 6), (std::vector<float>{7, 7, 0, 0, 9, 9}));
    EXPECT_EQ(read(channels, 3, 2), (std::vector<float>{0, 9}));
    EXPECT_EQ(read(channels, 3, 0), std::vector<float>{});
  }
}

TEST(Importance, RefusesWhatDoesNotFit) {
  const auto refused = [](const std::shared_ptr<const Network>& file, const std::vector<std::string>& parts) {
    expect_error(ErrorKind::kConfig, parts, [&] { const Importance importance(file, kWeights); });
  };
  refused(file_of(DType::kF32, {2, 3}, {0, 1, 2, 3, 4, 5}),
          {"memory.safetensors", "tensor w", "expected shape [3, 2]", "[3] for the output channels", "found [2, 3]"});
  refused(file_of(DType::kF32, {2}, {1, 2}), {"found [2]"});
  refused(file_of(DType::kF32, {}, {1}), {"found []"});
  refused(std::make_shared<MemoryNetwork>(
              std::vector<testing::MemoryTensor>{{"other", DType::kF32, {3, 2}, std::string(24, '\0')}}),
          {"tensor w", "the file has none"});
  refused(std::make_shared<MemoryNetwork>(
              std::vector<testing::MemoryTensor>{{"w", DType::kI32, {3, 2}, std::string(24, '\0')}}),
          {"expected F16, BF16, F32 or F64; found I32"});
}

TEST(Importance, RefusesWhatIsNoImportance) {
  for (const double bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity(), 1e300}) {
    const Importance importance(file_of(DType::kF64, {3, 2}, {0, 1, 2, 3, bad, 5}), kWeights);
    EXPECT_EQ(read(importance, 0, 4).size(), 4u);
    expect_error(ErrorKind::kInput, {"memory.safetensors", "tensor w, element 4", "expected a number from 0"},
                 [&] { (void)read(importance, 2, 4); });
  }
}

Config config_of(const std::string& file, std::uint32_t clusters) {
  Config config;
  config.rules.push_back({});
  config.rules[0].spec.codec = CodecId::kCodebook;
  config.rules[0].spec.clusters = clusters;
  if (!file.empty()) config.rules[0].spec.importance_file = file;
  return config;
}

// What counts more is met better, for all types, the same whatever the threads.
TEST(Importance, DrawsTheCodebookToImportantWeights) {
  const TempFolder temp;
  const auto values = draw_weights(60'000, 1);
  std::vector<double> importance(values.size());
  for (std::size_t i = 0; i < values.size(); i++) importance[i] = std::fabs(values[i] - 1.5) < 0.2 ? 100 : 0.1;
  temp.write("importance.safetensors",
             testing::make_safetensors({{"w", "F32", {600, 100}, weight_bytes(DType::kF32, importance)}}));
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF64}) {
    SCOPED_TRACE(name_of(dtype));
    const MemoryNetwork network({{"w", dtype, {600, 100}, weight_bytes(dtype, values)}});
    const auto error = [&](const std::string& file, std::uint32_t threads) {
      RunOptions options;
      options.overwrite = true;
      options.threads = threads;
      (void)compress(network, config_of(file, 8), temp / "w", options);
      (void)decompress(Archive::open(temp / "w"), temp / "restored", {}, options);
      const std::string restored = temp.read("restored");
      const auto after = testing::values_of(dtype, restored.substr(restored.size() - network.data_of(0).size()));
      double sum = 0;
      for (std::size_t i = 0; i < values.size(); i++)
        sum += importance[i] * (after[i] - values[i]) * (after[i] - values[i]);
      return std::pair(sum, temp.read("w"));
    };
    const auto plain = error("", 1), weighed = error((temp / "importance.safetensors").string(), 1);
    EXPECT_LT(weighed.first, 0.5 * plain.first);
    EXPECT_TRUE(error((temp / "importance.safetensors").string(), 3).second == weighed.second);
  }
}

TEST(Importance, OfNothingIsNone) {
  const TensorInfo large{"w", DType::kF32, {700, 100}, 70'000, 280'000};
  std::vector<double> values(70'000);
  for (const DType dtype : {DType::kF16, DType::kF64}) {
    for (const std::vector<std::uint64_t>& shape : {std::vector<std::uint64_t>{700, 100}, {700}}) {
      const std::vector<double> zeros(shape.size() == 1 ? 700 : 70'000);
      expect_error(ErrorKind::kConfig,
                   {"memory.safetensors", "tensor w", "expected a number above 0; found only zeros"},
                   [&] { const Importance importance(file_of(dtype, shape, zeros), large); });
    }
    values.back() = 1;
    EXPECT_EQ(read(Importance(file_of(dtype, {700, 100}, values), large), 69'998, 2), (std::vector<float>{0, 1}));
  }
  const TensorInfo empty{"w", DType::kF32, {0, 100}, 0, 0};
  EXPECT_TRUE(read(Importance(file_of(DType::kF32, {0, 100}, {}), empty), 0, 0).empty());
}

TEST(Importance, FilesThatDoNotFitEndTheRunBeforeItBegins) {
  const TempFolder temp;
  const MemoryNetwork network({{"w", DType::kF32, {50, 100}, weight_bytes(DType::kF32, draw_weights(5000, 1))}});
  temp.write("other.safetensors", testing::make_safetensors({{"v", "F32", {50}, std::string(200, '\0')}}));
  expect_error(ErrorKind::kConfig, {"other.safetensors", "tensor w"},
               [&] { (void)make_plan(network, config_of((temp / "other.safetensors").string(), 16)); });
  expect_error(ErrorKind::kConfig, {"/rules/0/importance: ", "missing.safetensors"},
               [&] { (void)make_plan(network, config_of((temp / "missing.safetensors").string(), 16)); });
}

}  // namespace
}  // namespace weft::engine
