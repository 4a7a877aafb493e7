#include "cluster/scalar_kmeans.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "cluster/boundaries.hpp"
#include "cluster/exact_log2.hpp"
#include "cluster/host_sorted_values.hpp"
#include "cluster/start.hpp"

namespace weft::cluster {
namespace {

// An iteration that lowers the cost by less than this part of it is the last one.
constexpr double kSmallestGain = 1e-6;
constexpr double kMostLambda = 1e9;  // far beyond what leaves one cluster

struct State {
  std::vector<double> centroids, bits;  // bits only with lambda
  double cost = 0;                      // weighted squared error + rate, less a constant of the values
  std::uint32_t iterations = 0;
};

class Lloyd {
 public:
  Lloyd(const SortedValues& values, const ScalarOptions& options) : values_(values), options_(options) {
    const std::uint64_t edges[] = {0, values.size()};
    end_ = values.before(edges)[1];
    mean_ = values.mean(end_.sums);
    scatter_ = values.squared_distances(edges, {&mean_, 1});
    lambda_ = options.lambda > 0
                  ? std::min(options.lambda, kMostLambda) * scatter_ / static_cast<double>(end_.sums.weight)
                  : 0;
  }

  [[nodiscard]] double lambda() const { return lambda_; }

  [[nodiscard]] State run(std::vector<double> centroids) const {
    State state;
    state.centroids = std::move(centroids);
    // A first step with equal code lengths gives the sizes to start from.
    if (lambda_ > 0) state.bits.assign(state.centroids.size(), 0);
    step(state);
    for (state.iterations = 1; state.iterations < options_.max_iterations; state.iterations++) {
      State next = state;
      step(next);
      const double gain = state.cost - next.cost, before = state.cost + scatter_;
      const bool first_lengths = lambda_ > 0 && state.iterations == 1;
      const bool fewer = next.centroids.size() < state.centroids.size();
      std::swap(state, next);
      if (gain <= kSmallestGain * before && !first_lengths && !fewer) break;
    }
    return state;
  }

  // Centroids to floats, and what that makes of the values.
  [[nodiscard]] ScalarClusters finish(const State& state) const {
    std::vector<double> centroids(state.centroids.size());
    for (std::size_t j = 0; j < centroids.size(); j++) centroids[j] = static_cast<float>(state.centroids[j]);
    const Boundaries boundaries = boundaries_of(centroids, state.bits, lambda_);
    ScalarClusters clusters;
    std::vector<double> kept;
    std::vector<std::uint64_t> edges{0};
    const std::vector<Place> ends = ends_of(boundaries);
    for (std::size_t j = 0; j < boundaries.clusters.size(); j++) {
      const std::uint32_t cluster = boundaries.clusters[j];
      const std::uint64_t end = ends[j].index;
      const double centroid = centroids[cluster];
      if (end == edges.back() && !is_pinned(centroid)) continue;
      kept.push_back(centroid);
      clusters.centroids.push_back(static_cast<float>(centroid) + 0.0f);
      clusters.sizes.push_back(end - edges.back());
      if (lambda_ > 0) clusters.bits.push_back(state.bits[cluster]);
      edges.push_back(end);
    }
    clusters.inertia = values_.squared_distances(edges, kept) * values_.weight_unit();
    clusters.iterations = state.iterations;
    clusters.lambda = lambda_;
    return clusters;
  }

 private:
  [[nodiscard]] bool is_pinned(double centroid) const { return options_.pin_zero && centroid == 0; }

  [[nodiscard]] std::vector<Place> ends_of(const Boundaries& boundaries) const {
    std::vector<Place> ends = values_.after(boundaries.thresholds);
    ends.push_back(end_);
    return ends;
  }

  // Assigns, then moves centroids to the means and code lengths to the sizes; what is left without values goes.
  void step(State& state) const {
    const Boundaries boundaries = boundaries_of(state.centroids, state.bits, lambda_);
    std::vector<double> centroids, bits;
    const std::vector<Place> ends = ends_of(boundaries);
    Place begin;
    double cost = 0;
    for (std::size_t j = 0; j < boundaries.clusters.size(); j++) {
      const Place& end = ends[j];
      const Sums sums = end.sums - begin.sums;
      const bool pinned = is_pinned(state.centroids[boundaries.clusters[j]]);
      if (sums.weight > 0 || pinned) {
        const double centroid = pinned ? 0 : values_.mean(sums), away = centroid - mean_;
        const double weight = static_cast<double>(sums.weight);
        const double mean_away = sums.weight > 0 ? values_.mean(sums) - mean_ : 0;
        cost += weight * away * (away - 2 * mean_away);
        centroids.push_back(centroid);
        if (lambda_ > 0) {
          const double size = std::max<double>(1, static_cast<double>(end.index - begin.index));
          bits.push_back(log2_exactly_rounded_steps(static_cast<double>(values_.size()) / size));
          cost += lambda_ * rate_weight() * size * bits.back();
        }
      }
      begin = end;
    }
    // Zeros stay zeros: a pinned zero is never dearer than another cluster.
    if (options_.pin_zero && lambda_ > 0) {
      const auto zero = std::find(centroids.begin(), centroids.end(), 0.0) - centroids.begin();
      bits[static_cast<std::size_t>(zero)] = *std::min_element(bits.begin(), bits.end());
    }
    state.centroids = std::move(centroids);
    state.bits = std::move(bits);
    state.cost = cost;
  }

  // A bit costs every value alike, so it is worth the mean weight.
  [[nodiscard]] double rate_weight() const {
    return static_cast<double>(end_.sums.weight) / static_cast<double>(values_.size());
  }

  const SortedValues& values_;
  const ScalarOptions& options_;
  Place end_;
  double mean_ = 0, scatter_ = 0, lambda_ = 0;
};

}  // namespace

ScalarClusters cluster_scalars(const SortedValues& sorted, const ScalarOptions& options) {
  const std::uint32_t k = std::max(1u, options.clusters);
  const Lloyd lloyd(sorted, options);
  State best = lloyd.run(optimal_start(sorted, k, options.pin_zero));
  if (lloyd.lambda() > 0) {
    const auto try_from = [&](std::vector<double> start) {
      State other = lloyd.run(std::move(start));
      if (other.cost < best.cost) best = std::move(other);
    };
    // Clusters vanish one by one into local optima, so fewer are tried from the start.
    for (std::uint32_t fewer = k / 2; fewer > 0; fewer /= 2) try_from(optimal_start(sorted, fewer, options.pin_zero));
    // At many levels the best quantizer of this slope is a grid: its error is step^2 / 12, a bit halves the step.
    auto grid = grid_start(sorted, k, options.pin_zero, std::sqrt(lloyd.lambda() * 6 / 0.69314718055994531));
    if (!grid.empty()) try_from(std::move(grid));
  }
  ScalarClusters clusters = lloyd.finish(best);
  clusters.dead = k > clusters.centroids.size() ? k - static_cast<std::uint32_t>(clusters.centroids.size()) : 0;
  return clusters;
}

ScalarClusters cluster_scalars(std::span<const float> values, std::span<const float> weights,
                               const ScalarOptions& options) {
  if (!values.empty())
    return cluster_scalars(HostSortedValues(values, weights, std::max(1u, options.threads)), options);
  ScalarClusters clusters;
  clusters.dead = std::max(1u, options.clusters);
  return clusters;
}

}  // namespace weft::cluster
