#include "cluster/boundaries.hpp"

#include "weft/core/index_choice.hpp"

namespace weft::cluster {

Boundaries boundaries_of(std::span<const double> centroids, std::span<const double> bits, double lambda) {
  Boundaries chain{std::vector<std::uint32_t>(centroids.size()), std::vector<double>(centroids.size())};
  const std::uint32_t length =
      core::cheapest_chain([&](std::uint32_t j) { return centroids[j]; }, static_cast<std::uint32_t>(centroids.size()),
                           !bits.empty(), [&](std::uint32_t j) { return bits.empty() ? 0 : lambda * bits[j]; },
                           chain.clusters.data(), chain.thresholds.data());
  chain.clusters.resize(length);
  chain.thresholds.resize(length > 0 ? length - 1 : 0);
  return chain;
}

SearchThresholds search_thresholds(std::span<const double> centroids, std::span<const double> bits, double lambda) {
  const int log2 = search_steps(centroids.size());
  SearchThresholds thresholds{std::vector<float>((std::size_t{1} << log2) - 1), log2};
  std::vector<std::uint32_t> chain(centroids.size());
  std::vector<double> crossings(centroids.size());
  core::make_search_thresholds([&](std::uint32_t j) { return centroids[j]; },
                               static_cast<std::uint32_t>(centroids.size()), !bits.empty(),
                               [&](std::uint32_t j) { return bits.empty() ? 0 : lambda * bits[j]; }, log2, chain.data(),
                               crossings.data(), thresholds.upper.data());
  return thresholds;
}

}  // namespace weft::cluster
