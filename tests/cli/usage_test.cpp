// What every command has in common: help, version, wrong command lines, exit codes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "cli/sample.hpp"
#include "support/temp_folder.hpp"

namespace weft::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(CliUsage, HelpGoesToStandardOutputAndNamesEveryCommand) {
  const Outcome outcome = run_weft({"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  for (const char* command : {"compress", "decompress", "inspect", "verify", "sweep", "bench", "config", "doctor"})
    EXPECT_THAT(outcome.out, HasSubstr(command));
}

TEST(CliUsage, HelpOfACommandShowsItsOptions) {
  const Outcome outcome = run_weft({"compress", "--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* option : {"--config", "--set", "--output", "--report", "--dry-run", "--force", "--threads",
                             "--device", "--memory-limit", "--no-progress", "--no-verify", "--quiet", "--verbose"})
    EXPECT_THAT(outcome.out, HasSubstr(option));
}

TEST(CliUsage, VersionNamesProgramAndFormat) {
  const Outcome outcome = run_weft({"--version"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, AllOf(StartsWith("weft "), HasSubstr("archive format 0.")));
}

TEST(CliUsage, NoCommandIsAnErrorWithAHint) {
  const Outcome outcome = run_weft({});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, AllOf(StartsWith("weft: error: "), HasSubstr("weft --help")));
}

TEST(CliUsage, UnknownCommandSaysWhatExists) {
  const Outcome misspelt = run_weft({"compres", "x"});
  EXPECT_EQ(misspelt.exit_code, 2);
  EXPECT_THAT(misspelt.err, AllOf(HasSubstr("\"compres\""), HasSubstr("\"compress\"")));
  const Outcome unknown = run_weft({"quantise"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("compress, decompress, inspect, verify, sweep, bench, config, doctor"));
}

TEST(CliUsage, UnknownOptionAndMissingArgumentPointToTheHelpOfTheCommand) {
  const Outcome option = run_weft({"compress", "x.safetensors", "--frobnicate"});
  EXPECT_EQ(option.exit_code, 2);
  EXPECT_THAT(option.err, AllOf(HasSubstr("--frobnicate"), HasSubstr("try: weft compress --help")));
  const Outcome argument = run_weft({"verify"});
  EXPECT_EQ(argument.exit_code, 2);
  EXPECT_THAT(argument.err, AllOf(HasSubstr("archive is required"), HasSubstr("try: weft verify --help")));
}

TEST(CliUsage, OneNetworkAtATime) {
  for (const char* command : {"compress", "decompress", "inspect", "verify"}) {
    const Outcome outcome = run_weft({command, "a", "b", "c"});
    EXPECT_EQ(outcome.exit_code, 2) << command;
    EXPECT_THAT(outcome.err, HasSubstr("one network at a time: \"b\" is one too many\n")) << command;
    EXPECT_THAT(run_weft({command, "-"}).err, HasSubstr("not standard input; ./- is a file named -")) << command;
  }
}

TEST(CliUsage, WhatIsNoNetworkIsBadInput) {
  const TempFolder folder;
  folder.write("x.bin", "hello");
  for (const char* command : {"compress", "decompress", "inspect", "verify"})
    EXPECT_EQ(run_weft({command, "x.bin"}, folder.path()).exit_code, 3) << command;
}

TEST(CliUsage, SizesAreWrittenAsForOtherTools) {
  const TempFolder folder;
  folder.write("model.safetensors", sample_network());
  for (const char* size : {"512M", "40m", "0.5G", "512mib", "1e9", "1gb"})
    EXPECT_EQ(run_weft({"compress", "model.safetensors", "-f", "-q", "--memory-limit", size}, folder.path()).err, "");
}

TEST(CliUsage, QuietAndVerboseExcludeEachOther) {
  EXPECT_EQ(run_weft({"compress", "x.safetensors", "-q", "-v"}).exit_code, 2);
}

TEST(CliUsage, WrongValuesOfOptionsSayWhatIsExpected) {
  const std::vector<std::vector<std::string>> wrong{
      {"--threads", "-3"},     {"--threads", "9999999"}, {"--threads", "many"}, {"--memory-limit", "12 parsecs"},
      {"--memory-limit", "3"}, {"--device", "tpu"},      {"--device", "cuda:x"}};
  for (const auto& words : wrong) {
    const Outcome outcome = run_weft({"compress", "x.safetensors", words[0] + "=" + words[1]});
    EXPECT_EQ(outcome.exit_code, 2) << words[1] << ": " << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(words[0])) << words[1];
  }
}

TEST(CliUsage, ADeviceThatIsNotThereIsARunTimeError) {
  const TempFolder folder;
  folder.write("model.safetensors", sample_network());
  const Outcome outcome = run_weft({"compress", "model.safetensors", "--device", "cuda:999"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("cannot run on cuda:999"), HasSubstr("--device cpu")));
  EXPECT_FALSE(std::filesystem::exists(folder / "model.weft"));
}

TEST(CliUsage, MissingFilesAreRunTimeErrorsThatNameThem) {
  const TempFolder folder;
  for (const char* command : {"compress", "decompress", "inspect", "verify"}) {
    const Outcome outcome = run_weft({command, "absent.weft"}, folder.path());
    EXPECT_EQ(outcome.exit_code, 1) << command;
    EXPECT_THAT(outcome.err, AllOf(StartsWith("weft: error: "), HasSubstr("absent.weft"))) << command;
    EXPECT_EQ(outcome.out, "") << command;
  }
  EXPECT_TRUE(folder.names().empty());
}

TEST(CliUsage, MessagesCannotSteerTheTerminal) {
  const Outcome outcome = run_weft({"inspect", "evil\033[2J\nweft: ok\r"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, AllOf(Not(HasSubstr("\033")), Not(HasSubstr("\r")), Not(HasSubstr("\nweft: ok"))));
}

TEST(CliUsage, AFullDiskOfStandardOutputIsNoticed) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  const std::string command = "'" + testing::weft_program().string() + "' doctor > /dev/full 2> /dev/null";
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

}  // namespace
}  // namespace weft::testing
