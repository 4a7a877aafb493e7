#include "backends/clusterer.hpp"

namespace weft {
namespace {

class CpuClusterer final : public Clusterer {
 public:
  [[nodiscard]] cluster::ScalarClusters scalars(std::span<const float> values, std::span<const float> weights,
                                                const cluster::ScalarOptions& options) override {
    return cluster::cluster_scalars(values, weights, options);
  }
  [[nodiscard]] cluster::VectorClusters vectors(std::span<const float> values, std::span<const float> weights,
                                                const cluster::VectorOptions& options) override {
    return cluster::cluster_vectors(values, weights, options);
  }
};

}  // namespace

std::unique_ptr<Clusterer> make_cpu_clusterer() { return std::make_unique<CpuClusterer>(); }

}  // namespace weft
