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

class CliBench : public ::testing::Test {
 protected:
  CliBench() {
    folder.write("m.safetensors", sample_network());
    std::filesystem::create_directory(folder / "work");
  }

  Outcome weft(const std::vector<std::string>& arguments) const { return run_weft(arguments, folder.path()); }

  TempFolder folder;
};

TEST_F(CliBench, TimesBothDirectionsAndLeavesNothing) {
  const Outcome outcome = weft({"bench", "m.safetensors", "-c", "small", "--runs", "2", "--folder", "work"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("compress"), HasSubstr("decompress"), HasSubstr("encode"),
                                 HasSubstr("decode"), HasSubstr("medians of 2 runs")));
  EXPECT_TRUE(std::filesystem::is_empty(folder / "work"));
}

TEST_F(CliBench, JsonHasEveryRun) {
  const Outcome outcome =
      weft({"bench", "m.safetensors", "--runs", "3", "--json", "-q", "--folder", "work", "-T", "1"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["threads"], 1);
  EXPECT_EQ(json["bytes_in"], std::filesystem::file_size(folder / "m.safetensors"));
  for (const char* direction : {"compress", "decompress"}) {
    ASSERT_EQ(json[direction]["seconds"].size(), 3u);
    for (const double seconds : json[direction]["seconds"]) EXPECT_GT(seconds, 0);
    const auto& speed = json[direction]["gb_per_s"];
    EXPECT_LE(speed["least"], speed["median"]);
    EXPECT_LE(speed["median"], speed["most"]);
    EXPECT_FALSE(json[direction]["stage_gb_per_s"].empty());
  }
}

TEST_F(CliBench, AFolderComesAndGoesToo) {
  std::filesystem::create_directory(folder / "net");
  folder.write("net/model.safetensors", sample_network());
  folder.write("net/config.json", "{}");
  const Outcome outcome = weft({"bench", "net", "--runs", "2", "--folder", "work"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::is_empty(folder / "work"));
}

TEST_F(CliBench, RefusesWhatItCannotDo) {
  EXPECT_EQ(weft({"bench", "m.safetensors", "--runs", "0"}).exit_code, 2);
  const Outcome outcome = weft({"bench", "m.safetensors", "--folder", "nowhere"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("nowhere"), HasSubstr("--folder")));
}

}  // namespace
}  // namespace weft::testing
