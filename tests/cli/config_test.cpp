#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "cli/sample.hpp"
#include "support/temp_folder.hpp"

namespace weft::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(CliConfig, CheckSummarisesAValidConfig) {
  const TempFolder folder;
  folder.write("c.json", R"({"version": 1, "threads": 3,
    "rules": [{"match": ["*.weight"], "codec": "uniform", "relative_step": 0.5, "min_rank": 2}]})");
  const Outcome outcome = run_weft({"config", "check", "c.json"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("ok: c.json: 1 rule\n"), HasSubstr("*.weight -> uniform, relative_step 0.5"),
                                 HasSubstr("threads 3")));
}

TEST(CliConfig, CheckSaysWhereStepsComeFrom) {
  const TempFolder folder;
  folder.write("c.json", R"({"target": {"bits_per_weight": 3}, "rules": [{"codec": "uniform", "importance": 2}]})");
  const Outcome outcome = run_weft({"config", "check", "c.json"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("uniform, step from the target, importance 2"),
                                 HasSubstr("target: bits_per_weight 3.0 distortion auto\n")));
}

TEST(CliConfig, CheckSaysWhatRulesTakeOfANetwork) {
  const TempFolder folder;
  folder.write("m.safetensors", sample_network());
  folder.write("c.json",
               R"({"rules": [{"match": "*wieght", "codec": "raw"}, {"match": "layer*", "codec": "lossless"}]})");
  const Outcome outcome = run_weft({"config", "check", "c.json", "--for", "m.safetensors"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("*wieght -> raw\n    0 tensors, 0 weights\n"),
                    HasSubstr("layer* -> lossless\n    2 tensors, 6,148 weights\n"),
                    HasSubstr("what no rule matches -> lossless\n    1 tensor, 1 weight\n"),
                    HasSubstr("warning: rule 0 (\"*wieght\") matches no tensor; nearest name: layer.0.weight")));
}

TEST(CliConfig, ATargetTakesTheStepsAway) {
  const Outcome outcome = run_weft({"config", "check", "small", "--target", "bits_per_weight=3"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("* -> trellis, step from the target"));
  const Outcome shown = run_weft({"config", "show", "small", "--target", "bits_per_weight=3"});
  EXPECT_EQ(nlohmann::json::parse(shown.out)["target"]["bits_per_weight"], 3);
}

TEST(CliConfig, CheckSaysWhatIsPruned) {
  const Outcome outcome = run_weft({"config", "check", "deep-compression", "--set", "rules.0.prune.pattern=2:4"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("after pruning to 2:4"), HasSubstr("codebook after pruning 60 % of the weights")));
}

TEST(CliConfig, CheckNamesTheWrongKeyItsPlaceAndTheRightOne) {
  const TempFolder folder;
  folder.write("c.json", R"({"version": 1, "rules": [{"match": ["*"], "codek": "raw"}]})");
  const Outcome outcome = run_weft({"config", "check", "c.json"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("c.json"), HasSubstr("codek"), HasSubstr("/rules/0"), HasSubstr("codec")));
  folder.write("c.json", "{");
  EXPECT_EQ(run_weft({"config", "check", "c.json"}, folder.path()).exit_code, 2);
}

TEST(CliConfig, ShowPrintsAConfigThatShowsTheSameAgain) {
  const TempFolder folder;
  for (const char* preset : {"lossless", "near-lossless", "balanced", "small", "lut4", "deep-compression"}) {
    const Outcome outcome = run_weft({"config", "show", preset, "--set", "threads=2"}, folder.path());
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto shown = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(shown["threads"], 2);
    for (const auto& rule : shown["rules"])
      EXPECT_EQ(rule.value("lambda", nlohmann::json()) == "auto", rule["codec"] == "trellis");
    folder.write("shown.json", outcome.out);
    EXPECT_EQ(run_weft({"config", "show", "shown.json"}, folder.path()).out, outcome.out);
  }
}

TEST(CliConfig, SchemaIsAJsonSchema) {
  const Outcome outcome = run_weft({"config", "schema"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto schema = nlohmann::json::parse(outcome.out);
  EXPECT_TRUE(schema.contains("$schema"));
  EXPECT_TRUE(schema["properties"].contains("rules"));
}

TEST(CliConfig, SchemaTakesNoFile) { EXPECT_EQ(run_weft({"config", "schema", "file"}).exit_code, 2); }

TEST(CliConfig, NeedsAnAction) {
  const Outcome outcome = run_weft({"config"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("try: weft config --help"));
}

}  // namespace
}  // namespace weft::testing
