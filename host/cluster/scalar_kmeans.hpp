// Clustering of scalars: k-means in one dimension at the cost of a sort.
//
// * Values are sorted once; prefix sums of weight and weight x value then price any cluster in constant time, so an
//   iteration moves k - 1 boundaries by binary search: O(k log n), not O(n k).
// * The start is the exact optimum over a few thousand cells of neighbouring values, so there are no restarts and few
//   iterations; with fewer distinct values than cells it is the optimum itself.
// * Sums are taken over fixed-point integers, so the result does not depend on the number of threads or the machine, nor on
//   whether a CPU or a GPU sorted the values.
// * With lambda > 0 a boundary trades squared error against code length: rare clusters shrink and may vanish. Weights then
//   move centroids but not boundaries, which see the squared error alone: what assign_scalars does for one value.
//
// Sources: Lloyd, "Least squares quantization in PCM" (1982); Chou, Lookabaugh and Gray, "Entropy-constrained vector
// quantization" (1989); Wu, "Optimal quantization by matrix searching" (1991) for the exact solution that tests compare with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cluster/sorted_values.hpp"

namespace weft::cluster {

struct ScalarOptions {
  std::uint32_t clusters = 16;  // 2 to 4096 wanted; fewer come back when there are fewer distinct values or lambda asks
  std::uint32_t max_iterations = 64;
  double lambda = 0;          // squared error that one bit of code length is worth, in units of the values' variance
  bool pin_zero = false;      // one centroid is exactly zero and stays there
  std::uint32_t threads = 1;  // of the sort
};

struct ScalarClusters {
  std::vector<float> centroids;      // ascending
  std::vector<std::uint64_t> sizes;  // values in each
  double inertia = 0;                // weighted sum of squared distances to the centroids
  std::uint32_t iterations = 0;
  std::uint32_t dead = 0;    // clusters wanted that came to nothing
  std::vector<double> bits;  // with lambda: the code lengths that decided; empty without
  double lambda = 0;         // with lambda: in squared units of the values, as assign_scalars takes it
};

// Clusters finite values (the caller leaves out NaN and infinities). `weights` is empty (all 1) or has one non-negative
// finite weight per value. Equal values always share a cluster. No values: no centroids. Never throws for data.
[[nodiscard]] ScalarClusters cluster_scalars(std::span<const float> values, std::span<const float> weights,
                                             const ScalarOptions& options);
// The same of values that have been sorted, of which there is at least one.
[[nodiscard]] ScalarClusters cluster_scalars(const SortedValues& sorted, const ScalarOptions& options);

// The index of the centroid for each value: the nearest one, ties to the lower; with `bits` (code length per centroid, in
// bits) and lambda in squared units of the values, the cheapest one.
void assign_scalars(std::span<const float> values, std::span<const float> centroids, std::span<const double> bits,
                    double lambda, std::span<std::uint16_t> indices);

}  // namespace weft::cluster
