#include "cluster/vector_kmeans.hpp"

#include <algorithm>
#include <cmath>

#include "cluster/exact_log2.hpp"
#include "cluster/host_vector_set.hpp"
#include "cluster/vector_seeds.hpp"

namespace weft::cluster {
namespace {

using core::Int128;

constexpr double kSmallestGain =
    2e-4;                            // an iteration that lowers the cost by less than this part of it is the last one
constexpr double kMostLambda = 1e9;  // far beyond what leaves one cluster

class Lloyd {
 public:
  Lloyd(VectorSet& set, const VectorOptions& options)
      : set_(set), options_(options), d_(options.dimension), n_(set.vectors().size()) {
    price_ = options.lambda > 0 ? std::min(options.lambda, kMostLambda) * variance() : 0;
    all_weights_ = static_cast<double>(n_);
    if (!set.weights().empty()) all_weights_ = 0;
    for (const float weight : set.weights()) all_weights_ += static_cast<double>(weight);
  }

  VectorClusters run() {
    VectorDraws draws(set_);
    entries_ = draw_seeds(set_, std::min<std::size_t>(options_.clusters, n_), draws);
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
    for (const float value : set_.vectors().values) {
      sum += std::llrint(static_cast<double>(value) * core::kVectorUnits);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    const auto n = static_cast<double>(set_.vectors().values.size());
    const double mean = static_cast<double>(sum) / core::kVectorUnits / n;
    return std::max(0.0, squares / n - mean * mean);
  }

  void assign() {
    // The price is in scaled squares already.
    std::vector<float> biases = set_.scale().biases(entries_, static_cast<int>(d_), {}, 0);
    for (std::size_t j = 0; j < bits_.size(); j++)
      biases[j] = static_cast<float>(static_cast<double>(biases[j]) + price_ * static_cast<double>(bits_[j]) / 2);
    set_.assign(entries_, biases);
    totals_ = set_.totals(entries_.size() / d_);
    double bits = 0;
    for (std::size_t j = 0; j < bits_.size(); j++)
      bits += static_cast<double>(totals_.sizes[j]) * static_cast<double>(bits_[j]);
    cost_ = totals_.error + price_ * bits * all_weights_ / static_cast<double>(n_);
  }

  // Entries to the means of their vectors, code lengths to the sizes. Returns whether clusters vanished or began anew.
  bool update(VectorDraws& draws) {
    const std::size_t count = totals_.sizes.size();
    std::vector<float> entries;
    bits_.clear();
    for (std::size_t j = 0; j < count; j++) {
      if (totals_.sizes[j] == 0) continue;
      for (std::size_t k = 0; k < d_; k++)
        entries.push_back(totals_.weights[j] == 0
                              ? entries_[j * d_ + k]
                              : static_cast<float>(static_cast<double>(totals_.moments[j * d_ + k]) /
                                                   static_cast<double>(totals_.weights[j]) / core::kVectorUnits));
      if (price_ > 0) bits_.push_back(length_of(totals_.sizes[j]));
    }
    const std::size_t kept = entries.size() / d_, gone = count - kept;
    if (gone > 0 && price_ == 0) draws.draw(gone, entries);
    entries_ = std::move(entries);
    return gone > 0;
  }

  [[nodiscard]] float length_of(std::uint64_t size) const {
    return static_cast<float>(log2_exactly_rounded_steps(static_cast<double>(n_) / static_cast<double>(size)));
  }

  void finish(VectorClusters& clusters) const {
    std::vector<std::uint32_t> order;
    for (std::uint32_t j = 0; j < totals_.sizes.size(); j++)
      if (totals_.sizes[j] > 0) order.push_back(j);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return totals_.sizes[a] > totals_.sizes[b]; });
    const float factor = static_cast<float>(set_.scale().factor());
    for (const std::uint32_t j : order) {
      for (std::size_t k = 0; k < d_; k++) clusters.entries.push_back(entries_[j * d_ + k] / factor + 0.0f);
      clusters.sizes.push_back(totals_.sizes[j]);
      if (price_ > 0) clusters.bits.push_back(length_of(totals_.sizes[j]));
    }
    const double square = set_.scale().factor() * set_.scale().factor();
    clusters.inertia = totals_.error * set_.weight_unit() / square;
    clusters.lambda = price_ / square;
    clusters.dead = options_.clusters - static_cast<std::uint32_t>(order.size());
  }

  VectorSet& set_;
  const VectorOptions& options_;
  std::size_t d_, n_;
  double all_weights_ = 0, price_ = 0, cost_ = 0;
  std::vector<float> entries_, bits_;  // bits only with a price
  EntryTotals totals_;
};

}  // namespace

VectorClusters cluster_vectors(VectorSet& set, const VectorOptions& options) { return Lloyd(set, options).run(); }

VectorClusters cluster_vectors(std::span<const float> values, std::span<const float> weights,
                               const VectorOptions& options) {
  if (values.size() >= options.dimension) {
    HostVectorSet set(values, weights, options.dimension, options.threads);
    return cluster_vectors(set, options);
  }
  VectorClusters clusters;
  clusters.dead = options.clusters;
  return clusters;
}

}  // namespace weft::cluster
