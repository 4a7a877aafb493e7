#include "cluster/boundaries.hpp"

#include "weft/core/index_choice.hpp"

namespace weft::cluster {

Boundaries boundaries_of(std::span<const double> centroids, std::span<const double> bits, double lambda) {
  Boundaries chain{std::vector<std::uint32_t>(centroids.size()), std::vector<double>(centroids.size())};
  const std::uint32_t length = core::cheapest_chain(
      centroids.data(), static_cast<std::uint32_t>(centroids.size()), !bits.empty(),
      [&](std::uint32_t j) { return bits.empty() ? 0 : lambda * bits[j]; }, chain.clusters.data(),
      chain.thresholds.data());
  chain.clusters.resize(length);
  chain.thresholds.resize(length > 0 ? length - 1 : 0);
  return chain;
}

}  // namespace weft::cluster
