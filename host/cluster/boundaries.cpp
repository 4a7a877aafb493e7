#include "cluster/boundaries.hpp"

#include <cmath>
#include <limits>

namespace weft::cluster {

Boundaries boundaries_of(std::span<const double> centroids, std::span<const double> bits, double lambda) {
  // The costs are parabolas of one shape: two of them cross once, and the cheapest ones form a chain from left to right.
  const auto price = [&](std::uint32_t j) { return bits.empty() ? 0 : lambda * bits[j]; };
  Boundaries chain;
  for (std::uint32_t j = 0; j < centroids.size(); j++) {
    double threshold = 0;
    bool keep = true;
    while (!chain.clusters.empty()) {
      const std::uint32_t left = chain.clusters.back();
      const double apart = centroids[j] - centroids[left];
      if (apart <= 0 && price(j) >= price(left)) {
        keep = false;
        break;
      }
      if (apart > 0) {
        threshold = (centroids[left] + centroids[j]) / 2;
        if (!bits.empty()) threshold += (price(j) - price(left)) / (2 * apart);
        if (chain.thresholds.empty() || threshold > chain.thresholds.back()) break;
      }
      chain.clusters.pop_back();
      if (!chain.thresholds.empty()) chain.thresholds.pop_back();
    }
    if (!keep) continue;
    if (!chain.clusters.empty()) chain.thresholds.push_back(threshold);
    chain.clusters.push_back(j);
  }
  return chain;
}

float largest_float_up_to(double x) {
  if (x >= std::numeric_limits<float>::max()) return std::numeric_limits<float>::max();
  if (x <= std::numeric_limits<float>::lowest()) return -std::numeric_limits<float>::infinity();
  const auto nearest = static_cast<float>(x);
  return static_cast<double>(nearest) <= x ? nearest : std::nextafter(nearest, -std::numeric_limits<float>::infinity());
}

}  // namespace weft::cluster
