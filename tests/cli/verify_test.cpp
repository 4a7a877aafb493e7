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
using ::testing::StartsWith;

class CliVerify : public ::testing::Test {
 protected:
  CliVerify() {
    folder.write("m.safetensors", sample_network());
    EXPECT_EQ(weft({"compress", "m.safetensors", "-q"}).exit_code, 0);
  }

  Outcome weft(const std::vector<std::string>& arguments) const { return run_weft(arguments, folder.path()); }

  TempFolder folder;
};

TEST_F(CliVerify, SaysOkOrNothing) {
  const Outcome outcome = weft({"verify", "m.weft"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(StartsWith("ok: m.weft: 3 tensors"), HasSubstr("checksum")));
  const Outcome quiet = weft({"verify", "m.weft", "-q"});
  EXPECT_EQ(quiet.exit_code, 0);
  EXPECT_EQ(quiet.out + quiet.err, "");
}

TEST_F(CliVerify, JsonIsTheReport) {
  const Outcome outcome = weft({"verify", "m.weft", "--json", "--against", "m.safetensors"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto report = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(report["tensors"].size(), 3u);
  EXPECT_EQ(report["tensors"][0]["max_abs_error"], 0);
}

TEST_F(CliVerify, SaysHowNearALossyArchiveIs) {
  EXPECT_EQ(weft({"compress", "m.safetensors", "-o", "lossy.weft", "-c", "small", "-q"}).exit_code, 0);
  const Outcome outcome = weft({"verify", "lossy.weft", "--against", "m.safetensors"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("it restores m.safetensors, to "), HasSubstr(" dB\n")));
}

TEST_F(CliVerify, FindsACorruptBlockAndNamesIt) {
  std::string archive = folder.read("m.weft");
  archive[200] ^= 16;
  folder.write("m.weft", archive);
  const Outcome outcome = weft({"verify", "m.weft"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("m.weft"), HasSubstr("layer.0.weight")));
}

TEST_F(CliVerify, AgainstAnotherNetworkFails) {
  std::string other = folder.read("m.safetensors");
  other.back() ^= 1;
  folder.write("other.safetensors", other);
  EXPECT_EQ(weft({"verify", "m.weft", "--against", "m.safetensors"}).exit_code, 0);
  const Outcome outcome = weft({"verify", "m.weft", "--against", "other.safetensors"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("steps"));
}

}  // namespace
}  // namespace weft::testing
