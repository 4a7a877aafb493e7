#include "sweep/plot.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>

namespace weft::sweep {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Curve kCurve{{1.4, 7.2}, {2.3, 12.8}, {3.8, 21.4}};

TEST(Plot, StaysInsideItsFrameAndRisesWithTheRate) {
  const std::string svg = plot_svg("net", {{"a", kCurve}, {"b", {{2, 15}, {1.2, 3}}}});
  const std::regex circle(R"re(<circle cx="([0-9.]+)" cy="([0-9.]+)")re");
  std::vector<std::pair<double, double>> places;
  for (std::sregex_iterator i(svg.begin(), svg.end(), circle); i != std::sregex_iterator(); ++i)
    places.emplace_back(std::stod((*i)[1]), std::stod((*i)[2]));
  ASSERT_EQ(places.size(), 5u);
  for (const auto& [x, y] : places) {
    EXPECT_GE(x, 64);
    EXPECT_LE(x, 736);
    EXPECT_GE(y, 48);
    EXPECT_LE(y, 448);
  }
  for (const std::size_t i : {1, 2, 4}) {  // each curve from left to right, and SVG counts from the top
    EXPECT_GT(places[i].first, places[i - 1].first);
    EXPECT_LT(places[i].second, places[i - 1].second);
  }
  EXPECT_THAT(svg, HasSubstr(">bits per weight"));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
}

TEST(Plot, EscapesNames) {
  const std::string svg = plot_svg("<&\x01>", {{"a<b", kCurve}});
  EXPECT_THAT(svg, HasSubstr("&lt;&amp;&gt;"));
  EXPECT_THAT(svg, HasSubstr("a&lt;b"));
  EXPECT_THAT(svg, Not(HasSubstr("a<b")));
}

TEST(Plot, OfFewPointsOrNone) {
  for (const Curve& curve : {Curve{}, Curve{{2, 10}}, Curve{{2, 10}, {2, 10}}, Curve{{1e-3, -5}, {30, 200}}}) {
    const std::string svg = plot_svg("net", {{"a", curve}});
    EXPECT_TRUE(svg.ends_with("</svg>\n"));
    EXPECT_FALSE(std::regex_search(svg, std::regex("\\b(nan|inf)\\b"))) << svg;
    EXPECT_LT(svg.size(), 20'000u);
  }
}

}  // namespace
}  // namespace weft::sweep
