#include <gtest/gtest.h>

#include <random>
#include <string>

#include "weft/config.hpp"

namespace weft {
namespace {

TEST(Glob, MatchesWholeNames) {
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("", "a"));
  EXPECT_FALSE(glob_match("a", ""));
  EXPECT_TRUE(glob_match("lm_head.weight", "lm_head.weight"));
  EXPECT_FALSE(glob_match("lm_head", "lm_head.weight"));
  EXPECT_FALSE(glob_match("weight", "lm_head.weight"));
  EXPECT_FALSE(glob_match("A", "a"));
}

TEST(Glob, StarTakesAnyRun) {
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("*", "a/b.c"));
  EXPECT_TRUE(glob_match("***", "a"));
  EXPECT_TRUE(glob_match("*norm*", "model.layers.0.input_layernorm.weight"));
  EXPECT_TRUE(glob_match("*norm*", "norm"));
  EXPECT_TRUE(glob_match("*.bias", "a.b/c.bias"));
  EXPECT_FALSE(glob_match("*.bias", "bias"));
  EXPECT_FALSE(glob_match("*.bias", "a.bias.b"));
  EXPECT_TRUE(glob_match("a*b*c", "a.b.b.c"));
  EXPECT_FALSE(glob_match("a*b*c", "a.b.b"));
  EXPECT_TRUE(glob_match("*ab", "aab"));
  EXPECT_TRUE(glob_match("*a?b", "aaxab.axb"));
}

TEST(Glob, QuestionMarkTakesOneCharacter) {
  EXPECT_TRUE(glob_match("?", "a"));
  EXPECT_FALSE(glob_match("?", ""));
  EXPECT_FALSE(glob_match("?", "ab"));
  EXPECT_TRUE(glob_match("layer?.w", "layer7.w"));
  EXPECT_TRUE(glob_match("?", "\u20ac"));
  EXPECT_FALSE(glob_match("??", "\u20ac"));
  EXPECT_TRUE(glob_match("?", "\xFF"));
}

TEST(Glob, SetsTakeTheirMembers) {
  EXPECT_TRUE(glob_match("layer[0-3].w", "layer2.w"));
  EXPECT_FALSE(glob_match("layer[0-3].w", "layer4.w"));
  EXPECT_TRUE(glob_match("[abc]", "b"));
  EXPECT_FALSE(glob_match("[abc]", "d"));
  EXPECT_FALSE(glob_match("[abc]", ""));
  EXPECT_TRUE(glob_match("[!abc]", "d"));
  EXPECT_FALSE(glob_match("[!abc]", "a"));
  EXPECT_TRUE(glob_match("[a-cx-z]", "y"));
  EXPECT_TRUE(glob_match("[]]", "]"));
  EXPECT_TRUE(glob_match("[]a]", "a"));
  EXPECT_FALSE(glob_match("[!]]", "]"));
  EXPECT_TRUE(glob_match("[!]]", "a"));
  EXPECT_TRUE(glob_match("[a-]", "-"));
  EXPECT_TRUE(glob_match("[-a]", "-"));
  EXPECT_FALSE(glob_match("[c-a]", "b"));
  EXPECT_TRUE(glob_match("[\u00e0-\u00ef]", "\u00e9"));
  EXPECT_TRUE(glob_match("*[0-9]", "a.b.5"));
  EXPECT_TRUE(glob_match("[*]", "*"));
  EXPECT_FALSE(glob_match("[?]", "a"));
  EXPECT_TRUE(glob_match("w[[]0]", "w[0]"));
}

TEST(Glob, AnOpenSetIsPlainText) {
  EXPECT_TRUE(glob_match("[", "["));
  EXPECT_TRUE(glob_match("[a", "[a"));
  EXPECT_FALSE(glob_match("[a", "a"));
  EXPECT_TRUE(glob_match("[]", "[]"));
  EXPECT_TRUE(glob_match("[!", "[!"));
  EXPECT_TRUE(glob_match("[a-", "[a-"));
  EXPECT_TRUE(glob_match("*[x", "ab[x"));
}

