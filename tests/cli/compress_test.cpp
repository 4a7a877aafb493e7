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
using ::testing::Not;

class CliCompress : public ::testing::Test {
 protected:
  CliCompress() { folder.write("model.safetensors", sample_network()); }

  Outcome weft(const std::vector<std::string>& arguments) const { return run_weft(arguments, folder.path()); }

  TempFolder folder;
};

TEST_F(CliCompress, WritesBesideTheInputAndSaysSo) {
  const Outcome outcome = weft({"compress", "model.safetensors"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("model.weft: "), HasSubstr("lossless")));
  EXPECT_THAT(folder.names(), ElementsAre("model.safetensors", "model.weft"));
  EXPECT_LT(folder.read("model.weft").size(), folder.read("model.safetensors").size());
}

TEST_F(CliCompress, ACodebookGoesThroughEveryCommand) {
  ASSERT_EQ(weft({"compress", "model.safetensors", "-c", "lut4", "-q", "--report", "r.json"}).exit_code, 0);
  EXPECT_EQ(weft({"decompress", "model.weft", "-o", "back.safetensors", "-q"}).exit_code, 0);
  EXPECT_EQ(weft({"verify", "model.weft", "--against", "model.safetensors", "-q"}).exit_code, 0);
  EXPECT_EQ(weft({"inspect", "model.weft"}).exit_code, 0);
  const auto tensor = nlohmann::json::parse(folder.read("r.json"))["tensors"][0];
  EXPECT_EQ(tensor["codec"], "codebook");
  EXPECT_EQ(tensor["codebook"]["clusters"], 16);
  // The squared distance to the entries is what decoding measured as the error.
  EXPECT_NEAR(tensor["codebook"]["inertia"].get<double>(),
              tensor["mse"].get<double>() * tensor["elements"].get<double>(),
              1e-2 * tensor["codebook"]["inertia"].get<double>());
}

