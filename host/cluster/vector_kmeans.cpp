#include "cluster/vector_kmeans.hpp"

#include <algorithm>
#include <cmath>

#include "cluster/exact_log2.hpp"
#include "cluster/vector_distances.hpp"
#include "cluster/vector_scale.hpp"
#include "cluster/vector_seeds.hpp"

namespace weft::cluster {
namespace {

__extension__ using Int128 = __int128;

constexpr double kSmallestGain =
    2e-4;                            // an iteration that lowers the cost by less than this part of it is the last one
constexpr double kMostLambda = 1e9;  // far beyond what leaves one cluster
constexpr double kValueUnits = 0x1p40, kWeightUnits = 0x1p30;  // of scaled values, and of weights from 0 to 1

class Lloyd {
 public:
  Lloyd(std::span<const float> values, std::span<const float> weights, const VectorOptions& options)
      : options_(options), d_(options.dimension), scale_(values), scaled_(values.begin(), values.end()) {
    scale_.apply(scaled_);
    vectors_ = {scaled_, d_};
    float largest = 0;
    for (const float weight : weights) largest = std::max(largest, weight);
    if (largest > 0)
      for (const float weight : weights) weights_.push_back(weight / largest);
    weight_unit_ = largest > 0 ? static_cast<double>(largest) : 1;
    price_ = options.lambda > 0 ? std::min(options.lambda, kMostLambda) * variance() : 0;
  }

  VectorClusters run() {
    VectorDraws draws(vectors_, weights_);
    entries_ = draw_seeds(vectors_, std::min<std::size_t>(options_.clusters, vectors_.size()), scale_, options_.threads,
                          draws);
    if (price_ > 0) bits_.assign(entries_.size() / d_, 0);
    assign();
    VectorClusters clusters;
    for (clusters.iterations = 1; clusters.iterations < options_.max_iterations; clusters.iterations++) {
      const double before = cost_;
      const bool first_lengths = price_ > 0 && clusters.iterations == 1;
      const bool moved = update(draws);
      assign();
      if (before - cost_ <= kSmallestGain * before && !first_lengths && !moved) break;
    }
    finish(clusters);
    return clusters;
  }

 private:
  // Of all values, without weights.
  [[nodiscard]] double variance() const {
    Int128 sum = 0;
    double squares = 0;
    for (const float value : scaled_) {
      sum += std::llrint(static_cast<double>(value) * kValueUnits);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    const auto n = static_cast<double>(scaled_.size());
    const double mean = static_cast<double>(sum) / kValueUnits / n;
    return std::max(0.0, squares / n - mean * mean);
  }

  [[nodiscard]] double weight(std::size_t i) const { return weights_.empty() ? 1 : static_cast<double>(weights_[i]); }

  void assign() {
    // The price is in scaled squares already.
    std::vector<float> biases = scale_.biases(entries_, static_cast<int>(d_), {}, 0);
    for (std::size_t j = 0; j < bits_.size(); j++)
      biases[j] = static_cast<float>(static_cast<double>(biases[j]) + price_ * static_cast<double>(bits_[j]) / 2);
    find_nearest(vectors_, entries_, biases, options_.threads, nearest_);
    sizes_.assign(entries_.size() / d_, 0);
    inertia_ = 0;
    double bits = 0, all_weights = 0;
    for (std::size_t i = 0; i < vectors_.size(); i++) {
      sizes_[nearest_.entries[i]]++;
      inertia_ += weight(i) * static_cast<double>(nearest_.distances[i]);
      all_weights += weight(i);
      if (!bits_.empty()) bits += static_cast<double>(bits_[nearest_.entries[i]]);
    }
    cost_ = inertia_ + price_ * bits * all_weights / static_cast<double>(vectors_.size());
  }

  // Entries to the means of their vectors, code lengths to the sizes. Returns whether clusters vanished or began anew.
  bool update(VectorDraws& draws) {
    const std::size_t count = sizes_.size();
    std::vector<Int128> moments(count * d_);
    std::vector<std::uint64_t> weights(count);
    for (std::size_t i = 0; i < vectors_.size(); i++) {
      const std::size_t j = nearest_.entries[i];
      const auto w = weights_.empty() ? 1 : std::llrint(weight(i) * kWeightUnits);
      weights[j] += static_cast<std::uint64_t>(w);
      for (std::size_t k = 0; k < d_; k++)
        moments[j * d_ + k] += Int128{std::llrint(static_cast<double>(vectors_.values[i * d_ + k]) * kValueUnits)} * w;
    }
    std::vector<float> entries;
    bits_.clear();
    for (std::size_t j = 0; j < count; j++) {
      if (sizes_[j] == 0) continue;
      for (std::size_t k = 0; k < d_; k++)
        entries.push_back(weights[j] == 0 ? entries_[j * d_ + k]
                                          : static_cast<float>(static_cast<double>(moments[j * d_ + k]) /
                                                               static_cast<double>(weights[j]) / kValueUnits));
      if (price_ > 0) bits_.push_back(length_of(sizes_[j]));
    }
    const std::size_t kept = entries.size() / d_, gone = count - kept;
    if (gone > 0 && price_ == 0) draws.draw(nearest_.distances, gone, entries);
    entries_ = std::move(entries);
    return gone > 0;
  }

  [[nodiscard]] float length_of(std::uint64_t size) const {
    return static_cast<float>(
        log2_exactly_rounded_steps(static_cast<double>(vectors_.size()) / static_cast<double>(size)));
  }

  void finish(VectorClusters& clusters) const {
    std::vector<std::uint32_t> order;
    for (std::uint32_t j = 0; j < sizes_.size(); j++)
      if (sizes_[j] > 0) order.push_back(j);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return sizes_[a] > sizes_[b]; });
    const float factor = static_cast<float>(scale_.factor());
    for (const std::uint32_t j : order) {
      for (std::size_t k = 0; k < d_; k++) clusters.entries.push_back(entries_[j * d_ + k] / factor + 0.0f);
      clusters.sizes.push_back(sizes_[j]);
      if (price_ > 0) clusters.bits.push_back(length_of(sizes_[j]));
    }
    const double square = scale_.factor() * scale_.factor();
    clusters.inertia = inertia_ * weight_unit_ / square;
    clusters.lambda = price_ / square;
    clusters.dead = options_.clusters - static_cast<std::uint32_t>(order.size());
  }

  const VectorOptions& options_;
  std::size_t d_;
  VectorScale scale_;
  std::vector<float> scaled_, weights_;  // weights from 0 to 1, or none
  Vectors vectors_;
  double weight_unit_ = 1, price_ = 0, inertia_ = 0, cost_ = 0;
  std::vector<float> entries_, bits_;  // bits only with a price
  std::vector<std::uint64_t> sizes_;
  Nearest nearest_;
};

}  // namespace

VectorClusters cluster_vectors(std::span<const float> values, std::span<const float> weights,
                               const VectorOptions& options) {
  VectorClusters clusters;
  clusters.dead = options.clusters;
  if (values.size() < options.dimension) return clusters;
  return Lloyd(values, weights, options).run();
}

}  // namespace weft::cluster
