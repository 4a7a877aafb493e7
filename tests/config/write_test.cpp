#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "json/strict_json.hpp"
#include "weft/config.hpp"

namespace weft {
namespace {

TEST(WriteConfig, WritesEveryDefault) {
  EXPECT_EQ(to_json(Config{}), R"({
  "version": 1,
  "device": "auto",
  "threads": 0,
  "memory_limit": 268435456,
  "device_memory": 0,
  "block_elements": "auto",
  "rules": []
}
)");
}

TEST(WriteConfig, WritesTheParametersOfARulesCodecOnly) {
  Config config;
  config.rules.resize(5);
  config.rules[0].spec.codec = CodecId::kRaw;
  config.rules[1].spec.codec = CodecId::kLossless;
  config.rules[1].dtypes = {DType::kF8E4M3};
  config.rules[2].spec.codec = CodecId::kUniform;
  config.rules[2].spec.step = 0.25;
  config.rules[3].spec.codec = CodecId::kCodebook;
  config.rules[4].spec.codec = CodecId::kTrellis;
  config.rules[3].spec.centroid_dtype = DType::kBF16;
  const auto rules = json::parse_strict(to_json(config)).at("rules");
  EXPECT_EQ(rules[0].dump(), R"({"codec":"raw","match":["*"],"min_elements":0,"min_rank":0})");
  EXPECT_EQ(
      rules[1].dump(),
      R"({"codec":"lossless","dtypes":["F8_E4M3"],"match":["*"],"min_elements":0,"min_rank":0,"min_saving":0.005,"model":"order0","pairs":true})");
  EXPECT_EQ(
      rules[2].dump(),
      R"({"channel_axis":0,"codec":"uniform","correct_reconstruction":true,"importance":1.0,"lambda":0.1,"match":["*"],)"
      R"("min_elements":0,"min_rank":0,"model":"order0","pairs":true,"per_channel":false,"step":0.25})");
  EXPECT_EQ(rules[3].dump(),
            R"({"centroid_dtype":"BF16","channel_axis":0,"channel_group":0,"clusters":16,"codec":"codebook",)"
            R"("dimension":1,"lambda":0.0,"match":["*"],)"
            R"("min_elements":0,"min_rank":0,"model":"order0","pairs":true,"pin_zero":false})");
  EXPECT_EQ(
      rules[4].dump(),
      R"({"bank":true,"choose_view":true,"codec":"trellis","correct_reconstruction":true,"importance":1.0,)"
      R"("labelling":"auto","lambda":"auto","match":["*"],"min_elements":0,"min_rank":0,"model":"auto","states":8})");
}

TEST(WriteConfig, GivesTheSameConfigBack) {
  std::mt19937_64 random(1);
  const auto real = [&](double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); };
  for (int round = 0; round < 300; round++) {
    Config config;
    config.device = round % 2 ? "cpu" : "cuda:12";
    config.threads = static_cast<std::uint32_t>(random() % 4097);
    config.memory_limit = (1u << 20) + random() % (std::uint64_t{1} << 49);
    config.device_memory = random() % (std::uint64_t{1} << 50);
    if (round % 3 != 0) config.block_log2 = 10 + static_cast<int>(random() % 9);
    for (auto n = random() % 4; n > 0; n--) {
      Rule rule;
      rule.match = {"*\"\\\n\u20ac[!a-z]?", "b"};
      rule.min_elements = random() % (std::uint64_t{1} << 50);
      rule.min_rank = random() % 33;
      for (auto d = random() % 4; d > 0; d--) rule.dtypes.push_back(static_cast<DType>(random() % kDTypeCount));
      constexpr CodecId kCodecs[] = {CodecId::kRaw, CodecId::kLossless, CodecId::kUniform, CodecId::kCodebook};
      rule.spec.codec = kCodecs[random() % 4];
      if (rule.spec.codec == CodecId::kLossless) rule.spec.min_saving = real(0, 1);
      if (rule.spec.codec == CodecId::kLossless) rule.spec.pairs = false;
      if (rule.spec.codec == CodecId::kLossless) rule.spec.symbol_model = "auto";
      if (rule.spec.codec == CodecId::kUniform) {
        (random() % 2 ? rule.spec.step : rule.spec.relative_step) = real(0.001, 16);
        rule.spec.lambda = real(0, 10);
        rule.spec.importance = real(0.01, 100);
        rule.spec.per_channel = random() % 2;
        rule.spec.channel_axis = static_cast<std::int64_t>(random() % 64) - 32;
        rule.spec.correct_reconstruction = random() % 2;
      }
      if (rule.spec.codec == CodecId::kCodebook) {
        rule.spec.clusters = 2 + static_cast<std::uint32_t>(random() % 255);
        rule.spec.centroid_dtype = random() % 2 ? DType::kF16 : DType::kBF16;
        rule.spec.codebook_lambda = real(0, 10);
        if (random() % 2) rule.spec.symbol_model = "scaled";
        rule.spec.pin_zero = random() % 2;
        if (random() % 4 == 0) rule.spec.channel_group = 1 + random() % 100, rule.spec.channel_axis = -1;
      }
      if (rule.spec.codec == CodecId::kCodebook && random() % 4 == 0) {
        rule.spec.pin_zero = false;
        rule.spec.dimension = 2u << random() % 3;
        rule.spec.clusters = 60'000;
      } else if (random() % 2) {
        Prune& prune = rule.spec.prune.emplace();
        switch (random() % 4) {
          case 0:
            prune.sparsity = real(0, 1);
            break;
          case 1:
            prune.sparsity = real(0, 1);
            prune.scope = "rule";
            break;
          case 2:
            prune.pattern = "2:4";
            break;
          default:
            prune.channels = real(0, 1);
            prune.channel_axis = static_cast<std::int64_t>(random() % 3) - 1;
        }
        if (rule.spec.codec == CodecId::kTrellis || rule.spec.codec == CodecId::kCodebook) rule.spec.keep_zeros();
      }
      config.rules.push_back(rule);
    }
    if (random() % 2) {
      Target& target = config.target.emplace();
      switch (random() % 5) {
        case 0:
          target.bits_per_weight = real(0.5, 8);
          break;
        case 1:
          target.ratio = real(1, 100);
          break;
        case 2:
          target.bytes = 1 + random() % (std::uint64_t{1} << 40);
          break;
        case 3:
          target.sqnr_db = real(1, 100);
          break;
        default:
          target.max_abs_error = real(1e-6, 1);
      }
      if (target.max_abs_error)
        for (Rule& rule : config.rules) rule.spec.prune.reset(), rule.spec.labelling = "auto";
      if (!target.max_abs_error) target.distortion = static_cast<Distortion>(random() % 4);
      for (Rule& rule : config.rules)
        if (random() % 2) rule.spec.step = rule.spec.relative_step = {};
      config.rules.emplace_back().spec.codec = CodecId::kUniform;
    }
    const std::string text = to_json(config);
    ASSERT_EQ(parse_config(text, "t"), config) << text;
    ASSERT_EQ(to_json(parse_config(text, "t")), text);
  }
}

TEST(WriteConfig, SurvivesWhatAProgramPutsIn) {
  Config config;
  config.rules.resize(1);
  config.rules[0].match = {"\xFF"};
  config.rules[0].spec.min_saving = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NO_THROW((void)json::parse_strict(to_json(config)));
}

}  // namespace
}  // namespace weft
