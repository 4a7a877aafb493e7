#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "cli/sample.hpp"
#include "support/places.hpp"
#include "support/temp_folder.hpp"

namespace weft::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(CliInspect, ListsTheTensorsOfANetwork) {
  const TempFolder folder;
  folder.write("m.safetensors", sample_network());
  const Outcome outcome = run_weft({"inspect", "m.safetensors"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("layer.0.weight  BF16   [96, 64]"), HasSubstr("3 tensors")));
  const auto json = nlohmann::json::parse(run_weft({"inspect", "--json", "m.safetensors"}, folder.path()).out);
  EXPECT_EQ(json["kind"], "network");
  EXPECT_EQ(json["tensors"][0]["shape"], nlohmann::json({96, 64}));
  EXPECT_EQ(json["tensors"][2]["bytes_in"], 8);
  EXPECT_EQ(json["files"][0]["metadata"]["format"], "pt");
}

TEST(CliInspect, AccountsForEveryByteOfAnArchive) {
  const TempFolder folder;
  folder.write("m.safetensors", sample_network());
  ASSERT_EQ(run_weft({"compress", "m.safetensors", "-q"}, folder.path()).exit_code, 0);
  // The magic decides, not the name.
  std::filesystem::copy(folder / "m.weft", folder / "renamed.bin");
  const Outcome outcome = run_weft({"inspect", "renamed.bin"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("weft archive, format 0.9"), HasSubstr("lossless"), HasSubstr("3 tensors")));
  const auto json = nlohmann::json::parse(run_weft({"inspect", "m.weft", "--json"}, folder.path()).out);
  const auto& totals = json["totals"];
  EXPECT_EQ(json["kind"], "archive");
  EXPECT_EQ(totals["bytes_in"], folder.read("m.safetensors").size());
  EXPECT_EQ(totals["bytes_out"], folder.read("m.weft").size());
  EXPECT_EQ(totals["bytes_out"], totals["block_bytes"].get<int>() + totals["bytes_outside_blocks"].get<int>());
  int coded = 0;
  for (const auto& tensor : json["tensors"]) coded += tensor["bytes_out"].get<int>();
  EXPECT_NEAR(coded, totals["block_bytes"].get<int>(), 3);
  EXPECT_EQ(json["tensors"][0]["codec"], "lossless");
}

TEST(CliInspect, ShowsTheCodebookOfATensor) {
  const TempFolder folder;
  folder.write("m.safetensors", sample_network());
  ASSERT_EQ(run_weft({"compress", "m.safetensors", "-c", "lut4", "-q"}, folder.path()).exit_code, 0);
  EXPECT_THAT(run_weft({"inspect", "m.weft"}, folder.path()).out, HasSubstr("codebook #0, 16 x F32"));
  const auto json = nlohmann::json::parse(run_weft({"inspect", "m.weft", "--json"}, folder.path()).out);
  EXPECT_EQ(json["tensors"][0]["codebooks"].dump(), "[0]");
  const auto& codebook = json["codebooks"][0];
  EXPECT_EQ(codebook["dimension"], 1);
  EXPECT_EQ(codebook["centroid_dtype"], "F32");
  ASSERT_EQ(codebook["centroids"].size(), 16u);
  for (std::size_t i = 1; i < 16; i++) EXPECT_LT(codebook["centroids"][i - 1], codebook["centroids"][i]);
  EXPECT_FALSE(json["tensors"][1].contains("codebooks"));
}

TEST(CliInspect, SaysWhichTensorsHaveTablesByClass) {
  const auto golden = [](const char* name) { return (source_folder() / "tests/golden" / name).string(); };
  EXPECT_THAT(run_weft({"inspect", golden("classes.weft")}).out,
              AllOf(HasSubstr("codebook #0, 24 x F32, scaled"), HasSubstr("lossless, scaled")));
  const auto json = nlohmann::json::parse(run_weft({"inspect", golden("classes.weft"), "--json"}).out);
  EXPECT_EQ(json["tensors"][0]["model"], "scaled");
  const auto plain = nlohmann::json::parse(run_weft({"inspect", golden("pairs.weft"), "--json"}).out);
  EXPECT_FALSE(plain["tensors"][0].contains("model"));
}

TEST(CliInspect, DrawsAHistogram) {
  const TempFolder folder;
  folder.write("m.safetensors", sample_network());
  ASSERT_EQ(run_weft({"compress", "m.safetensors", "-c", "lut4", "-q"}, folder.path()).exit_code, 0);
  const Outcome network = run_weft({"inspect", "m.safetensors", "--histogram", "layer.0.weight"}, folder.path());
  EXPECT_EQ(network.exit_code, 0) << network.err;
  EXPECT_THAT(network.out, AllOf(HasSubstr("layer.0.weight: 6,144 weights"), Not(HasSubstr("^"))));
  const Outcome archive = run_weft({"inspect", "m.weft", "--histogram", "layer.0.weight"}, folder.path());
  EXPECT_THAT(archive.out, AllOf(HasSubstr("codebook of 16"), HasSubstr("^")));
  EXPECT_EQ(run_weft({"inspect", "m.weft", "--histogram", "layer.0.weight", "--svg", "h.svg"}, folder.path()).exit_code,
            0);
  EXPECT_THAT(folder.read("h.svg"), HasSubstr("</svg>"));
  EXPECT_EQ(run_weft({"inspect", "m.weft", "--histogram", "layer.0.weight", "--svg", "h.svg"}, folder.path()).exit_code,
            2);
  EXPECT_EQ(
      run_weft({"inspect", "m.weft", "--histogram", "layer.0.weight", "--svg", "h.svg", "-f"}, folder.path()).exit_code,
      0);
  const Outcome misspelt = run_weft({"inspect", "m.weft", "--histogram", "layer.0.wieght"}, folder.path());
  EXPECT_EQ(misspelt.exit_code, 2);
  EXPECT_THAT(misspelt.err, HasSubstr("did you mean \"layer.0.weight\"?"));
  EXPECT_EQ(run_weft({"inspect", "m.weft", "--svg", "x.svg"}, folder.path()).exit_code, 2);
}

TEST(CliInspect, NamesCannotSteerTheTerminal) {
  const TempFolder folder;
  const std::string name = "evil\033[2J\r\nok\u202Egnp\u009B";
  folder.write("m.safetensors", make_safetensors({{name, "U8", {1}, "x"}}));
  for (const bool archive : {false, true}) {
    if (archive) {
      ASSERT_EQ(run_weft({"compress", "m.safetensors", "-q"}, folder.path()).exit_code, 0);
    }
    const Outcome outcome = run_weft({"inspect", archive ? "m.weft" : "m.safetensors"}, folder.path());
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("evil"), HasSubstr("gnp"), Not(HasSubstr("\033")), Not(HasSubstr("\r")),
                                   Not(HasSubstr("\u202E")), Not(HasSubstr("\u009B"))));
    const auto json =
        nlohmann::json::parse(run_weft({"inspect", "--json", archive ? "m.weft" : "m.safetensors"}, folder.path()).out);
    EXPECT_EQ(json["tensors"][0]["name"], name);
  }
}

}  // namespace
}  // namespace weft::testing
