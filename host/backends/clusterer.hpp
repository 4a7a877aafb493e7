// Whoever clusters weights: the CPU or a device, with the same result to the bit.
//
// A clusterer owns its memory and is used by one thread at a time; a device's falls back to the CPU when memory is
// short.
#pragma once

#include <memory>
#include <span>

#include "backends/backend.hpp"
#include "cluster/scalar_kmeans.hpp"
#include "cluster/vector_kmeans.hpp"

namespace weft {

class Clusterer {
 public:
  virtual ~Clusterer() = default;
  // cluster::cluster_scalars and cluster::cluster_vectors.
  [[nodiscard]] virtual cluster::ScalarClusters scalars(std::span<const float> values, std::span<const float> weights,
                                                        const cluster::ScalarOptions& options) = 0;
  [[nodiscard]] virtual cluster::VectorClusters vectors(std::span<const float> values, std::span<const float> weights,
                                                        const cluster::VectorOptions& options) = 0;
  virtual TransferTimes take_transfer_times() { return {}; }
};

[[nodiscard]] std::unique_ptr<Clusterer> make_cpu_clusterer();

}  // namespace weft
