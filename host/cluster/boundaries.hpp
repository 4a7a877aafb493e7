// Which values are cheapest to keep at which centroid.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weft::cluster {

struct Boundaries {
  std::vector<std::uint32_t> clusters;  // those that some number would choose, ascending
  std::vector<double> thresholds;       // clusters[j] keeps numbers up to thresholds[j]; the last one has none
};

// Squared distance plus lambda x bits decides; `bits` may be empty. `centroids` ascend; of equal ones the cheaper stays.
[[nodiscard]] Boundaries boundaries_of(std::span<const double> centroids, std::span<const double> bits, double lambda);

// The same as thresholds for core::search_index: floats up to the i-th go to centroid i or a lower one. There is at least one.
struct SearchThresholds {
  std::vector<float> upper;
  int log2;  // of a search's steps
};
[[nodiscard]] constexpr int search_steps(std::size_t centroids) noexcept {
  return static_cast<int>(std::bit_width(centroids - 1));
}
[[nodiscard]] SearchThresholds search_thresholds(std::span<const double> centroids, std::span<const double> bits,
                                                 double lambda);

}  // namespace weft::cluster
