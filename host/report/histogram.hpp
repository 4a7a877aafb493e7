// How a tensor's weights are distributed, for people: bars in a terminal or as SVG, with a codebook's entries marked below.
//
// * Zeros are counted apart: a pruned tensor's would leave nothing else to see.
// * The values are walked twice, for their range and for the bars, so nothing of their number is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace weft::report {

// Hands all values to the function, in runs.
using ValueWalk = std::function<void(const std::function<void(std::span<const double>)>&)>;

struct Histogram {
  double low = 0, high = 0;           // of the finite values and the marks
  std::vector<std::uint64_t> counts;  // values that are not zero, in equal parts of the range
  std::uint64_t values = 0, zeros = 0, not_finite = 0;
  std::vector<double> marks;  // entries of a codebook
};

[[nodiscard]] Histogram make_histogram(const ValueWalk& walk, std::size_t bars, std::vector<double> marks);

// The bar that a value within the range belongs to.
[[nodiscard]] std::size_t bar_of(const Histogram& histogram, double value);

[[nodiscard]] std::string histogram_text(const Histogram& histogram, const std::string& title);
[[nodiscard]] std::string histogram_svg(const Histogram& histogram, const std::string& title);

}  // namespace weft::report
