// Whatever ends a run leaves the old output or the new one, never a mixture.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "cli/program.hpp"
#include "cli/sample.hpp"
#include "support/temp_folder.hpp"

namespace weft::testing {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Waits until the run has its temporary file, besides the `files` that were there before.
void wait_for_work(const Program& program, const TempFolder& folder, std::size_t files) {
  while (!program.has_ended() && folder.names().size() <= files) std::this_thread::sleep_for(microseconds(500));
}

// Sends the signal in the middle of a run. On a busy machine a run may end before this test gets to it: then a longer one is
// tried, on what `prepare(rows)` makes.
template <class Prepare>
Outcome interrupt(const std::vector<std::string>& command, const TempFolder& folder, int signal, Prepare prepare) {
  for (std::uint64_t rows = 300'000;; rows *= 3) {
    prepare(rows);
    Program program(command, folder.path());
    wait_for_work(program, folder, 1);
    program.send(signal);
    Outcome outcome = program.wait();
    if (outcome.exit_code != 0 || rows > 5'000'000) return outcome;
  }
}

TEST(CliInterruption, SignalsEndARunCleanly) {
  const TempFolder folder;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const Outcome outcome = interrupt({"compress", "big.safetensors", "-T", "1"}, folder, signal, [&](auto rows) {
      std::filesystem::remove(folder / "big.weft");
      folder.write("big.safetensors", sample_network(rows));
    });
    EXPECT_EQ(outcome.exit_code, 128 + signal) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("interrupted")) << signal;
    EXPECT_THAT(folder.names(), ElementsAre("big.safetensors")) << signal;
  }
}

TEST(CliInterruption, DecompressionEndsCleanlyToo) {
  const TempFolder folder;
  const Outcome outcome = interrupt({"decompress", "big.weft", "-T", "1"}, folder, SIGINT, [&](auto rows) {
    folder.write("big.safetensors", sample_network(rows));
    ASSERT_EQ(run_weft({"compress", "big.safetensors", "-q", "-f", "--no-verify"}, folder.path()).exit_code, 0);
    std::filesystem::remove(folder / "big.safetensors");
  });
  EXPECT_EQ(outcome.exit_code, 128 + SIGINT) << outcome.err;
  EXPECT_THAT(folder.names(), ElementsAre("big.weft"));
}

TEST(CliInterruption, KillAtAnyMomentLeavesTheOldFileOrTheNewOne) {
  const TempFolder folder;
  folder.write("m.safetensors", sample_network(60'000));
  const std::vector<std::string> command{"compress", "m.safetensors", "-f", "-q", "-o", "m.weft"};
  const auto begin = steady_clock::now();
  ASSERT_EQ(run_weft(command, folder.path()).exit_code, 0);
  const auto whole = duration_cast<microseconds>(steady_clock::now() - begin).count();
  const std::string fresh = folder.read("m.weft"), old = "the old archive";

  std::mt19937 random(9);
  int killed = 0;
  for (int round = 0; round < 30; round++) {
    folder.write("m.weft", old);
    Program program(command, folder.path());
    std::this_thread::sleep_for(microseconds(static_cast<long>(random() % static_cast<unsigned long>(whole + 2000))));
    program.send(SIGKILL);
    const Outcome outcome = program.wait();
    killed += outcome.exit_code == -SIGKILL ? 1 : 0;
    const std::string found = folder.read("m.weft");
    EXPECT_TRUE(found == fresh || (found == old && outcome.exit_code != 0)) << "round " << round;
  }
  // What they have left goes with the next run.
  ASSERT_EQ(run_weft(command, folder.path()).exit_code, 0);
  EXPECT_THAT(folder.names(), ElementsAre("m.safetensors", "m.weft"));
  EXPECT_GE(killed, 5) << "the runs end before they are killed: the test tests nothing";
}

}  // namespace
}  // namespace weft::testing
