#include "cluster/boundaries.hpp"
#include "cluster/scalar_kmeans.hpp"
#include "weft/core/index_choice.hpp"

namespace weft::cluster {

void assign_scalars(std::span<const float> values, std::span<const float> centroids, std::span<const double> bits,
                    double lambda, std::span<std::uint16_t> indices) {
  if (centroids.empty()) return;
  const std::vector<double> exact(centroids.begin(), centroids.end());
  const SearchThresholds thresholds = search_thresholds(exact, bits, lambda);
  for (std::size_t i = 0; i < values.size(); i++)
    indices[i] = static_cast<std::uint16_t>(core::search_index(values[i], thresholds.upper.data(), thresholds.log2));
}

}  // namespace weft::cluster
