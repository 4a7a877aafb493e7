#include "cluster/scalar_kmeans.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "cluster/boundaries.hpp"
#include "cluster/exact_log2.hpp"
#include "cluster/sorted_values.hpp"
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
  Lloyd(const SortedValues& values, const ScalarOptions& options)
      : values_(values), options_(options), all_(values.sums(values.size())), mean_(values.mean(all_)) {
    const std::size_t edges[] = {0, values.size()};
    scatter_ = values.squared_distances(edges, {&mean_, 1}, options.threads);
    lambda_ =
        options.lambda > 0 ? std::min(options.lambda, kMostLambda) * scatter_ / static_cast<double>(all_.weight) : 0;
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
    std::vector<std::size_t> edges{0};
    for (std::size_t j = 0; j < boundaries.clusters.size(); j++) {
      const std::uint32_t cluster = boundaries.clusters[j];
      const std::size_t end = end_of(boundaries, j, edges.back());
      const double centroid = centroids[cluster];
      if (end == edges.back() && !is_pinned(centroid)) continue;
      kept.push_back(centroid);
      clusters.centroids.push_back(static_cast<float>(centroid) + 0.0f);
      clusters.sizes.push_back(end - edges.back());
      if (lambda_ > 0) clusters.bits.push_back(state.bits[cluster]);
      edges.push_back(end);
    }
    clusters.inertia = values_.squared_distances(edges, kept, options_.threads) * values_.weight_unit();
    clusters.iterations = state.iterations;
    clusters.lambda = lambda_;
    return clusters;
  }

 private:
  [[nodiscard]] bool is_pinned(double centroid) const { return options_.pin_zero && centroid == 0; }

  [[nodiscard]] std::size_t end_of(const Boundaries& boundaries, std::size_t j, std::size_t begin) const {
    if (j >= boundaries.thresholds.size()) return values_.size();
    return values_.count_up_to(boundaries.thresholds[j], begin, values_.size());
  }

  // Assigns, then moves centroids to the means and code lengths to the sizes; what is left without values goes.
  void step(State& state) const {
    const Boundaries boundaries = boundaries_of(state.centroids, state.bits, lambda_);
    std::vector<double> centroids, bits;
    std::size_t begin = 0;
    Sums before;
    double cost = 0;
    for (std::size_t j = 0; j < boundaries.clusters.size(); j++) {
      const std::size_t end = end_of(boundaries, j, begin);
      const Sums upto = values_.sums(end), sums = upto - before;
      const bool pinned = is_pinned(state.centroids[boundaries.clusters[j]]);
      if (sums.weight > 0 || pinned) {
        const double centroid = pinned ? 0 : values_.mean(sums), away = centroid - mean_;
        const double weight = static_cast<double>(sums.weight);
        const double mean_away = sums.weight > 0 ? values_.mean(sums) - mean_ : 0;
        cost += weight * away * (away - 2 * mean_away);
        centroids.push_back(centroid);
        if (lambda_ > 0) {
          const double size = std::max<double>(1, static_cast<double>(end - begin));
          bits.push_back(log2_exactly_rounded_steps(static_cast<double>(values_.size()) / size));
          cost += lambda_ * rate_weight() * size * bits.back();
        }
      }
      begin = end;
      before = upto;
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
    return static_cast<double>(all_.weight) / static_cast<double>(values_.size());
  }

  const SortedValues& values_;
  const ScalarOptions& options_;
  Sums all_;
  double mean_, scatter_ = 0, lambda_ = 0;
};

}  // namespace

ScalarClusters cluster_scalars(std::span<const float> values, std::span<const float> weights,
                               const ScalarOptions& options) {
  ScalarClusters clusters;
  const std::uint32_t k = std::max(1u, options.clusters);
  if (!values.empty()) {
    const SortedValues sorted(values, weights, std::max(1u, options.threads));
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
    clusters = lloyd.finish(best);
  }
  clusters.dead = k > clusters.centroids.size() ? k - static_cast<std::uint32_t>(clusters.centroids.size()) : 0;
  return clusters;
}

}  // namespace weft::cluster
