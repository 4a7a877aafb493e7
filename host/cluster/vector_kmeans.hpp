// Clustering of vectors: Lloyd iterations from a k-means++ start.
//
// * The assignment is a matrix product that keeps the least of each row (cpu::Kernels::nearest); everything else is
//   linear in the vectors. Sums are taken over fixed-point integers, so the result does not depend on threads or the
//   machine, nor on whether a CPU or a GPU keeps the vectors.
// * A cluster that loses its last vector starts again at a vector that is far from its entry, drawn as the seeds are.
//   With lambda > 0 it vanishes instead, and rare entries are dearer (entropy-constrained vector quantization).
// * Entries come in the order of their sizes, the largest first: the high bytes of long indices then tell most.
//
// Sources: Linde, Buzo and Gray, "An algorithm for vector quantizer design" (1980); Arthur and Vassilvitskii,
// "k-means++" (2007); Chou, Lookabaugh and Gray, "Entropy-constrained vector quantization" (1989).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cluster/vector_set.hpp"

namespace weft::cluster {

struct VectorOptions {
  std::uint32_t clusters = 256;  // wanted; fewer come back when there are fewer different vectors or lambda asks
  std::uint32_t dimension = 2;   // 2, 4 or 8
  std::uint32_t max_iterations = 100;
  double lambda = 0;  // squared error of a vector that one bit of its index is worth, in units of the values' variance
  std::uint32_t threads = 1;
};

struct VectorClusters {
  std::vector<float> entries;        // `dimension` values each
  std::vector<std::uint64_t> sizes;  // vectors of each
  std::vector<float> bits;           // with lambda: the code lengths that decided
  double inertia = 0;                // weighted sum of squared distances to the entries
  std::uint32_t iterations = 0;
  std::uint32_t dead = 0;  // clusters wanted that came to nothing
  double lambda = 0;       // in squared units of the values
};

// Clusters vectors of finite values, at most 2^22 of them. `weights` is empty (all 1) or has one non-negative finite
// weight per vector. No vectors: no entries. Never throws for data.
[[nodiscard]] VectorClusters cluster_vectors(std::span<const float> values, std::span<const float> weights,
                                             const VectorOptions& options);
// The same of vectors that are somewhere already; there is at least one, and the set is of the options' dimension.
[[nodiscard]] VectorClusters cluster_vectors(VectorSet& set, const VectorOptions& options);

}  // namespace weft::cluster