TEST_F(CliCompress, AFolderBecomesOneArchiveBesideIt) {
  folder.write("ckpt/a.safetensors", sample_network());
  folder.write("ckpt/config.json", "{}");
  for (const char* name : {"ckpt", "ckpt/", "./ckpt/."}) {
    const Outcome outcome = weft({"compress", name, "-f"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_TRUE(std::filesystem::remove(folder / "ckpt.weft")) << name;
  }
  const Outcome inside = run_weft({"compress", "."}, folder / "ckpt");
  EXPECT_EQ(inside.exit_code, 0) << inside.err;
  EXPECT_TRUE(std::filesystem::exists(folder / "ckpt.weft"));
}

TEST_F(CliCompress, AFolderAsOutputReceivesTheArchive) {
  std::filesystem::create_directory(folder / "out");
  EXPECT_EQ(weft({"compress", "model.safetensors", "-o", "out"}).exit_code, 0);
  EXPECT_THAT(folder.names("out"), ElementsAre("model.weft"));
}

TEST_F(CliCompress, QuietSaysNothingAndVerboseNamesEveryTensor) {
  const Outcome quiet = weft({"compress", "model.safetensors", "-q"});
  EXPECT_EQ(quiet.exit_code, 0);
  EXPECT_EQ(quiet.out + quiet.err, "");
  const Outcome verbose = weft({"compress", "model.safetensors", "-f", "-v"});
  EXPECT_EQ(verbose.exit_code, 0);
  for (const char* name : {"layer.0.weight", "layer.0.bias", "steps"}) EXPECT_THAT(verbose.err, HasSubstr(name));
}

TEST_F(CliCompress, ExistingOutputIsRefusedBeforeAnyWork) {
  folder.write("model.weft", "precious");
  folder.write("broken.safetensors", "not a network");
  const Outcome outcome = weft({"compress", "model.safetensors", "-o", "model.weft"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("model.weft"), HasSubstr("-f")));
  EXPECT_EQ(folder.read("model.weft"), "precious");
  EXPECT_EQ(weft({"compress", "model.safetensors", "-f"}).exit_code, 0);
  EXPECT_NE(folder.read("model.weft"), "precious");
}

TEST_F(CliCompress, NeverReplacesWhatItReads) {
  folder.write("config.json", "{\"version\": 1}");
  const std::string original = folder.read("model.safetensors");
  const std::vector<std::vector<std::string>> senseless{{"-o", "model.safetensors"},
                                                        {"-o", "./model.safetensors"},
                                                        {"--report", "model.safetensors"},
                                                        {"-c", "config.json", "--report", "config.json"},
                                                        {"-o", "x.weft", "--report", "./x.weft"}};
  for (const auto& words : senseless) {
    std::vector<std::string> arguments{"compress", "model.safetensors", "-f"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const Outcome outcome = weft(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << ::testing::PrintToString(words) << outcome.err;
  }
  EXPECT_EQ(folder.read("model.safetensors"), original);
  EXPECT_EQ(folder.read("config.json"), "{\"version\": 1}");
  EXPECT_THAT(folder.names(), ElementsAre("config.json", "model.safetensors"));
}

TEST_F(CliCompress, ReportHoldsEveryTensorAndTheSizeOnDisk) {
  const Outcome outcome = weft({"compress", "model.safetensors", "--report", "report.json", "-q"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto report = nlohmann::json::parse(folder.read("report.json"));
  for (const char* key : {"version", "device", "config", "totals", "tensors", "stages", "peak_host_bytes"})
    EXPECT_TRUE(report.contains(key)) << key;
  EXPECT_EQ(report["totals"]["bytes_out"], folder.read("model.weft").size());
  EXPECT_EQ(report["totals"]["bytes_in"], folder.read("model.safetensors").size());
  ASSERT_EQ(report["tensors"].size(), 3u);
  EXPECT_EQ(report["tensors"][0]["name"], "layer.0.weight");
  EXPECT_EQ(report["tensors"][0]["elements"], 96 * 64);
  // A report is a log: the next run may replace it, but nothing else.
  EXPECT_EQ(weft({"compress", "model.safetensors", "-o", "2.weft", "--report", "report.json"}).exit_code, 0);
  folder.write("notes.txt", "mine");
  EXPECT_EQ(weft({"compress", "model.safetensors", "-o", "3.weft", "--report", "notes.txt"}).exit_code, 2);
  EXPECT_EQ(folder.read("notes.txt"), "mine");
}

TEST_F(CliCompress, ReportOnStandardOutputIsTheOnlyThingThere) {
  const Outcome outcome = weft({"compress", "model.safetensors", "--report", "-"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["totals"]["bytes_out"], folder.read("model.weft").size());
}

TEST_F(CliCompress, CommandLineWinsOverTheConfig) {
  folder.write("c.json", R"({"version": 1, "threads": 1, "device": "cuda:999", "memory_limit": "64MiB"})");
  EXPECT_EQ(weft({"compress", "model.safetensors", "-c", "c.json"}).exit_code, 1);
  const Outcome outcome = weft({"compress", "model.safetensors", "-c", "c.json", "--device", "cpu", "-T", "2",
                                "--memory-limit", "134217728", "--report", "-", "-q"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto config = nlohmann::json::parse(outcome.out)["config"];
  EXPECT_EQ(config["device"], "cpu");
  EXPECT_EQ(config["threads"], 2);
  EXPECT_EQ(config["memory_limit"], 128 << 20);
}

TEST_F(CliCompress, SetOverridesTheConfigAndExplainsItsErrors) {
  folder.write("c.json",
               R"({"version": 1, "rules": [{"match": ["*weight"], "codec": "uniform", "relative_step": 2.0}]})");
  const auto size_with = [&](const std::string& setting) {
    const Outcome outcome = weft({"compress", "model.safetensors", "-f", "-c", "c.json", "--set", setting});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return folder.read("model.weft").size();
  };
  EXPECT_LT(size_with("rules.0.relative_step=1.0"), size_with("rules.0.relative_step=0.1"));
  for (const char* wrong : {"rules.0.relative_stepp=1", "rules.7.codec=raw", "threads=many", "nonsense"}) {
    const Outcome outcome = weft({"compress", "model.safetensors", "-c", "c.json", "-f", "--set", wrong});
    EXPECT_EQ(outcome.exit_code, 2) << wrong;
    EXPECT_THAT(outcome.err, HasSubstr("--set")) << wrong;
  }
  EXPECT_THAT(weft({"compress", "model.safetensors", "-c", "c.json", "-f", "--set", "rules.0.relative_stepp=1"}).err,
              HasSubstr("did you mean \"relative_step\""));
}

TEST_F(CliCompress, NamesRulesThatTakeNothing) {
  folder.write("c.json", R"({"version": 1, "rules": [{"match": "*wieght*", "codec": "raw"}, {"codec": "lossless"}]})");
  const std::string sentence = "rule 0 (\"*wieght*\") matches no tensor; nearest name: layer.0.weight";
  for (const char* how : {"--dry-run", "-f"}) {
    const Outcome outcome = weft({"compress", "model.safetensors", "-c", "c.json", how, "-q", "--report", "r.json"});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.err, "weft: warning: " + sentence + "\n");
    EXPECT_EQ(nlohmann::json::parse(folder.read("r.json"))["warnings"], nlohmann::json{sentence});
  }
  // Of a preset only what has been changed for this network.
  EXPECT_EQ(weft({"compress", "model.safetensors", "-c", "small", "-f", "-q"}).err, "");
  EXPECT_THAT(weft({"compress", "model.safetensors", "-c", "small", "-f", "-q", "--set", "rules.1.match=*wieght*"}).err,
              HasSubstr("rule 1 (\"*wieght*\") matches no tensor"));
}

TEST_F(CliCompress, ATargetGoesWithAPreset) {
  const Outcome outcome = weft({"compress", "model.safetensors", "-c", "small", "--target", "bytes=3k"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_LE(folder.read("model.weft").size(), 3072u);
  EXPECT_THAT(outcome.err, HasSubstr("target       bytes 3,072: reached "));
  const Outcome refused = weft({"compress", "model.safetensors", "-c", "small", "--set", "target.bytes=3k", "-f"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("--target bytes=3k"), HasSubstr("--set rules.2.relative_step=null")));
}

TEST_F(CliCompress, TheArchiveIsAsPrivateAsTheNetwork) {
  using std::filesystem::perms;
  const auto mode_of = [&](const char* name) { return std::filesystem::status(folder / name).permissions(); };
  const perms secret = perms::owner_read | perms::owner_write;
  std::filesystem::permissions(folder / "model.safetensors", secret);
  ASSERT_EQ(weft({"compress", "model.safetensors", "-q"}).exit_code, 0);
  EXPECT_EQ(mode_of("model.weft"), secret);
  ASSERT_EQ(weft({"decompress", "model.weft", "-o", "back.safetensors", "-q"}).exit_code, 0);
  EXPECT_EQ(mode_of("back.safetensors"), secret);
  folder.write("ckpt/a.safetensors", sample_network());
  folder.write("ckpt/secret.json", "{}");
  std::filesystem::permissions(folder / "ckpt/secret.json", secret);
  ASSERT_EQ(weft({"compress", "ckpt", "-q"}).exit_code, 0);
  EXPECT_EQ(mode_of("ckpt.weft"), secret);
  ASSERT_EQ(weft({"decompress", "ckpt.weft", "-o", "out", "-q"}).exit_code, 0);
  EXPECT_EQ(mode_of("out"), secret | perms::owner_exec);
  EXPECT_EQ(mode_of("out/a.safetensors"), secret);
}

TEST_F(CliCompress, OutputsThatCannotBeAreRefusedBeforeTheWork) {
  std::filesystem::create_directory(folder / "out");
  folder.write("out/x", "");
  const std::vector<std::vector<std::string>> senseless{
      {"--report", "notes.txt/"}, {"--report", "out"}, {"-o", "new/"}, {"-o", "/dev/null"}};
  for (const auto& words : senseless) {
    const Outcome outcome = weft({"compress", "model.safetensors", words[0], words[1]});
    EXPECT_EQ(outcome.exit_code, 2) << words[1];
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("cannot write " + words[1]), Not(HasSubstr("use -f")))) << words[1];
  }
  EXPECT_THAT(folder.names(), ElementsAre("model.safetensors", "out"));
}

TEST_F(CliCompress, AnArchiveWhoseReportCannotBeWrittenIsComplete) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const std::string command = "cd '" + folder.path().string() + "' && '" + testing::weft_program().string() +
                              "' compress model.safetensors --report - -q > /dev/full 2> err.txt";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
  EXPECT_THAT(folder.read("err.txt"), HasSubstr("model.weft is complete"));
  EXPECT_EQ(weft({"verify", "model.weft", "-q"}).exit_code, 0);
}

TEST_F(CliCompress, LeavesArchivesInAFolderOut) {
  folder.write("ckpt/a.safetensors", sample_network());
  folder.write("ckpt/old.weft", "an older archive");
  const Outcome outcome = weft({"compress", "ckpt"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("ckpt: left out weft archives: \"old.weft\""));
  EXPECT_THAT(weft({"inspect", "ckpt.weft"}).out, Not(HasSubstr("old.weft")));
}

TEST_F(CliCompress, TheReportAccountsForEveryByteOfAFolder) {
  folder.write("ckpt/a.safetensors", sample_network());
  folder.write("ckpt/notes.txt", std::string(5000, 'n'));
  ASSERT_EQ(weft({"compress", "ckpt", "-q", "--report", "r.json"}).exit_code, 0);
  const auto report = nlohmann::json::parse(folder.read("r.json"));
  const auto inspected = nlohmann::json::parse(weft({"inspect", "ckpt.weft", "--json"}).out);
  std::uint64_t bytes = 0;
  for (const auto& tensor : report["tensors"]) bytes += tensor["bytes_out"].get<std::uint64_t>();
  for (const char* key : {"asset_bytes_out", "bytes_outside_blocks"})
    bytes += report["totals"][key].get<std::uint64_t>();
  EXPECT_EQ(bytes, folder.read("ckpt.weft").size());
  EXPECT_EQ(report["totals"]["bytes_outside_blocks"], inspected["totals"]["bytes_outside_blocks"]);
  EXPECT_GT(report["totals"]["asset_bytes_out"], 0);
}

TEST_F(CliCompress, AMissingImportanceIsAMistakeInTheConfig) {
  folder.write("configs/c.json", R"({"rules": [{"match": "steps", "codec": "raw"},
    {"match": "*weight", "codec": "codebook", "importance": "i.safetensors"}]})");
  const Outcome outcome = weft({"compress", "model.safetensors", "-c", "configs/c.json"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("/rules/1/importance: "), HasSubstr("configs/i.safetensors")));
  folder.write("configs/i.safetensors",
               make_safetensors({{"layer.0.weight", "F32", {96}, bytes_of<float>(std::vector<float>(96, 1))}}));
  EXPECT_EQ(weft({"compress", "model.safetensors", "-c", "configs/c.json", "-q"}).exit_code, 0);
}

TEST_F(CliCompress, NotesATensorThatAnOutlierHasMadeZero) {
  std::vector<float> weights(20'000);
  for (std::size_t i = 0; i < weights.size(); i++) weights[i] = i % 2 == 0 ? 0.01f : -0.02f;
  const auto note_of = [&](const std::string& codec, const char* mode) {
    folder.write("m.safetensors", make_safetensors({{"w", "F32", {100, 200}, bytes_of<float>(weights)}}));
    folder.write("c.json", R"({"rules": [{"codec": ")" + codec + R"(", "relative_step": 0.6}]})");
    EXPECT_EQ(weft({"compress", "m.safetensors", "-c", "c.json", "-f", "-q", "--report", "r.json", mode}).exit_code, 0);
    return nlohmann::json::parse(folder.read("r.json"))["tensors"][0]["note"];
  };
  for (const char* codec : {"uniform", "trellis"}) EXPECT_TRUE(note_of(codec, "-f").is_null()) << codec;
  weights[777] = 1000;
  for (const char* codec : {"uniform", "trellis"})
    for (const char* mode : {"-f", "--dry-run"})
      EXPECT_EQ(note_of(codec, mode),
                "quantizing has left 1 of 20,000 weights that are not zero: a smaller step keeps more")
          << codec << mode;
}

TEST_F(CliCompress, SaysOnlyWhatCountsUnlessVerbose) {
  const std::string brief = weft({"compress", "model.safetensors"}).err;
  EXPECT_THAT(brief, Not(::testing::AnyOf(HasSubstr("stage"), HasSubstr("peak memory"))));
  EXPECT_THAT(weft({"compress", "model.safetensors", "-f", "-v"}).err,
              AllOf(HasSubstr("stage"), HasSubstr("peak memory")));
}

TEST_F(CliCompress, ATargetIsMetOrTheMessageSaysWhatIsPossible) {
  folder.write("c.json", R"({"version": 1, "rules": [{"match": ["*weight"], "codec": "uniform"}]})");
  const auto with = [&](const std::string& target) {
    return weft({"compress", "model.safetensors", "-f", "-c", "c.json", "--set", target, "--report", "report.json"});
  };
  const Outcome outcome = with("target.bytes=3000");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("target       bytes 3,000: reached "));
  EXPECT_LE(folder.read("model.weft").size(), 3000u);
  EXPECT_GE(folder.read("model.weft").size(), 2970u);
  const auto target = nlohmann::json::parse(folder.read("report.json"))["target"];
  EXPECT_EQ(target["name"], "bytes");
  EXPECT_EQ(target["reached"], folder.read("model.weft").size());
  const Outcome refused = with("target.bytes=100");
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("model.safetensors"), HasSubstr("cannot be met: the smallest archive")));
  EXPECT_EQ(weft({"compress", "model.safetensors", "-f", "-c", "c.json"}).exit_code, 2);
}

TEST_F(CliCompress, DryRunWritesNothingButItsReport) {
  folder.write("model.weft", "precious");
  const Outcome outcome = weft({"compress", "model.safetensors", "--dry-run", "--report", "plan.json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("not written"));
  EXPECT_EQ(folder.read("model.weft"), "precious");
  EXPECT_THAT(folder.names(), ElementsAre("model.safetensors", "model.weft", "plan.json"));
  const auto report = nlohmann::json::parse(folder.read("plan.json"));
  EXPECT_GT(report["totals"]["bytes_out"], 0);
}

TEST_F(CliCompress, ThreadsDoNotChangeTheArchive) {
  EXPECT_EQ(weft({"compress", "model.safetensors", "-T", "1", "-o", "1.weft", "-q"}).exit_code, 0);
  EXPECT_EQ(weft({"compress", "model.safetensors", "-T", "7", "--no-verify", "-o", "7.weft", "-q"}).exit_code, 0);
  EXPECT_EQ(folder.read("1.weft"), folder.read("7.weft"));
}

TEST_F(CliCompress, ABrokenNetworkIsCorruptInputAndLeavesNothing) {
  std::string bytes = folder.read("model.safetensors");
  bytes.pop_back();
  folder.write("short.safetensors", bytes);
  const Outcome outcome = weft({"compress", "short.safetensors"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("short.safetensors"));
  EXPECT_THAT(folder.names(), ElementsAre("model.safetensors", "short.safetensors"));
}

TEST_F(CliCompress, AShortJobOffTheTerminalShowsNoProgress) {
  const Outcome outcome = weft({"compress", "model.safetensors"});
  EXPECT_THAT(outcome.err, AllOf(Not(HasSubstr("\r")), Not(HasSubstr("\033")), Not(HasSubstr("left"))));
}

}  // namespace
}  // namespace weft::testing
