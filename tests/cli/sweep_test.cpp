#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/program.hpp"
#include "cli/sample.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_folder.hpp"

namespace weft::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSweep[] = R"({
  "networks": ["nets/*.safetensors"],
  "config": {"rules": [{"match": "*weight", "codec": "uniform"}, {"codec": "lossless"}]},
  "grid": {"rules.0.relative_step": [0.3, 0.6, 1.2]},
  "settings": {"rdo": {}, "nearest": {"rules.0.lambda": 0}},
  "baseline": "nearest"})";

class CliSweep : public ::testing::Test {
 protected:
  CliSweep() {
    folder.write("nets/one.safetensors", sample_network());
    folder.write("nets/two.safetensors", sample_network(200));
    folder.write("sweep.json", kSweep);
  }
  Outcome sweep(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"sweep", "sweep.json", "-o", "out"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_weft(arguments, folder.path());
  }
  nlohmann::json json(const char* name) const { return nlohmann::json::parse(folder.read(name)); }
  TempFolder folder;
};

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) count++;
  return count;
}

TEST_F(CliSweep, WritesPointsTablesAndPlots) {
  const Outcome outcome = sweep();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(folder.names("out"),
              ElementsAre("BD.md", "bd.json", "nearest.json", "one.svg", "points.json", "rdo.json", "two.svg"));
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("[12/12] two, rdo, relative_step 1.2: "),
                                 HasSubstr("BD-rate against nearest"), HasSubstr("mean")));
  const auto rdo = json("out/rdo.json");
  ASSERT_EQ(rdo.size(), 2u);
  ASSERT_EQ(rdo["two"].size(), 3u);
  const auto& point = rdo["two"][1];
  EXPECT_EQ(point["relative_step"], 0.6);
  EXPECT_EQ(point["weights"], 200 * 64);
  EXPECT_GT(point["bits_per_weight"], 2.0);
  EXPECT_GT(point["sqnr_db"], 12.0);
  EXPECT_LT(point["sqnr_db"], rdo["two"][0]["sqnr_db"]);
  const auto bd = json("out/bd.json");
  ASSERT_EQ(bd.size(), 1u);
  EXPECT_EQ(bd[0]["against"], "nearest");
  EXPECT_TRUE(bd[0]["settings"]["rdo"]["networks"]["one"].is_number());

  // Its own results serve as a reference, and against itself nothing changes.
  folder.write("old.json", folder.read("out/rdo.json"));
  EXPECT_EQ(sweep({"--reference", "old.json", "-q"}).exit_code, 0);
  EXPECT_NEAR(json("out/bd.json")[0]["settings"]["rdo"]["mean"].get<double>(), 0, 1e-9);
}

TEST_F(CliSweep, KeepsFinishedPoints) {
  ASSERT_EQ(sweep().exit_code, 0);
  const std::string first = folder.read("out/rdo.json"), table = folder.read("out/bd.json");
  std::filesystem::remove(folder / "out" / "rdo.json");
  Outcome outcome = sweep({"-T", "1"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(count_of(outcome.err, ": kept"), 12u);
  EXPECT_EQ(folder.read("out/rdo.json"), first);
  EXPECT_EQ(folder.read("out/bd.json"), table);

  // What has changed is measured anew: a network, a setting.
  folder.write("nets/one.safetensors", sample_network(100));
  EXPECT_EQ(count_of(sweep().err, ": kept"), 6u);
  std::string other = kSweep;
  other.replace(other.find("1.2"), 3, "1.1");
  folder.write("sweep.json", other);
  outcome = sweep();
  EXPECT_EQ(count_of(outcome.err, ": kept"), 8u);
  EXPECT_EQ(json("out/rdo.json")["one"].size(), 3u);
}

TEST_F(CliSweep, AnInterruptedOneGoesOn) {
  folder.write("nets/one.safetensors", sample_network(20'000));
  Program program({"sweep", "sweep.json", "-o", "out", "-T", "1"}, folder.path());
  while (!program.has_ended() && !std::filesystem::exists(folder / "out" / "points.json"))
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  program.send(SIGINT);
  const Outcome interrupted = program.wait();
  EXPECT_EQ(interrupted.exit_code, 128 + SIGINT) << interrupted.err;
  EXPECT_THAT(interrupted.err, AllOf(HasSubstr("interrupted"), HasSubstr("out"), Not(HasSubstr("nothing"))));
  const std::size_t done = json("out/points.json").size();
  EXPECT_GE(done, 1u);
  EXPECT_LT(done, 12u);
  for (const std::string& name : folder.names("out")) EXPECT_THAT(name, Not(HasSubstr("tmp")));
  const Outcome outcome = sweep();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(count_of(outcome.err, ": kept"), done);
}

TEST_F(CliSweep, NamesWhatCouldNotBeMeasuredAndMeasuresTheRest) {
  folder.write("sweep.json", R"({"networks": ["nets/one.safetensors"],
    "config": {"rules": [{"match": "*weight", "codec": "uniform"}]}, "grid": {"target.bytes": [10, 2500]}})");
  const Outcome outcome = sweep();
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("1 of 2 points could not be measured"), HasSubstr("cannot be met")));
  EXPECT_EQ(json("out/weft.json")["one"].size(), 1u);
}

TEST_F(CliSweep, RefusesWhatItShouldNotTouch) {
  folder.write("out/precious", "mine");
  Outcome outcome = sweep();
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("no points.json"));
  EXPECT_THAT(folder.names("out"), ElementsAre("precious"));
  std::filesystem::remove(folder / "out" / "precious");
  folder.write("out/points.json", "{\"half");
  outcome = sweep();
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("points.json: not the points of a sweep"));
  EXPECT_EQ(folder.read("out/points.json"), "{\"half");
  EXPECT_EQ(run_weft({"sweep", "sweep.json"}, folder.path()).exit_code, 2);
  EXPECT_EQ(sweep({"--reference", "none.json"}).exit_code, 2);
  folder.write("sweep.json", R"({"networks": ["nets/*.safetensors"], "settings": {"x": {"rules.0.codek": 1}}})");
  outcome = sweep();
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("/settings/x"));
}

TEST_F(CliSweep, TheExamplesOfTheRepositoryRun) {
  if (kSanitized) GTEST_SKIP() << "minutes under a sanitizer, for what the other tests show it";
  const std::filesystem::path sweeps = testing::source_folder() / "configs" / "sweeps";
  for (const auto& entry : std::filesystem::directory_iterator(sweeps)) {
    const Outcome outcome =
        run_weft({"sweep", entry.path().string(), "-o", "example-" + entry.path().stem().string()}, folder.path());
    EXPECT_EQ(outcome.exit_code, 0) << entry.path() << outcome.err;
  }
}

}  // namespace
}  // namespace weft::testing
