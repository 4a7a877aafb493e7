#include "config/rule_use.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weft::config {
namespace {

TensorInfo tensor(const std::string& name, std::uint64_t elements) {
  return {name, DType::kF32, {elements}, elements, 4 * elements};
}

const std::vector<TensorInfo> kTensors{tensor("a.attention.weight", 5000), tensor("b.conv.weight", 2000),
                                       tensor("b.conv.bias", 10)};

std::vector<std::string> unused(const std::string& rules) {
  const Config config = parse_config("{\"rules\": [" + rules + "]}", "t");
  return unused_rules(config, kTensors, std::vector<bool>(config.rules.size(), true));
}

using Sentences = std::vector<std::string>;

TEST(RuleUse, CountsWhatEveryRuleTakes) {
  const Config config =
      parse_config(R"({"rules": [{"match": "*conv*", "codec": "raw"}, {"match": "b*", "codec": "raw"}]})", "t");
  const std::vector<RuleUse> uses = uses_of_rules(config, kTensors);
  ASSERT_EQ(uses.size(), 3u);
  EXPECT_EQ(uses[0].tensors, 2u);
  EXPECT_EQ(uses[0].weights, 2010u);
  EXPECT_EQ(uses[1].tensors, 0u);
  EXPECT_EQ(uses[2].tensors, 1u);
  EXPECT_EQ(uses[2].weights, 5000u);
}

TEST(RuleUse, SaysWhyARuleTakesNothing) {
  EXPECT_EQ(unused(R"({"match": "*atention*", "codec": "raw"})"),
            Sentences{"rule 0 (\"*atention*\") matches no tensor; nearest name: a.attention.weight"});
  EXPECT_EQ(unused(R"({"match": ["zzz*", "*q*"], "codec": "raw"})"),
            Sentences{"rule 0 (\"zzz* *q*\") matches no tensor; `weft inspect` lists the names"});
  EXPECT_EQ(unused(R"({"match": "b*", "codec": "raw"}, {"match": "*conv*", "codec": "lossless"})"),
            Sentences{"rule 1 (\"*conv*\") takes no tensor: earlier rules take all 2 that it matches"});
  EXPECT_EQ(unused(R"({"match": "*conv*", "min_elements": 5000, "codec": "raw"})"),
            Sentences{"rule 0 (\"*conv*\") takes no tensor: min_elements, min_rank or dtypes leave out all 2 that it "
                      "matches"});
}

TEST(RuleUse, WhatIsLeftMayBeNothing) {
  EXPECT_EQ(unused(R"({"match": "*", "codec": "raw"}, {"match": "*", "codec": "lossless"})"), Sentences{});
  EXPECT_EQ(unused(R"({"match": "*", "codec": "raw"}, {"match": "*", "min_rank": 1, "codec": "lossless"})").size(), 1u);
}

TEST(RuleUse, PresetsAreForAnyNetwork) {
  const auto intent = [](const std::string& name, const std::vector<std::string>& overrides) {
    return rules_with_intent(load_config("small", overrides), name, overrides);
  };
  EXPECT_EQ(intent("small", {}), std::vector<bool>(4, false));
  EXPECT_EQ(intent("c.json", {}), std::vector<bool>(4, true));
  EXPECT_EQ(intent("small", {"rules.1.match=x", "rules.2.states=4"}), (std::vector<bool>{false, true, false, false}));
}

}  // namespace
}  // namespace weft::config
