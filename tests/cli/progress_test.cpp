#include "cli/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/utf8.hpp"

namespace weft::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const ProgressMeter::Time kStart{};

Progress at(std::uint64_t done, std::string name = "layer.0.weight") { return {done, 4'000'000'000, std::move(name)}; }

TEST(CliProgress, SpeaksOncePerInterval) {
  ProgressMeter meter(kStart, seconds(10));
  EXPECT_FALSE(meter.update(at(1), kStart + seconds(9)));
  EXPECT_TRUE(meter.update(at(2), kStart + seconds(10)));
  EXPECT_FALSE(meter.update(at(3), kStart + seconds(19)));
  EXPECT_TRUE(meter.update(at(4), kStart + seconds(20)));
}

TEST(CliProgress, PlainLineHasSizesSpeedTimeLeftAndTensor) {
  ProgressMeter meter(kStart, seconds(10));
  ASSERT_TRUE(meter.update(at(1'000'000'000), kStart + seconds(10)));
  EXPECT_EQ(meter.plain_line(at(1'000'000'000)), "25 % (1.00 GB of 4.00 GB), 0.10 GB/s, 30 s left, layer.0.weight");
}

TEST(CliProgress, BarFitsAnyTerminal) {
  ProgressMeter meter(kStart, milliseconds(100));
  ASSERT_TRUE(meter.update(at(1'000'000'000), kStart + seconds(2)));
  const Progress progress = at(2'000'000'000, std::string(300, 'x') + "\033[2J\u00e9");
  for (std::size_t columns = 1; columns < 200; columns++) {
    const std::string line = meter.bar_line(progress, columns);
    EXPECT_LE(text::columns(line), columns);
    EXPECT_THAT(line, Not(HasSubstr("\033")));
  }
  EXPECT_THAT(meter.bar_line(progress, 120),
              AllOf(StartsWith("[##########..........]  50 %  2.00 GB of 4.00 GB  0.50 GB/s  4 s left  xxx")));
}

TEST(CliProgress, NothingToDoIsDone) {
  ProgressMeter meter(kStart, milliseconds(100));
  const Progress nothing{0, 0, ""};
  ASSERT_TRUE(meter.update(nothing, kStart + seconds(1)));
  EXPECT_THAT(meter.plain_line(nothing), StartsWith("100 % (0 B of 0 B)"));
}

TEST(CliProgress, OnlyWhatIsFinishedIsAHundredPercent) {
  const ProgressMeter meter(kStart, milliseconds(100));
  EXPECT_THAT(meter.plain_line(at(3'999'999'999)), StartsWith("99 %"));
  EXPECT_THAT(meter.plain_line(at(4'000'000'000)), StartsWith("100 %"));
}

}  // namespace
}  // namespace weft::cli
