#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "cli/sample.hpp"
#include "support/temp_folder.hpp"

namespace weft::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CliDecompress : public ::testing::Test {
 protected:
  CliDecompress() {
    folder.write("in/model.safetensors", original);
    EXPECT_EQ(weft({"compress", "in/model.safetensors", "-o", "packed.weft", "-q"}).exit_code, 0);
  }

  Outcome weft(const std::vector<std::string>& arguments) const { return run_weft(arguments, folder.path()); }

  TempFolder folder;
  std::string original = sample_network();
};

TEST_F(CliDecompress, RestoresTheFileUnderItsOwnNameByteForByte) {
  const Outcome outcome = weft({"decompress", "packed.weft"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("model.safetensors: "));
  EXPECT_EQ(folder.read("model.safetensors"), original);
}

TEST_F(CliDecompress, RestoresAFolderWithItsAssets) {
  folder.write("ckpt/a.safetensors", original);
  folder.write("ckpt/config.json", "{\"layers\": 2}");
  folder.write("ckpt/vocab.txt", "");
  ASSERT_EQ(weft({"compress", "ckpt", "-o", "folder.weft", "-q"}).exit_code, 0);
  const Outcome outcome = weft({"decompress", "folder.weft", "-q"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(folder.names("folder"), ElementsAre("a.safetensors", "config.json", "vocab.txt"));
  EXPECT_EQ(folder.read("folder/a.safetensors"), original);
  EXPECT_EQ(folder.read("folder/config.json"), "{\"layers\": 2}");
  EXPECT_EQ(weft({"decompress", "folder.weft", "-q"}).exit_code, 2);
}

TEST_F(CliDecompress, AFolderAsOutputReceivesTheFile) {
  std::filesystem::create_directory(folder / "out");
  EXPECT_EQ(weft({"decompress", "packed.weft", "-o", "out/"}).exit_code, 0);
  EXPECT_THAT(folder.names("out"), ElementsAre("model.safetensors"));
}

TEST_F(CliDecompress, ExistingOutputIsRefusedWithoutForce) {
  folder.write("model.safetensors", "precious");
  const Outcome outcome = weft({"decompress", "packed.weft"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("model.safetensors"));
  EXPECT_EQ(folder.read("model.safetensors"), "precious");
  EXPECT_EQ(weft({"decompress", "packed.weft", "-f"}).exit_code, 0);
  EXPECT_EQ(folder.read("model.safetensors"), original);
}

TEST_F(CliDecompress, NeverReplacesTheArchiveItReads) {
  const std::string archive = folder.read("packed.weft");
  EXPECT_EQ(weft({"decompress", "packed.weft", "-f", "-o", "packed.weft"}).exit_code, 2);
  EXPECT_EQ(folder.read("packed.weft"), archive);
}

TEST_F(CliDecompress, TensorsSelectsByGlobsUnderANameOfItsOwn) {
  const Outcome outcome = weft({"decompress", "packed.weft", "--tensors", "*.bias", "ste??"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::string subset = folder.read("packed.subset.safetensors");
  EXPECT_THAT(subset,
              AllOf(HasSubstr("layer.0.bias"), HasSubstr("steps"), ::testing::Not(HasSubstr("layer.0.weight"))));
  EXPECT_EQ(subset.substr(subset.size() - 24), original.substr(original.size() - 24));
  EXPECT_EQ(weft({"decompress", "--tensors", "*.bias", "-o", "b.safetensors", "packed.weft"}).exit_code, 0);

  std::string with_metadata = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  with_metadata.resize((with_metadata.size() + 7) / 8 * 8, ' ');
  const char size = static_cast<char>(with_metadata.size());
  folder.write("m.safetensors", std::string{size, 0, 0, 0, 0, 0, 0, 0} + with_metadata + "abcd");
  EXPECT_EQ(weft({"compress", "m.safetensors", "-q"}).exit_code, 0);
  EXPECT_EQ(weft({"decompress", "m.weft", "--tensors", "a", "-o", "a.safetensors"}).exit_code, 0);
  EXPECT_EQ(folder.read("a.safetensors"), folder.read("m.safetensors"));
}

TEST_F(CliDecompress, CountsWhatItWrites) {
  for (const std::vector<std::string>& chosen : {std::vector<std::string>{}, {"--tensors", "*.bias"}}) {
    std::vector<std::string> arguments{"decompress", "packed.weft", "-o",       "out.safetensors",
                                       "-f",         "-q",          "--report", "r.json"};
    arguments.insert(arguments.end(), chosen.begin(), chosen.end());
    ASSERT_EQ(weft(arguments).exit_code, 0);
    const auto report = nlohmann::json::parse(folder.read("r.json"));
    for (const auto& stage : report["stages"])
      if (stage["name"] == "write") {
        EXPECT_EQ(stage["bytes"], folder.read("out.safetensors").size());
      }
  }
}

TEST_F(CliDecompress, AGlobThatMatchesNothingIsAnError) {
  const Outcome outcome = weft({"decompress", "packed.weft", "--tensors", "nothing.*"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("nothing.*"));
  EXPECT_THAT(folder.names(), ElementsAre("in", "packed.weft"));
}

TEST_F(CliDecompress, ReportCountsTheRestoredBytes) {
  const Outcome outcome = weft({"decompress", "packed.weft", "--report", "-", "-q"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["totals"]["bytes_in"], original.size());
}

TEST_F(CliDecompress, ACorruptBlockNamesFileAndTensorAndLeavesNothing) {
  std::string archive = folder.read("packed.weft");
  archive[200] ^= 1;  // in the first block, that of the BF16 weights
  folder.write("bad.weft", archive);
  const Outcome outcome = weft({"decompress", "bad.weft", "-o", "out.safetensors"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("bad.weft"), HasSubstr("layer.0.weight"), HasSubstr("block")));
  EXPECT_THAT(folder.names(), ElementsAre("bad.weft", "in", "packed.weft"));
}

TEST_F(CliDecompress, ATruncatedArchiveIsCorruptInput) {
  const std::string archive = folder.read("packed.weft");
  for (const std::size_t size : {std::size_t{0}, std::size_t{9}, archive.size() / 2, archive.size() - 1}) {
    folder.write("bad.weft", archive.substr(0, size));
    for (const char* command : {"decompress", "verify", "inspect"}) {
      const Outcome outcome = weft({command, "bad.weft"});
      EXPECT_EQ(outcome.exit_code, 3) << command << " of " << size;
      EXPECT_THAT(outcome.err, HasSubstr("bad.weft"));
    }
  }
  EXPECT_THAT(folder.names(), ElementsAre("bad.weft", "in", "packed.weft"));
}

}  // namespace
}  // namespace weft::testing
