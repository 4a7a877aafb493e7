#include "config/texts.hpp"

namespace weft {
namespace {

using testing::parse;
using testing::refusal;

constexpr char kTwoRules[] = R"({"rules": [{"codec": "uniform", "relative_step": 0.3}, {"codec": "lossless"}]})";

TEST(Overrides, SetValues) {
  const Config config =
      parse(kTwoRules, {"threads=3", "device=cuda:1", "memory_limit=1GiB", "rules.0.relative_step=0.5",
                        "rules.0.match=[\"a*\", \"b\"]", "rules.1.match=*=x", "rules.0.per_channel=true"});
  EXPECT_EQ(config.threads, 3u);
  EXPECT_EQ(config.device, "cuda:1");
  EXPECT_EQ(config.memory_limit, 1u << 30);
  EXPECT_EQ(config.rules[0].spec.relative_step, 0.5);
  EXPECT_TRUE(config.rules[0].spec.per_channel);
  EXPECT_EQ(config.rules[0].match, (std::vector<std::string>{"a*", "b"}));
  EXPECT_EQ(config.rules[1].match, std::vector<std::string>{"*=x"});
}

TEST(Overrides, LaterOnesWinAndWholeValuesMayBeSet) {
  EXPECT_EQ(parse("{}", {"threads=3", "threads=4"}).threads, 4u);
  const Config config = parse("{}", {"rules=[{\"codec\": \"raw\"}]", "rules.0.match=[ab]*"});
  ASSERT_EQ(config.rules.size(), 1u);
  EXPECT_EQ(config.rules[0].match, std::vector<std::string>{"[ab]*"});  // is no JSON, so a string
}

TEST(Overrides, MendTheFileBeforeItIsChecked) {
  EXPECT_EQ(parse("{\"threads\": -1}", {"threads=1"}).threads, 1u);
  EXPECT_EQ(parse("{\"thread\": 1}", {"thread=null"}), Config{});
}

TEST(Overrides, NullRemovesAKey) {
  const Config config = parse(kTwoRules, {"rules.0.step=0.01", "rules.0.relative_step=null"});
  EXPECT_EQ(config.rules[0].spec.step, 0.01);
  EXPECT_EQ(config.rules[0].spec.relative_step, std::nullopt);
  EXPECT_EQ(refusal(kTwoRules, {"rules.0.setp=null"}), "--set rules.0.setp=null: /rules/0 has no \"setp\"");
}

TEST(Overrides, MessagesNameTheOverride) {
  EXPECT_EQ(refusal(kTwoRules, {"rules.0.relative_step=0"}),
            "--set rules.0.relative_step=0: /rules/0/relative_step: expected a number from 0.0001 to 16; found 0");
  EXPECT_EQ(refusal(kTwoRules, {"rules.0.lamda=0"}),
            "--set rules.0.lamda=0: /rules/0/lamda: unknown key \"lamda\"; did you mean \"lambda\"?");
  EXPECT_EQ(refusal(kTwoRules, {"threads=2", "thraeds=1"}),
            "--set thraeds=1: /thraeds: unknown key \"thraeds\"; did you mean \"threads\"?");
  EXPECT_EQ(
      refusal(kTwoRules, {"rules=[{\"codec\": \"zip\"}]"}),
      "--set rules=[{\"codec\": \"zip\"}]: /rules/0/codec: expected one of raw, lossless, uniform, trellis, codebook; "
      "found the string "
      "\"zip\"");
  EXPECT_TRUE(refusal(kTwoRules, {"rules.0.step=1"}).starts_with("--set rules.0.step=1: /rules/0/step: codec uniform"));
  EXPECT_TRUE(refusal("{\"threads\": -1}", {"device=cpu"}).starts_with("c.json: /threads"));
  EXPECT_TRUE(refusal("{\"rules10\": 1}", {"rules=[]"}).starts_with("c.json: /rules10"));
}

TEST(Overrides, RefuseBadPaths) {
  EXPECT_EQ(refusal(kTwoRules, {"rules.2.step=1"}),
            "--set rules.2.step=1: /rules has 2 entries, 0 to 1: there is no \"2\"");
  for (const char* index : {"-1", "+0", "00", "01", "0x0", "1e0", "x", " 0", "99999999999999999999999"})
    EXPECT_NE(refusal(kTwoRules, {std::string("rules.") + index + ".step=1"}).find("/rules has 2 entries"),
              std::string::npos)
        << index;
  EXPECT_EQ(refusal("{\"rules\": []}", {"rules.0.step=1"}),
            "--set rules.0.step=1: /rules has 0 entries: there is no \"0\"");
  EXPECT_EQ(refusal(kTwoRules, {"rule.0.step=1"}),
            "--set rule.0.step=1: the config has no \"rule\"; did you mean \"rules\"?");
  EXPECT_EQ(refusal("{}", {"rules.0.step=1"}), "--set rules.0.step=1: the config has no \"rules\"");
  EXPECT_EQ(refusal(kTwoRules, {"rules.0.codec.x=1"}),
            "--set rules.0.codec.x=1: /rules/0/codec is the string \"uniform\", which has no \"x\"");
  EXPECT_EQ(refusal(kTwoRules, {"/rules/0/step=1"}), "--set /rules/0/step=1: use dots: rules.0.step");
  for (const char* text : {"threads", "", "=1"})
    EXPECT_NE(refusal("{}", {text}).find("expected path.to.key=value"), std::string::npos) << text;
  for (const char* text : {".threads=1", "threads.=1", "rules..step=1", ".=1"})
    EXPECT_NE(refusal(kTwoRules, {text}), "") << text;
  EXPECT_EQ(refusal("{}", {"device=\xFF"}), "--set device=\\xff: it is not valid UTF-8");
}

TEST(Overrides, AreHeldToTheSameLimits) {
  EXPECT_NE(refusal("{}", {"threads=1e400"}).find("found the string \"1e400\""), std::string::npos);
  EXPECT_NE(refusal("{}", {"threads=" + std::string(100000, '[')}), "");
  EXPECT_NE(refusal("{}", {"threads="}).find("found the string \"\""), std::string::npos);
  EXPECT_NE(refusal("{}", {"threads=nan"}), "");
  EXPECT_NE(refusal("{}", {"memory_limit=-5"}), "");
}

}  // namespace
}  // namespace weft
