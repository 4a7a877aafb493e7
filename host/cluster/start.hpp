// Where iterations begin.
#pragma once

#include <cstdint>
#include <vector>

#include "cluster/sorted_values.hpp"

namespace weft::cluster {

// Centroids of the best partition into at most k clusters whose boundaries lie between cells of neighbouring values; with
// at most a few thousand distinct values every one is a cell, and this is the optimum. Ascending; one is 0 if pinned.
[[nodiscard]] std::vector<double> optimal_start(const SortedValues& values, std::uint32_t k, bool pin_zero);

// Centroids on a grid of this step through zero, one per cell that holds a value (and zero if pinned); none when there are
// more than k.
[[nodiscard]] std::vector<double> grid_start(const SortedValues& values, std::uint32_t k, bool pin_zero, double step);

}  // namespace weft::cluster
