#include "report/histogram.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace weft::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Histogram histogram_of(const std::vector<double>& values, std::size_t bars, std::vector<double> marks = {}) {
  return make_histogram([&](const auto& f) { f(std::span<const double>(values)); }, bars, std::move(marks));
}

TEST(Histogram, CountsZerosAndWhatIsNotFiniteApart) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Histogram histogram = histogram_of({-1, -1, 0, 0, -0.0, 0.6, 1, std::nan(""), -infinity}, 4);
  EXPECT_EQ(histogram.counts, (std::vector<std::uint64_t>{2, 0, 0, 2}));
  EXPECT_EQ(histogram.values, 9u);
  EXPECT_EQ(histogram.zeros, 3u);
  EXPECT_EQ(histogram.not_finite, 2u);
  EXPECT_EQ(histogram.low, -1);
  EXPECT_EQ(histogram.high, 1);
}

TEST(Histogram, OfNothingOfOneValueAndOfTheWholeRange) {
  EXPECT_EQ(histogram_of({}, 3).counts, (std::vector<std::uint64_t>{0, 0, 0}));
  EXPECT_EQ(histogram_of({0.25, 0.25}, 3).counts, (std::vector<std::uint64_t>{0, 2, 0}));
  EXPECT_EQ(histogram_of({-1.7e308, 1.7e308, 1e-320}, 2).counts, (std::vector<std::uint64_t>{1, 2}));
  for (const auto& values : {std::vector<double>{}, std::vector<double>{std::nan("")}, std::vector<double>{0}}) {
    EXPECT_THAT(histogram_text(histogram_of(values, 10), "t"), HasSubstr("weights"));
    EXPECT_THAT(histogram_svg(histogram_of(values, 10), "t"), HasSubstr("</svg>"));
  }
}

TEST(Histogram, DrawsBarsAndMarks) {
  const std::string text = histogram_text(histogram_of({-1, -1, -1, -1, 0.1, 1, 1}, 8, {-1, 0.1, 1}), "layer.weight");
  EXPECT_THAT(text, HasSubstr("layer.weight: 7 weights; codebook of 3"));
  EXPECT_THAT(text, HasSubstr("\n█   █  █\n"));
  EXPECT_THAT(text, HasSubstr("\n────────\n^   ^  ^\n-1     1\n"));
}

TEST(Histogram, MarksBeyondTheWeightsWidenTheRange) {
  const Histogram histogram = histogram_of({1, 2}, 4, {0, 4});
  EXPECT_EQ(histogram.low, 0);
  EXPECT_EQ(histogram.high, 4);
  EXPECT_EQ(histogram.counts, (std::vector<std::uint64_t>{0, 1, 1, 0}));
}

TEST(Histogram, SvgHasABarPerCountAndAMarkPerEntry) {
  const std::string svg = histogram_svg(histogram_of({-1, -1, 1}, 4, {-1, 1}), "<evil>\033");
  EXPECT_THAT(svg, HasSubstr("&lt;evil&gt;"));
  EXPECT_THAT(svg, Not(HasSubstr("\033")));
  const auto count = [&](const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = svg.find(part); at != std::string::npos; at = svg.find(part, at + 1)) found++;
    return found;
  };
  EXPECT_EQ(count("<rect class=\"b\""), 2u);
  EXPECT_EQ(count("<path class=\"m\""), 2u);
}

}  // namespace
}  // namespace weft::report
