#include "config/texts.hpp"

namespace weft {
namespace {

using testing::parse;
using testing::refusal;
using testing::rule;

TEST(ParseConfig, AnEmptyObjectHasTheDefaults) { EXPECT_EQ(parse("{}"), Config{}); }

TEST(ParseConfig, ReadsEveryKey) {
  const Config config = parse(R"({
    "$schema": "configs/schema.json", "version": 1, "device": "cuda:3", "threads": 7, "memory_limit": "512MiB",
    "block_elements": 16384,
    "rules": [
      {"match": ["*norm*", "*.bias"], "codec": "lossless", "min_saving": 0.02},
      {"match": "*.weight", "min_elements": 1024, "min_rank": 2, "dtypes": ["F16", "BF16"], "codec": "uniform",
       "relative_step": 0.5, "lambda": 0, "per_channel": true, "channel_axis": -1, "correct_reconstruction": false},
      {"dtypes": "F32", "codec": "uniform", "step": 1e-3},
      {"codec": "raw"}]})");
  EXPECT_EQ(config.device, "cuda:3");
  EXPECT_EQ(config.threads, 7u);
  EXPECT_EQ(config.memory_limit, 512u << 20);
  EXPECT_EQ(config.block_log2, 14);
  ASSERT_EQ(config.rules.size(), 4u);
  EXPECT_EQ(config.rules[0].match, (std::vector<std::string>{"*norm*", "*.bias"}));
  EXPECT_EQ(config.rules[0].spec.codec, CodecId::kLossless);
  EXPECT_EQ(config.rules[0].spec.min_saving, 0.02);
  const Rule& uniform = config.rules[1];
  EXPECT_EQ(uniform.match, std::vector<std::string>{"*.weight"});
  EXPECT_EQ(uniform.min_elements, 1024u);
  EXPECT_EQ(uniform.min_rank, 2u);
  EXPECT_EQ(uniform.dtypes, (std::vector<DType>{DType::kF16, DType::kBF16}));
  EXPECT_EQ(uniform.spec.codec, CodecId::kUniform);
  EXPECT_EQ(uniform.spec.relative_step, 0.5);
  EXPECT_EQ(uniform.spec.step, std::nullopt);
  EXPECT_EQ(uniform.spec.lambda, 0.0);
  EXPECT_TRUE(uniform.spec.per_channel);
  EXPECT_EQ(uniform.spec.channel_axis, -1);
  EXPECT_FALSE(uniform.spec.correct_reconstruction);
  EXPECT_EQ(config.rules[2].match, std::vector<std::string>{"*"});
  EXPECT_EQ(config.rules[2].dtypes, std::vector<DType>{DType::kF32});
  EXPECT_EQ(config.rules[2].spec.step, 1e-3);
  EXPECT_EQ(config.rules[2].spec.relative_step, std::nullopt);
  EXPECT_EQ(config.rules[3].spec.codec, CodecId::kRaw);
}

TEST(ParseConfig, AcceptsBoundsAndRefusesWhatLiesBeyond) {
  const struct {
    const char *key, *good, *bad;
  } cases[] = {{"threads", "0", "-1"},
               {"threads", "4096", "4097"},
               {"threads", "4.0", "4.5"},
               {"threads", "1e2", "1e300"},
               {"memory_limit", "1048576", "1048575"},
               {"memory_limit", "\"1MiB\"", "\"1MB\""},
               {"memory_limit", "\"1 GB\"", "\"1 X\""},
               {"memory_limit", "\"1m\"", "\"1k\""},
               {"memory_limit", "1125899906842624", "1125899906842625"},
               {"memory_limit", "268435456", "18446744073709551615"},
               {"block_elements", "1024", "512"},
               {"block_elements", "262144", "524288"},
               {"block_elements", "65536", "65537"},
               {"block_elements", "2048.0", "2048.5"},
               {"device", "\"auto\"", "\"\""},
               {"device", "\"cpu\"", "\"CPU\""},
               {"device", "\"cuda\"", "\"cuda:\""},
               {"device", "\"cuda:0\"", "\"cuda:-1\""},
               {"device", "\"cuda:all\"", "\"cuda:al\""},
               {"device_memory", "0", "-1"},
               {"device", "\"cuda:12\"", "\"cuda:1234\""},
               {"device", "\"cuda:12\"", "\"cuda:1 \""},
               {"version", "1", "0"},
               {"version", "1.0", "\"1\""}};
  for (const auto& c : cases) {
    EXPECT_EQ(refusal(std::string("{\"") + c.key + "\": " + c.good + "}"), "") << c.key << " " << c.good;
    EXPECT_NE(refusal(std::string("{\"") + c.key + "\": " + c.bad + "}"), "") << c.key << " " << c.bad;
  }
}

TEST(ParseConfig, AcceptsBoundsOfRules) {
  const struct {
    const char *codec, *key, *good, *bad;
  } cases[] = {{"raw", "min_elements", "0", "-1"},
               {"raw", "min_elements", "1125899906842624", "1125899906842625"},
               {"raw", "min_rank", "32", "33"},
               {"raw", "match", "\"a\"", "\"\""},
               {"raw", "match", "[\"a\"]", "[]"},
               {"raw", "match", "[\"a\"]", "[\"a\", \"\"]"},
               {"raw", "dtypes", "\"BOOL\"", "\"bool\""},
               {"raw", "dtypes", "[\"F8_E4M3\"]", "[]"},
               {"lossless", "min_saving", "0", "-0.001"},
               {"lossless", "min_saving", "1", "1.001"},
               {"uniform", "relative_step", "0.0001", "0.00009"},
               {"codebook", "clusters", "2", "1"},
               {"codebook", "clusters", "4096", "4097"},
               {"codebook", "dimension", "8", "16"},
               {"codebook", "dimension", "4", "3"},
               {"codebook", "shared", "\"a.b-1\"", "\"a b\""},
               {"codebook", "channel_group", "7", "-1"},
               {"codebook", "lambda", "10", "10.1"},
               {"codebook", "centroid_dtype", "\"BF16\"", "\"F64\""},
               {"codebook", "pin_zero", "true", "1"},
               {"trellis", "states", "4", "2"},
               {"trellis", "states", "256", "512"},
               {"trellis", "states", "32", "33"},
               {"trellis", "states", "8", "8.5"},
               {"trellis", "states", "8", "-8"},
               {"trellis", "lambda", "\"auto\"", "\"none\""},
               {"trellis", "lambda", "0", "-0.1"},
               {"trellis", "lambda", "10", "10.1"},
               {"trellis", "labelling", "\"zero\"", "\"one\""},
               {"trellis", "labelling", "\"natural\"", "0"},
               {"trellis", "model", "\"predictive\"", "\"order1\""},
               {"trellis", "choose_view", "false", "\"no\""},
               {"trellis", "bank", "false", "0"},
               {"uniform", "relative_step", "16", "16.1"},
               {"uniform", "relative_step", "1", "0"},
               {"uniform", "relative_step", "1", "-0.0"},
               {"uniform", "step", "1e-35", "1e-36"},
               {"uniform", "step", "1e35", "1e36"},
               {"uniform", "step", "1", "-1"}};
  for (const auto& c : cases) {
    const std::string step = std::string_view(c.codec) == "trellis" ? "\"step\": 1, " : "";
    const std::string begin = step + "\"codec\": \"" + c.codec + "\", \"" + c.key + "\": ";
    EXPECT_EQ(refusal(rule(begin + c.good)), "") << c.key << " " << c.good;
    EXPECT_NE(refusal(rule(begin + c.bad)), "") << c.key << " " << c.bad;
  }
  const std::string uniform = R"("codec": "uniform", "step": 1, )";
  for (const char* good : {"\"lambda\": 10", "\"lambda\": 0", "\"channel_axis\": -32", "\"channel_axis\": 31"})
    EXPECT_EQ(refusal(rule(uniform + good)), "") << good;
  for (const char* bad : {"\"lambda\": 10.1", "\"lambda\": -0.1", "\"channel_axis\": -33", "\"channel_axis\": 32"})
    EXPECT_NE(refusal(rule(uniform + bad)), "") << bad;
}

TEST(ParseConfig, RefusesWrongTypesEverywhere) {
  const std::string values[] = {"null", "true", "-7",     "0.3", "\"%\"",     "[]",
                                "[[]]", "[1]",  "[null]", "{}",  "{\"a\": 1}"};
  for (const char* key : {"version", "device", "threads", "memory_limit", "block_elements", "rules"})
    for (const std::string& value : values) {
      if (std::string(key) == "rules" && value == "[]") continue;
      const std::string message = refusal(std::string("{\"") + key + "\": " + value + "}");
      EXPECT_TRUE(message.starts_with(std::string("c.json: /") + key)) << key << " " << value << ": " << message;
      EXPECT_NE(message.find("expected"), std::string::npos) << message;
      EXPECT_NE(message.find("found"), std::string::npos) << message;
    }
  for (const char* key : {"match", "min_elements", "min_rank", "dtypes", "codec", "relative_step", "lambda",
                          "per_channel", "channel_axis", "correct_reconstruction"})
    for (const std::string& value : values) {
      const std::string name = key;
      if ((name == "match" && value == "\"%\"") || (name == "per_channel" && value == "true") ||
          (name == "correct_reconstruction" && value == "true") || (name == "channel_axis" && value == "-7") ||
          ((name == "relative_step" || name == "lambda") && value == "0.3"))
        continue;
      std::string members = "\"" + name + "\": " + value;
      if (name != "codec") members += ", \"codec\": \"uniform\"";
      if (name != "relative_step" && name != "codec") members += ", \"relative_step\": 0.3";
      const std::string message = refusal(rule(members));
      EXPECT_TRUE(message.starts_with("c.json: /rules/0/" + name)) << key << " " << value << ": " << message;
    }
}

TEST(ParseConfig, MessagesNamePlaceExpectedAndFound) {
  EXPECT_EQ(refusal("[1]"), "c.json: expected an object with the config; found an array");
  EXPECT_EQ(refusal("{\"version\": 2}"),
            "c.json: /version: expected 1, the only version of the config so far; found 2");
  EXPECT_EQ(refusal("{\"threads\": \"many\"}"),
            "c.json: /threads: expected an integer from 0 to 4096; found the string \"many\"");
  EXPECT_EQ(refusal("{\"device\": \"gpu\"}"),
            "c.json: /device: expected auto, cpu, cuda, cuda:N or cuda:all; found the string \"gpu\"");
  EXPECT_EQ(refusal("{\"block_elements\": 1000}"),
            "c.json: /block_elements: expected a power of two from 1024 to 262144, or auto; found 1000");
  EXPECT_EQ(
      refusal("{\"memory_limit\": \"512 parsecs\"}"),
      "c.json: /memory_limit: expected a number of bytes from 1048576 to 1125899906842624, or a size such as "
      "\"512M\" or \"1.5GB\" (K, M, G, T or KiB, MiB, GiB, TiB: powers of 1024; KB, MB, GB, TB: of 1000); found the "
      "string \"512 parsecs\"");
  EXPECT_EQ(refusal("{\"rules\": {}}"), "c.json: /rules: expected an array of rules; found an object");
  EXPECT_EQ(refusal("{\"rules\": [{\"codec\": \"raw\"}, 3]}"),
            "c.json: /rules/1: expected an object with a rule; found 3");
  EXPECT_EQ(refusal(rule(R"("codec": "uniform", "relative_step": 17)")),
            "c.json: /rules/0/relative_step: expected a number from 0.0001 to 16; found 17");
  EXPECT_EQ(refusal(rule(R"("codec": "uniform", "per_channel": 1)")),
            "c.json: /rules/0/per_channel: expected true or false; found 1");
  EXPECT_EQ(refusal(rule(R"("codec": "raw", "match": ["a", null])")),
            "c.json: /rules/0/match/1: expected a string of 1 to 4096 characters; found null");
  EXPECT_EQ(
      refusal(rule(R"("codec": "raw", "match": [])")),
      "c.json: /rules/0/match: expected a string of 1 to 4096 characters, or a list of 1 to 65536 of them; found an "
      "empty array");
}

TEST(ParseConfig, SuggestsValues) {
  EXPECT_EQ(refusal(rule(R"("codec": "losless")")),
            "c.json: /rules/0/codec: expected one of raw, lossless, uniform, trellis, codebook; found the string "
            "\"losless\"; "
            "did you mean "
            "\"lossless\"?");
  EXPECT_EQ(
      refusal(rule(R"("codec": "zip")")),
      "c.json: /rules/0/codec: expected one of raw, lossless, uniform, trellis, codebook; found the string \"zip\"");
  const std::string message = refusal(rule(R"("codec": "raw", "dtypes": ["F32", "bf16"])"));
  EXPECT_TRUE(message.starts_with("c.json: /rules/0/dtypes/1: expected one of BOOL, U8, ")) << message;
  EXPECT_TRUE(message.ends_with("found the string \"bf16\"; did you mean \"BF16\"?")) << message;
  EXPECT_NE(refusal(rule(R"("codec": "asset")")), "");
}

TEST(ParseConfig, SuggestsKeys) {
  EXPECT_EQ(refusal("{\"treads\": 1}"), "c.json: /treads: unknown key \"treads\"; did you mean \"threads\"?");
  EXPECT_EQ(refusal("{\"zzzzzz\": {}}"),
            "c.json: /zzzzzz: unknown key \"zzzzzz\"; known here: $schema, version, device, threads, memory_limit, "
            "device_memory, block_elements, target, rules");
  EXPECT_EQ(refusal("{\"rules\": [{\"codec\": \"raw\"}, {\"codce\": \"raw\"}]}"),
            "c.json: /rules/1/codce: unknown key \"codce\"; did you mean \"codec\"?");
  EXPECT_EQ(refusal(rule(R"("codec": "uniform", "lamda": 1)")),
            "c.json: /rules/0/lamda: unknown key \"lamda\"; did you mean \"lambda\"?");
  EXPECT_EQ(refusal("{\"a/b~c\": 1}").substr(0, 18), "c.json: /a~1b~0c: ");
}

TEST(ParseConfig, ListsTheKeysOfTheRulesCodec) {
  const std::string of_all = refusal(rule("\"zzzzzz\": 1"));
  EXPECT_EQ(of_all.find("lambda"), of_all.rfind("lambda")) << of_all;
  EXPECT_EQ(of_all.find("importance"), of_all.rfind("importance")) << of_all;
  EXPECT_EQ(
      refusal(rule(R"("codec": "lossless", "zzzzzz": 1)")),
      "c.json: /rules/0/zzzzzz: unknown key \"zzzzzz\"; known here: match, min_elements, min_rank, dtypes, codec, "
      "prune, min_saving, pairs, model");
  EXPECT_EQ(refusal(rule(R"("codec": "lossless", "lamda": 1)")),
            "c.json: /rules/0/lamda: unknown key \"lamda\"; did you mean \"lambda\"?");
}

TEST(ParseConfig, RefusesGlobsWhoseSetsAreNotClosed) {
  EXPECT_EQ(
      refusal(rule(R"("codec": "raw", "match": "*[a-")")),
      "c.json: /rules/0/match: expected a glob; found \"*[a-\", whose \"[a-\" has no ] (to match a [, write [[])");
  EXPECT_EQ(refusal(rule(R"("codec": "raw", "match": ["a", "[]"])")).substr(0, 25), "c.json: /rules/0/match/1:");
  for (const char* good : {"[a-z]", "[[]", "[]]", "w[[]0]", "]", "*[!a]*"})
    EXPECT_EQ(refusal(rule("\"codec\": \"raw\", \"match\": \"" + std::string(good) + "\"")), "") << good;
}

TEST(ParseConfig, SaysWhichCodecHasAParameter) {
  EXPECT_EQ(refusal(rule(R"("codec": "lossless", "lambda": 1)")),
            "c.json: /rules/0/lambda: lambda is a parameter of codec uniform, trellis, codebook; the codec of this "
            "rule is lossless");
  EXPECT_EQ(
      refusal(rule(R"("codec": "uniform", "step": 1, "min_saving": 0)")),
      "c.json: /rules/0/min_saving: min_saving is a parameter of codec lossless; the codec of this rule is uniform");
  EXPECT_NE(refusal(rule(R"("codec": "raw", "step": 1)")), "");
  // What stands in the way of an override is removed by another.
  const std::string trellis = rule(R"("codec": "trellis", "step": 1, "states": 8)");
  EXPECT_EQ(refusal(trellis, {"rules.0.codec=uniform"}),
            "c.json: /rules/0/states: states is a parameter of codec trellis; the codec of this rule is uniform; --set "
            "rules.0.states=null removes it");
  EXPECT_EQ(refusal(trellis, {"rules.0.codec=uniform", "rules.0.states=null"}), "");
}

TEST(ParseConfig, WantsACodecAndExactlyOneStep) {
  EXPECT_EQ(refusal(rule(R"("match": "*")")),
            "c.json: /rules/0: the rule has no \"codec\": expected one of raw, lossless, uniform, trellis, codebook");
  EXPECT_EQ(refusal(rule(R"("codec": "uniform")")),
            "c.json: /rules/0: codec uniform has no step: give one of relative_step, step, or give the config a "
            "\"target\", such as {\"bits_per_weight\": 3}, that chooses it");
  EXPECT_EQ(refusal(rule(R"("codec": "uniform", "relative_step": 1, "step": 1)")),
            "c.json: /rules/0/step: codec uniform takes at most one of relative_step, step; give only one (--set "
            "path.to.key=null removes a key)");
}

std::string with_target(const std::string& members) {
  return R"({"rules": [{"codec": "uniform", "importance": 2.5}], "target": {)" + members + "}}";
}

TEST(ParseConfig, ATargetStandsForTheStepsThatRulesDoNotGive) {
  Config config = parse(with_target("\"bits_per_weight\": 3"));
  EXPECT_EQ(config.target.value().bits_per_weight, 3.0);
  EXPECT_EQ(config.target.value().distortion, Distortion::kAuto);
  EXPECT_EQ(config.rules[0].spec.importance, 2.5);
  EXPECT_EQ(config.rules[0].spec.step, std::nullopt);
  config = parse(with_target(R"("bytes": "2MB", "distortion": "relative")"));
  EXPECT_EQ(config.target.value().bytes, 2'000'000u);
  EXPECT_EQ(config.target.value().distortion, Distortion::kRelative);
  EXPECT_EQ(parse(with_target("\"ratio\": 10")).target.value().ratio, 10.0);
  EXPECT_EQ(parse(with_target("\"sqnr_db\": 20")).target.value().sqnr_db, 20.0);
  EXPECT_EQ(parse(with_target("\"max_abs_error\": 1e-3")).target.value().max_abs_error, 1e-3);
  EXPECT_EQ(parse(rule("\"codec\": \"uniform\""), {"target.sqnr_db=20"}).target.value().sqnr_db, 20.0);
}

TEST(ParseConfig, ATargetOnTheCommandLineTakesTheStepsAway) {
  const std::string stepped = R"({"target": {"ratio": 3, "distortion": "relative"}, "rules": [
    {"match": "a", "codec": "trellis", "relative_step": 1}, {"match": "b", "codec": "uniform", "step": 1},
    {"codec": "uniform"}]})";
  const Config config = parse_config(stepped, "c.json", {"rules.1.step=2"}, "bits_per_weight=3");
  Target expected;
  expected.bits_per_weight = 3;
  EXPECT_EQ(config.target, expected);
  EXPECT_EQ(config.rules[0].spec.relative_step, std::nullopt);
  EXPECT_EQ(config.rules[1].spec.step, 2.0);
  EXPECT_EQ(parse_config(stepped, "c.json", {"target.distortion=absolute"}, "bytes=40M").target.value().bytes,
            40u << 20);
  const auto refused = [&](const std::string& target) {
    try {
      (void)parse_config(stepped, "c.json", {}, target);
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_EQ(refused("3"), "--target 3: expected a figure and its value, such as bits_per_weight=3");
  EXPECT_EQ(refused("bits_per_wieght=3"),
            "--target bits_per_wieght=3: /target/bits_per_wieght: unknown key \"bits_per_wieght\"; did you mean "
            "\"bits_per_weight\"?");
  EXPECT_TRUE(refused("ratio=many").starts_with("--target ratio=many: /target/ratio: expected a number"));
}

TEST(ParseConfig, RefusesATargetThatChoosesNothing) {
  EXPECT_EQ(
      refusal(R"({"rules": [{"codec": "uniform", "step": 1}, {"codec": "trellis", "relative_step": 1}]})",
              {"target.bits_per_weight=3"}),
      "c.json: /target: no rule takes its step from the target, as each gives its own: --target bits_per_weight=3 "
      "removes them, and so does --set rules.0.step=null --set rules.1.relative_step=null");
  for (const char* text :
       {R"({"target": {"ratio": 3}})", R"({"target": {"ratio": 3}, "rules": [{"codec": "codebook"}]})"})
    EXPECT_NE(refusal(text).find("that needs one of codec uniform or trellis"), std::string::npos) << text;
  std::string many;
  for (int i = 0; i < 1000; i++) many += R"({"codec": "uniform", "step": 1},)";
  EXPECT_LT(refusal(R"({"target": {"ratio": 3}, "rules": [)" + many + R"({"codec": "raw"}]})").size(), 1000u);
}

TEST(ParseConfig, RefusesTargetsThatAreNone) {
  EXPECT_EQ(
      refusal(with_target("")),
      "c.json: /target: a target takes exactly one of bits_per_weight, ratio, bytes, sqnr_db, max_abs_error; give "
      "one");
  EXPECT_EQ(refusal(with_target("\"ratio\": 4, \"bytes\": 4")),
            "c.json: /target/bytes: a target takes exactly one of bits_per_weight, ratio, bytes, sqnr_db, "
            "max_abs_error; give only one (--set path.to.key=null removes a key)");
  EXPECT_EQ(refusal(with_target("\"bits\": 4")).substr(0, 47), "c.json: /target/bits: unknown key \"bits\"; known");
  EXPECT_EQ(refusal(with_target(R"("max_abs_error": 1, "distortion": "relative")")),
            "c.json: /target/distortion: max_abs_error bounds the error of every weight alike; leave distortion out");
  EXPECT_EQ(refusal("{\"target\": 3}"), "c.json: /target: expected an object with the target; found 3");
  const struct {
    const char *key, *good, *bad;
  } cases[] = {{"bits_per_weight", "0.5", "0.49"},
               {"bits_per_weight", "8", "8.01"},
               {"ratio", "1", "0.9"},
               {"bytes", "1", "0"},
               {"bytes", "\"1M\"", "\"1Mi\""},
               {"sqnr_db", "0.1", "0"},
               {"max_abs_error", "1e-35", "0"}};
  for (const auto& c : cases) {
    EXPECT_EQ(refusal(with_target(std::string("\"") + c.key + "\": " + c.good)), "") << c.key << " " << c.good;
    EXPECT_NE(refusal(with_target(std::string("\"") + c.key + "\": " + c.bad)), "") << c.key << " " << c.bad;
  }
  EXPECT_NE(refusal(rule(R"("codec": "uniform", "step": 1, "importance": 0)")), "");
}

TEST(ParseConfig, ReadsPruning) {
  const auto prune = [](const std::string& text, const std::string& codec = "lossless") {
    return parse(rule("\"codec\": \"" + codec + "\", \"prune\": " + text)).rules[0].spec;
  };
  EXPECT_EQ(prune(R"({"sparsity": 0.9})").prune->sparsity, 0.9);
  EXPECT_EQ(prune(R"({"sparsity": 0.9})").prune->scope, "tensor");
  EXPECT_EQ(prune(R"({"sparsity": 1, "scope": "rule"})").prune->scope, "rule");
  EXPECT_EQ(prune(R"({"pattern": "2:4"})").prune->pattern, "2:4");
  EXPECT_EQ(prune(R"({"channels": 0.25, "channel_axis": -2})").prune->channel_axis, -2);
  EXPECT_TRUE(prune(R"({"sparsity": 0})", "codebook").pin_zero);
  EXPECT_EQ(parse(rule(R"("codec": "trellis", "step": 1, "prune": {"sparsity": 0})")).rules[0].spec.labelling, "zero");
  EXPECT_EQ(parse(rule(R"("codec": "raw")"), {"rules.0.prune.sparsity=0.5"}).rules[0].spec.prune->sparsity, 0.5);
  EXPECT_FALSE(parse(rule(R"("codec": "raw", "prune": {"sparsity": 1})"), {"rules.0.prune=null"}).rules[0].spec.prune);
}

TEST(ParseConfig, RefusesPruningThatIsNone) {
  const auto refused = [](const std::string& text) { return refusal(rule("\"codec\": \"raw\", \"prune\": " + text)); };
  EXPECT_EQ(refused("0.9"), "c.json: /rules/0/prune: expected an object such as {\"sparsity\": 0.9}; found 0.9");
  EXPECT_EQ(refused("null"), "c.json: /rules/0/prune: expected an object such as {\"sparsity\": 0.9}; found null");
  EXPECT_EQ(refused("{}"), "c.json: /rules/0/prune: prune takes exactly one of sparsity, pattern, channels; give one");
  EXPECT_EQ(
      refused(R"({"sparsity": 0.5, "pattern": "2:4"})"),
      "c.json: /rules/0/prune/pattern: prune takes exactly one of sparsity, pattern, channels; give only one (--set "
      "path.to.key=null removes a key)");
  EXPECT_EQ(refused(R"({"sparsity": 90})"), "c.json: /rules/0/prune/sparsity: expected a number from 0 to 1; found 90");
  EXPECT_EQ(refused(R"({"sparcity": 0.9})"),
            "c.json: /rules/0/prune/sparcity: unknown key \"sparcity\"; did you mean \"sparsity\"?");
  EXPECT_EQ(refused(R"({"pattern": "2:4", "scope": "rule"})"),
            "c.json: /rules/0/prune/scope: scope goes with sparsity only");
  EXPECT_EQ(refused(R"({"sparsity": 0.5, "channel_axis": 1})"),
            "c.json: /rules/0/prune/channel_axis: channel_axis goes with channels only");
  for (const char* text : {"4:2", "4:4", "99:98"})
    EXPECT_EQ(refused(std::string("{\"pattern\": \"") + text + "\"}"),
              std::string("c.json: /rules/0/prune/pattern: expected N:M with N below M, such as \"2:4\"; found \"") +
                  text + "\"");
  for (const char* text : {"0:4", "2:400", "2-4", "2:", ":4", "-2:4", "2:4 ", "999999999999:9999999999999", ""})
    EXPECT_NE(refused(std::string("{\"pattern\": \"") + text + "\"}").find("expected N:M, such as \"2:4\""),
              std::string::npos)
        << text;
  for (const char* value : {"-0.1", "1.1", "1e400", "\"0.5\"", "null", "[0.5]"})
    EXPECT_NE(refused(std::string("{\"channels\": ") + value + "}"), "") << value;
}

TEST(ParseConfig, SymbolsHaveScalesAtMost) {
  for (const char* codec : {"lossless", "codebook"}) {
    const auto with = [&](const std::string& model) {
      return rule("\"codec\": \"" + std::string(codec) + "\", \"model\": \"" + model + "\"");
    };
    EXPECT_EQ(parse_config(with("scaled"), "c.json").rules[0].spec.symbol_model, "scaled");
    EXPECT_EQ(refusal(with("predictive")),
              "c.json: /rules/0/model: expected one of auto, order0, scaled; found the string \"predictive\"");
  }
}

TEST(ParseConfig, AModelHasOneStep) {
  EXPECT_EQ(
      parse_config(rule(R"("codec": "uniform", "step": 1, "model": "scaled")"), "c.json").rules[0].spec.uniform_model,
      "scaled");
  EXPECT_EQ(
      refusal(rule(R"("codec": "uniform", "step": 1, "model": "auto", "per_channel": true)")),
      "c.json: /rules/0/model: model auto finds scales of channels itself and keeps to one step: expected order0, or "
      "per_channel false");
  EXPECT_NO_THROW(
      (void)parse_config(rule(R"("codec": "uniform", "step": 1, "model": "order0", "per_channel": true)"), "c.json"));
}

TEST(ParseConfig, KnowsWhatACodebookCannotBeAtOnce) {
  EXPECT_EQ(
      parse_config(rule(R"("codec": "codebook", "dimension": 4, "clusters": 65536)"), "c.json").rules[0].spec.clusters,
      65536u);
  EXPECT_EQ(refusal(rule(R"("codec": "codebook", "clusters": 5000)")),
            "c.json: /rules/0/clusters: expected at most 4096 for dimension 1; found 5000");
  EXPECT_EQ(
      refusal(rule(R"("codec": "codebook", "shared": "all", "channel_group": 2)")),
      "c.json: /rules/0/channel_group: a shared codebook is one for all channels: leave out shared or channel_group");
  EXPECT_EQ(refusal(rule(R"("codec": "codebook", "dimension": 2, "pin_zero": true)")),
            "c.json: /rules/0/pin_zero: an entry of several weights has no zero for one of them: expected dimension 1");
  EXPECT_EQ(
      refusal(rule(R"("codec": "codebook", "dimension": 2, "prune": {"sparsity": 0.5})")),
      "c.json: /rules/0/dimension: pruned weights must come back as zeros, and an entry of several weights has none "
      "for one of them: expected 1");
}

TEST(ParseConfig, RulesThatShareACodebookAgreeOnIt) {
  const auto rules = [](const std::string& second) {
    return R"({"rules": [{"match": "a", "codec": "codebook", "shared": "x"}, {"codec": "raw", "match": "b"},
                         {"codec": "codebook", )" +
           second + "}]}";
  };
  EXPECT_EQ(parse_config(rules(R"("shared": "x", "match": "c")"), "c.json").rules[2].spec.shared, "x");
  EXPECT_EQ(parse_config(rules(R"("shared": "y", "clusters": 8)"), "c.json").rules[2].spec.clusters, 8u);
  EXPECT_EQ(refusal(rules(R"("shared": "x", "clusters": 8)")),
            "c.json: /rules/2/shared: rule 0 shares codebook \"x\" and differs in clusters, dimension, centroid_dtype, "
            "lambda or pin_zero: expected the same");
}

TEST(ParseConfig, RefusesCodecsThatWouldNotKeepPrunedZeros) {
  EXPECT_EQ(refusal(rule(R"("codec": "codebook", "pin_zero": false, "prune": {"sparsity": 0.5})")),
            "c.json: /rules/0/pin_zero: pruned weights must come back as zeros: expected true; found false");
  EXPECT_EQ(
      refusal(rule(R"("codec": "trellis", "step": 1, "labelling": "natural", "prune": {"pattern": "2:4"})")),
      "c.json: /rules/0/labelling: natural has no zero in every state, and pruned weights must come back as zeros: "
      "expected zero or auto");
  EXPECT_EQ(
      refusal(R"({"target": {"max_abs_error": 1}, "rules": [{"codec": "raw", "prune": {"channels": 0.5}}]})"),
      "c.json: /rules/0/prune: the target's max_abs_error bounds the error of every weight, which pruning does not");
}

TEST(ParseConfig, SurvivesHostileText) {
  EXPECT_NE(refusal("").find("not valid JSON: line 1, column 1"), std::string::npos);
  EXPECT_NE(refusal("{\n  \"threads\": 1,\n}").find("line 3, column 1"), std::string::npos);
  EXPECT_NE(refusal("{\"threads\": 1, \"threads\": 1}").find("\"threads\" occurs twice"), std::string::npos);
  EXPECT_NE(refusal(std::string(100000, '[')).find("nested deeper"), std::string::npos);
  std::string deep;
  for (int i = 0; i < 100000; i++) deep += "{\"rules\":";
  EXPECT_NE(refusal(deep).find("nested deeper"), std::string::npos);
  EXPECT_EQ(refusal("{\"threads\": 1e400}"),
            "c.json: not valid JSON: line 1, column 17: number overflow parsing '1e400'");
  for (const char* text : {"NaN", "{\"threads\": NaN}", "{\"threads\": Infinity}", "{\"threads\": -Infinity}", "{} {}",
                           "{\"device\": \"\xFF\"}", "{\"device\": \"\\ud800\"}", "// comment\n{}", "{'threads': 1}",
                           "{\"threads\": 01}", "{\"threads\": +1}", "{\"threads\": 0x1}"})
    EXPECT_NE(refusal(text).find("not valid JSON"), std::string::npos) << text;
  EXPECT_EQ(refusal(std::string("{}\0{", 4)), "c.json: not valid JSON: line 1, column 3: a NUL byte");
  for (const char* number : {"1"
                             "00000000000000000000000000",
                             "-9223372036854775808", "18446744073709551616", "1e308"})
    EXPECT_NE(refusal(std::string("{\"threads\": ") + number + "}").find("/threads"), std::string::npos) << number;
}

TEST(ParseConfig, KeepsMessagesShort) {
  const std::string longest(1 << 20, 'x');
  EXPECT_LT(refusal("{\"" + longest + "\": 1}").size(), 1000u);
  EXPECT_LT(refusal("{\"device\": \"" + longest + "\"}").size(), 1000u);
  EXPECT_LT(refusal("{\"threads\": " + std::string(1 << 20, '9') + "}").size(), 1000u);
  EXPECT_LT(refusal("{\"device\": \"" + longest).size(), 1000u);
  EXPECT_LT(refusal("{}", {"device=" + longest}).size(), 1000u);
  EXPECT_LT(refusal("{}", {longest}).size(), 1000u);
  EXPECT_LT(refusal(rule("\"codec\": \"raw\", \"match\": \"" + longest + "\"")).size(), 1000u);
}

TEST(ParseConfig, BoundsTheNumberOfRules) {
  std::string rules = "{\"rules\": [{\"codec\": \"raw\"}";
  for (int i = 1; i < 4096; i++) rules += ",{\"codec\": \"raw\"}";
  EXPECT_EQ(parse(rules + "]}").rules.size(), 4096u);
  EXPECT_EQ(refusal(rules + ",{\"codec\": \"raw\"}]}"), "c.json: /rules: expected at most 4096 rules; found 4097");
}

}  // namespace
}  // namespace weft
