// The best split of a line of weighted points into k intervals, by sum of squares: dynamic programming.
//
// * A price on every interval turns "exactly k" into a free number of intervals that falls as the price rises. The squared
//   error of intervals has the quadrangle inequality, so one price costs O(m log m) for m points whatever k is.
// * With a pinned zero one of the intervals is measured against zero instead of its mean; it may be empty.
//
// Sources: Aggarwal, Schieber and Tokuyama, "Finding a minimum-weight k-link path in graphs with the concave Monge
// property" (1994), also for making exactly k links of two paths; Galil and Park, "Dynamic programming with convexity,
// concavity and sparsity" (1992).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::cluster {

// Points in ascending order; weights are positive.
struct Points {
  std::vector<double> positions, weights;
};

struct Partition {
  std::vector<std::uint32_t> edges;  // interval j: points edges[j] to edges[j + 1]; from 0 to the number of points
  std::ptrdiff_t pinned = -1;        // the interval that is measured against zero
};

// At most `intervals` (at least 1) of them, as many as there are points for.
[[nodiscard]] Partition optimal_partition(const Points& points, std::uint32_t intervals, bool pin_zero);

}  // namespace weft::cluster