// Exponential or cubic matching would take hours here.
TEST(Glob, IsFastOnHostilePatterns) {
  std::string pattern;
  for (int i = 0; i < 200; i++) pattern += "*a";
  EXPECT_FALSE(glob_match(pattern + "*b", std::string(20000, 'a')));
  EXPECT_TRUE(glob_match(pattern, std::string(20000, 'a')));
  EXPECT_FALSE(glob_match(std::string(4096, '*') + "b", std::string(20000, 'a')));
}

bool matches_plainly(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*')
    return matches_plainly(pattern.substr(1), name) || (!name.empty() && matches_plainly(pattern, name.substr(1)));
  return !name.empty() && (pattern[0] == '?' || pattern[0] == name[0]) &&
         matches_plainly(pattern.substr(1), name.substr(1));
}

TEST(Glob, AgreesWithThePlainDefinition) {
  std::mt19937 random(1);
  int matched = 0;
  for (int i = 0; i < 20000; i++) {
    std::string pattern, name;
    for (auto n = random() % 7; n > 0; n--) pattern += "ab*?"[random() % 4];
    for (auto n = random() % 8; n > 0; n--) name += "ab"[random() % 2];
    const bool expected = matches_plainly(pattern, name);
    ASSERT_EQ(glob_match(pattern, name), expected) << pattern << " on " << name;
    matched += expected;
  }
  EXPECT_GT(matched, 1000);
}

Rule rule(std::vector<std::string> match, CodecId codec) {
  Rule result;
  result.match = std::move(match);
  result.spec.codec = codec;
  return result;
}

TEST(SpecFor, TakesTheFirstRuleThatMatches) {
  Config config;
  config.rules = {rule({"*.bias", "*norm*"}, CodecId::kRaw), rule({"*"}, CodecId::kUniform)};
  int index = 7;
  EXPECT_EQ(spec_for(config, "a.bias", DType::kF32, 10, 1, &index).codec, CodecId::kRaw);
  EXPECT_EQ(index, 0);
  EXPECT_EQ(spec_for(config, "norm1", DType::kF32, 10, 1, &index).codec, CodecId::kRaw);
  EXPECT_EQ(spec_for(config, "w", DType::kF32, 10, 1, &index).codec, CodecId::kUniform);
  EXPECT_EQ(index, 1);
  EXPECT_EQ(spec_for(config, "w", DType::kF32, 10, 1).codec, CodecId::kUniform);
}

TEST(SpecFor, IsLosslessWithoutAMatch) {
  Config config;
  int index = 7;
  EXPECT_EQ(spec_for(config, "w", DType::kF32, 10, 1, &index), CodecSpec{});
  EXPECT_EQ(index, -1);
  config.rules = {rule({"x"}, CodecId::kRaw)};
  EXPECT_EQ(spec_for(config, "w", DType::kF32, 10, 1, &index).codec, CodecId::kLossless);
  EXPECT_EQ(index, -1);
}

TEST(SpecFor, HeedsEveryCondition) {
  Config config;
  config.rules = {rule({"*"}, CodecId::kRaw)};
  config.rules[0].min_elements = 1024;
  config.rules[0].min_rank = 2;
  config.rules[0].dtypes = {DType::kF16, DType::kBF16};
  const auto codec = [&](DType dtype, std::uint64_t elements, std::uint64_t rank) {
    return spec_for(config, "w", dtype, elements, rank).codec;
  };
  EXPECT_EQ(codec(DType::kBF16, 1024, 2), CodecId::kRaw);
  EXPECT_EQ(codec(DType::kF16, 5000, 4), CodecId::kRaw);
  EXPECT_EQ(codec(DType::kBF16, 1023, 2), CodecId::kLossless);
  EXPECT_EQ(codec(DType::kBF16, 1024, 1), CodecId::kLossless);
  EXPECT_EQ(codec(DType::kF32, 1024, 2), CodecId::kLossless);
}

}  // namespace
}  // namespace weft
