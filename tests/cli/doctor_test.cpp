#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.hpp"

namespace weft::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(CliDoctor, SaysWhichModelRunsAndWhyNotCuda) {
  const Outcome outcome = run_weft({"doctor"}, ".", {"WEFT_CPU=portable"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("portable: WEFT_CPU asks for it"), HasSubstr("--device auto means "),
                                 HasSubstr("zstd "), HasSubstr("cores")));
}

TEST(CliDoctor, AModelThatDoesNotExistIsPointedOut) {
  EXPECT_THAT(run_weft({"doctor"}, ".", {"WEFT_CPU=abacus"}).out, HasSubstr("WEFT_CPU=abacus is no model"));
}

TEST(CliDoctor, JsonHasTheSameFacts) {
  const Outcome outcome = run_weft({"doctor", "--json"}, ".", {"WEFT_CPU=portable"});
  ASSERT_EQ(outcome.exit_code, 0);
  const auto facts = nlohmann::json::parse(outcome.out);
  if (facts["cuda"]["devices"].empty()) {
    EXPECT_EQ(facts["device"], "cpu (portable)");
    EXPECT_NE(facts["cuda"]["reason"], "");
  }
  EXPECT_EQ(facts["cpu"]["model"], "portable");
  EXPECT_TRUE(facts["cuda"]["built_in"].is_boolean());
  EXPECT_GT(facts["memory"]["total_bytes"], 0);
}

}  // namespace
}  // namespace weft::testing
