#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.hpp"
#include "support/temp_folder.hpp"
#include "sweep/curves.hpp"

namespace weft::sweep {
namespace {

using weft::testing::expect_error;
using weft::testing::TempFolder;

// Two curves of a real network, rounded.
const Curve kReference{{3.66, 22.59}, {3.11, 19.13}, {2.73, 16.72}, {2.32, 14.26}, {1.90, 11.54}, {1.47, 8.78}};
const Curve kTest{{3.81, 21.41}, {3.22, 17.85}, {2.80, 15.33}, {2.37, 12.78}, {1.91, 9.97}, {1.45, 7.27}};

TEST(BdRate, OfACurveThatNeedsAFixedShareMoreIsThatShare) {
  Curve more = kReference;
  for (RatePoint& point : more) point.bits_per_weight *= 1.25;
  EXPECT_NEAR(bd_rate(kReference, more).value(), 25, 1e-9);
  EXPECT_NEAR(bd_rate(more, kReference).value(), -20, 1e-9);
  EXPECT_NEAR(bd_rate(kReference, kReference).value(), 0, 1e-12);
}

TEST(BdRate, AgreesWithTheReferenceTool) {
  // What the bd_rate.py of the evaluation tools says of these curves.
  EXPECT_NEAR(bd_rate(kReference, kTest).value(), 12.409892374149688, 1e-9);
  EXPECT_NEAR(bd_rate(kTest, kReference).value(), -11.039857891549342, 1e-9);
  // Flat stretches and turns, where slopes are zero.
  const Curve turning{{1, 1}, {2, 2}, {2, 3}, {1.5, 4}, {4, 5}};
  EXPECT_NEAR(bd_rate({{1, 0}, {2, 2}, {3, 6}}, turning).value(), -16.44694880377042, 1e-9);
}

TEST(BdRate, IsNothingWhereThereIsNothingToCompare) {
  EXPECT_FALSE(bd_rate({}, kTest));
  EXPECT_FALSE(bd_rate(kTest, {{1, 2}, {2, 3}}));
  EXPECT_FALSE(bd_rate(kTest, {{1, 50}, {2, 60}, {3, 70}}));
  EXPECT_FALSE(bd_rate(kTest, {{1, 10}, {2, 10}, {3, 20}}));
  EXPECT_FALSE(bd_rate(kTest, {{0, 10}, {2, 11}, {3, 20}}));
}

TEST(ReadCurves, TakesWhatSweepsWriteAndMore) {
  const TempFolder folder;
  folder.write("r.json", R"({"net": [{"alpha": 0.3, "bits_per_weight": 3, "sqnr_db": 20, "more": "x"},
                                     {"bits_per_weight": 0, "sqnr_db": null}], "empty": []})");
  const Curves curves = read_curves(folder / "r.json");
  ASSERT_EQ(curves.size(), 2u);
  ASSERT_EQ(curves.at("net").size(), 1u);
  EXPECT_EQ(curves.at("net")[0].bits_per_weight, 3);
  EXPECT_EQ(curves.at("net")[0].sqnr_db, 20);
}

TEST(ReadCurves, SaysWhatIsWrong) {
  const TempFolder folder;
  const auto refuse = [&](const std::string& text, const std::vector<std::string>& words) {
    folder.write("r.json", text);
    expect_error(ErrorKind::kConfig, words, [&] { (void)read_curves(folder / "r.json"); });
  };
  refuse("{", {"r.json", "line 1"});
  refuse("[]", {"expected an object"});
  refuse(R"({"net": {}})", {"net: expected a list"});
  refuse(R"({"net": [{"bits_per_weight": 3, "sqnr_db": 1}, {"bits_per_weight": 3}]})",
         {"net, point 1: it has no \"sqnr_db\""});
  refuse(R"({"net": [{"bits_per_weight": "3", "sqnr_db": 1}]})", {"\"bits_per_weight\" is not a number"});
  refuse(R"({"net": [7]})", {"net, point 0"});
  expect_error(ErrorKind::kConfig, {"cannot use the reference"}, [&] { (void)read_curves(folder / "none.json"); });
}

}  // namespace
}  // namespace weft::sweep
