#include <limits>

#include "cluster/boundaries.hpp"
#include "cluster/scalar_kmeans.hpp"
#include "weft/core/index_choice.hpp"

namespace weft::cluster {

void assign_scalars(std::span<const float> values, std::span<const float> centroids, std::span<const double> bits,
                    double lambda, std::span<std::uint16_t> indices) {
  const std::vector<double> exact(centroids.begin(), centroids.end());
  const Boundaries boundaries = boundaries_of(exact, bits, lambda);
  if (boundaries.clusters.empty()) return;
  // Comparing floats with a threshold that is rounded down to a float decides as the exact one would.
  std::size_t steps = 1;
  while (steps < boundaries.clusters.size()) steps *= 2;
  std::vector<float> thresholds(steps, std::numeric_limits<float>::infinity());
  for (std::size_t j = 0; j < boundaries.thresholds.size(); j++)
    thresholds[j] = core::largest_float_up_to(boundaries.thresholds[j]);
  for (std::size_t i = 0; i < values.size(); i++) {
    const float value = values[i];
    std::size_t at = 0;
    for (std::size_t step = steps / 2; step > 0; step /= 2) at += value > thresholds[at + step - 1] ? step : 0;
    indices[i] = static_cast<std::uint16_t>(boundaries.clusters[at]);
  }
}

}  // namespace weft::cluster
