#include "cluster/scalar_kmeans.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <string>

namespace weft::cluster {
namespace {

using Values = std::vector<float>;

Values draw(std::size_t n, std::uint32_t seed, const std::function<double(std::mt19937_64&)>& source) {
  std::mt19937_64 random(seed);
  Values values(n);
  for (auto& value : values) value = static_cast<float>(source(random));
  return values;
}

double gaussian(std::mt19937_64& random) { return std::normal_distribution<double>()(random); }
double uniform(std::mt19937_64& random) { return std::uniform_real_distribution<double>(-1, 1)(random); }
double laplace(std::mt19937_64& random) {
  const double size = std::exponential_distribution<double>()(random);
  return random() % 2 ? size : -size;
}
double mixture(std::mt19937_64& random) {
  constexpr double kCentres[] = {-5, -1, 0.5, 9};
  return kCentres[random() % 4] + 0.3 * gaussian(random);
}
double discrete(std::mt19937_64& random) { return std::round(40 * gaussian(random)) / 8; }
double heavy(std::mt19937_64& random) { return std::student_t_distribution<double>(3)(random); }

const std::map<std::string, std::function<double(std::mt19937_64&)>> kSources = {
    {"gaussian", gaussian}, {"uniform", uniform},   {"laplace", laplace},
    {"mixture", mixture},   {"discrete", discrete}, {"heavy", heavy}};

// The least inertia of k clusters: dynamic programming over all values, divide and conquer. With `pin`, one is about zero.
class Exact {
 public:
  Exact(Values values, Values weights = {}) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return values[a] < values[b]; });
    for (const auto i : order) {
      const double w = weights.empty() ? 1 : weights[i], x = values[i];
      w_.push_back(w_.back() + w);
      s_.push_back(s_.back() + w * x);
      q_.push_back(q_.back() + w * x * x);
    }
  }
  double operator()(std::size_t k, bool pin = false) const {
    const std::size_t n = w_.size() - 1;
    std::vector<double> free(n + 1, kFar), pinned(n + 1, kFar);
    free[0] = 0;
    for (std::size_t round = 0; round < k; round++) {
      std::vector<double> next_free(n + 1, kFar), next_pinned(n + 1, kFar);
      solve(free, next_free, 0, n, 0, n);
      if (pin) {
        solve(pinned, next_pinned, 0, n, 0, n);
        double least = kFar;
        for (std::size_t end = 0; end <= n; end++) {
          least = std::min(least, free[end] - q_[end]);
          next_pinned[end] = std::min(next_pinned[end], least + q_[end]);
        }
      }
      free = next_free;
      pinned = next_pinned;
    }
    return pin ? pinned[n] : free[n];
  }

 private:
  static constexpr double kFar = 1e300;
  double cost(std::size_t i, std::size_t j) const {
    const double w = w_[j] - w_[i], s = s_[j] - s_[i];
    return w > 0 ? std::max(0.0, q_[j] - q_[i] - s * s / w) : 0;
  }
  void solve(const std::vector<double>& from, std::vector<double>& to, std::size_t low, std::size_t high,
             std::size_t first, std::size_t last) const {
    if (low > high) return;
    const std::size_t middle = (low + high) / 2;
    std::size_t best = first;
    for (std::size_t i = first; i <= std::min(middle, last); i++) {
      if (from[i] >= kFar) continue;
      const double value = from[i] + cost(i, middle);
      if (value < to[middle]) {
        to[middle] = value;
        best = i;
      }
    }
    if (middle > low) solve(from, to, low, middle - 1, first, best);
    solve(from, to, middle + 1, high, best, last);
  }
  std::vector<double> w_{0}, s_{0}, q_{0};
};

// What a result says of itself, measured anew from the values.
void expect_consistent(const Values& values, const Values& weights, const ScalarClusters& clusters) {
  const auto& c = clusters.centroids;
  ASSERT_TRUE(std::is_sorted(c.begin(), c.end()));
  ASSERT_EQ(std::adjacent_find(c.begin(), c.end()), c.end());
  std::vector<std::uint16_t> indices(values.size());
  assign_scalars(values, c, clusters.bits, clusters.lambda, indices);
  std::vector<std::uint64_t> sizes(c.size());
  double inertia = 0;
  for (std::size_t i = 0; i < values.size(); i++) {
    sizes[indices[i]]++;
    const double away = static_cast<double>(values[i]) - c[indices[i]];
    inertia += (weights.empty() ? 1.0 : weights[i]) * away * away;
  }
  EXPECT_EQ(sizes, clusters.sizes);
  EXPECT_NEAR(inertia, clusters.inertia, 1e-6 * inertia);
}

double coded_bits(const ScalarClusters& clusters) {
  double all = 0, bits = 0;
  for (const auto size : clusters.sizes) all += static_cast<double>(size);
  for (const auto size : clusters.sizes)
    if (size > 0) bits -= static_cast<double>(size) * std::log2(static_cast<double>(size) / all);
  return bits;
}

double variance(const Values& values) {
  double sum = 0, squares = 0;
  for (const double value : values) sum += value, squares += value * value;
  const double n = static_cast<double>(values.size());
  return squares / n - sum * sum / n / n;
}

ScalarOptions clusters_of(std::uint32_t k) {
  ScalarOptions options;
  options.clusters = k;
  return options;
}

TEST(ScalarKmeans, WithinAThousandthOfTheOptimum) {
  for (const std::size_t n : {1500, 20000}) {
    for (const auto& [name, source] : kSources) {
      const Values values = draw(n, 7, source);
      const Exact exact(values);
      for (const std::uint32_t k : {2, 3, 16, 64, 256}) {
        if (n > 10000 && k == 256 && name != "gaussian" && name != "heavy") continue;
        const auto clusters = cluster_scalars(values, {}, clusters_of(k));
        const double best = exact(k);
        EXPECT_LE(clusters.inertia, 1.001 * best + 1e-9) << name << " n " << n << " k " << k;
        EXPECT_GE(clusters.inertia, (1 - 1e-5) * best - 1e-9) << name << " n " << n << " k " << k;
        EXPECT_LE(clusters.centroids.size(), k);
        expect_consistent(values, {}, clusters);
      }
    }
  }
}

TEST(ScalarKmeans, WeightedWithinAThousandthOfTheOptimum) {
  const Values values = draw(8000, 3, laplace);
  Values weights = draw(8000, 4, [](auto& random) { return std::exp(2 * gaussian(random)); });
  for (std::size_t i = 0; i < weights.size(); i += 5) weights[i] = 0;
  const Exact exact(values, weights);
  for (const std::uint32_t k : {2, 16, 100}) {
    const auto clusters = cluster_scalars(values, weights, clusters_of(k));
    EXPECT_LE(clusters.inertia, 1.001 * exact(k)) << k;
    expect_consistent(values, weights, clusters);
  }
}

TEST(ScalarKmeans, PinnedZeroWithinAThousandthOfItsOptimum) {
  for (const auto& [name, source] : kSources) {
    Values values = draw(3000, 5, source);
    for (std::size_t i = 0; i < values.size(); i += 3) values[i] = i % 2 ? 0.0f : -0.0f;
    const Exact exact(values);
    for (const std::uint32_t k : {2, 5, 32}) {
      auto options = clusters_of(k);
      options.pin_zero = true;
      const auto clusters = cluster_scalars(values, {}, options);
      EXPECT_EQ(std::count(clusters.centroids.begin(), clusters.centroids.end(), 0.0f), 1) << name << k;
      EXPECT_LE(clusters.inertia, 1.001 * exact(k, true) + 1e-9) << name << " k " << k;
      expect_consistent(values, {}, clusters);
    }
  }
}

TEST(ScalarKmeans, PinnedZeroStaysWithoutValuesNearIt) {
  Values values = draw(500, 5, [](auto& random) { return 9 + gaussian(random); });
  for (const double lambda : {0.0, 0.1, 1e9}) {
    auto options = clusters_of(4);
    options.pin_zero = true;
    options.lambda = lambda;
    const auto clusters = cluster_scalars(values, {}, options);
    ASSERT_FALSE(clusters.centroids.empty());
    EXPECT_EQ(clusters.centroids[0], 0.0f);
    EXPECT_LE(clusters.centroids.size(), 4u);
    expect_consistent(values, {}, clusters);
  }
}

TEST(ScalarKmeans, LambdaKeepsExactZerosWithThePin) {
  Values values = draw(5000, 6, gaussian);
  values[17] = 0;
  auto options = clusters_of(16);
  options.pin_zero = true;
  options.lambda = 0.3;
  const auto clusters = cluster_scalars(values, {}, options);
  std::vector<std::uint16_t> indices(values.size());
  assign_scalars(values, clusters.centroids, clusters.bits, clusters.lambda, indices);
  EXPECT_EQ(clusters.centroids[indices[17]], 0.0f);
  expect_consistent(values, {}, clusters);
}

TEST(ScalarKmeans, LambdaIsNeverWorseThanPlainClustersOfAnyNumber) {
  for (const auto& [name, source] : kSources) {
    const Values values = draw(20000, 8, source);
    const double squares = variance(values);
    for (const double lambda : {0.3, 0.03, 0.001}) {
      auto options = clusters_of(256);
      options.lambda = lambda;
      const auto coded = cluster_scalars(values, {}, options);
      EXPECT_NEAR(coded.lambda, lambda * squares, 1e-3 * lambda * squares);
      expect_consistent(values, {}, coded);
      const double cost = coded.inertia + coded.lambda * coded_bits(coded);
      for (const std::uint32_t k : {1, 2, 3, 5, 12, 24, 64, 256}) {
        const auto plain = cluster_scalars(values, {}, clusters_of(k));
        EXPECT_LE(cost, 1.001 * (plain.inertia + coded.lambda * coded_bits(plain)))
            << name << " " << lambda << " " << k;
      }
    }
  }
}

TEST(ScalarKmeans, FewerDistinctValuesThanClusters) {
  const Values values = {3, -1, 3, 7, 7, 7, -1};
  const auto clusters = cluster_scalars(values, {}, clusters_of(16));
  EXPECT_EQ(clusters.centroids, (Values{-1, 3, 7}));
  EXPECT_EQ(clusters.sizes, (std::vector<std::uint64_t>{2, 2, 3}));
  EXPECT_EQ(clusters.inertia, 0);
  EXPECT_EQ(clusters.dead, 13u);
}

TEST(ScalarKmeans, SmallInputs) {
  EXPECT_TRUE(cluster_scalars({}, {}, clusters_of(4)).centroids.empty());
  EXPECT_EQ(cluster_scalars(Values{2.5f}, {}, clusters_of(4)).centroids, Values{2.5f});
  EXPECT_EQ(cluster_scalars(Values(1000, -0.1f), {}, clusters_of(4)).centroids, Values{-0.1f});
  EXPECT_EQ(cluster_scalars(Values(1000, -0.0f), {}, clusters_of(4)).centroids, Values{0.0f});
  EXPECT_EQ(cluster_scalars(Values{1, 2, 3, 6}, {}, clusters_of(1)).centroids, Values{3});
  EXPECT_EQ(cluster_scalars(Values{1, 2, 3}, {}, clusters_of(0)).centroids, Values{2});
  const Values nothing(4, 0.0f);
  const auto weightless = cluster_scalars(Values{1, 2, 8, 9}, nothing, clusters_of(2));
  EXPECT_EQ(weightless.centroids, (Values{1.5f, 8.5f}));
  EXPECT_EQ(weightless.inertia, 0);
  auto coded = clusters_of(4);
  coded.lambda = 0.1;
  EXPECT_EQ(cluster_scalars(Values(10, 5.0f), {}, coded).centroids, Values{5.0f});
  coded.lambda = std::numeric_limits<double>::infinity();
  EXPECT_EQ(cluster_scalars(Values{1, 2, 3, 6}, {}, coded).centroids.size(), 1u);
}

TEST(ScalarKmeans, EveryScaleGivesTheSameClusters) {
  const Values values = draw(4000, 9, gaussian);
  const auto expected = cluster_scalars(values, {}, clusters_of(16));
  for (const int exponent : {-100, 100}) {
    Values scaled = values;
    for (auto& value : scaled) value = std::ldexp(value, exponent);
    const auto clusters = cluster_scalars(scaled, {}, clusters_of(16));
    EXPECT_EQ(clusters.sizes, expected.sizes) << exponent;
    EXPECT_NEAR(std::ldexp(clusters.inertia, -2 * exponent), expected.inertia, 1e-9 * expected.inertia);
  }
}

TEST(ScalarKmeans, ExtremeMagnitudes) {
  constexpr float kMost = std::numeric_limits<float>::max(), kLeast = std::numeric_limits<float>::denorm_min();
  const Values wide = {-kMost, -kMost, -1, 1e-30f, 1e30f, kMost};
  expect_consistent(wide, {}, cluster_scalars(wide, {}, clusters_of(3)));
  const Values tiny = {kLeast, 2 * kLeast, 100 * kLeast, 101 * kLeast};
  EXPECT_EQ(cluster_scalars(tiny, {}, clusters_of(2)).sizes, (std::vector<std::uint64_t>{2, 2}));
  Values offset = draw(3000, 2, [](auto& random) { return 1e6 + gaussian(random); });
  EXPECT_LE(cluster_scalars(offset, {}, clusters_of(8)).inertia, 0.06 * 3000);
}

TEST(ScalarKmeans, TheNumberOfThreadsDoesNotMatter) {
  const Values values = draw(200000, 10, laplace);
  const Values weights = draw(200000, 11, [](auto& random) { return std::abs(gaussian(random)); });
  for (const double lambda : {0.0, 0.01}) {
    for (const Values& w : {Values{}, weights}) {
      auto options = clusters_of(64);
      options.lambda = lambda;
      const auto one = cluster_scalars(values, w, options);
      expect_consistent(values, w, one);
      for (const std::uint32_t threads : {2, 3, 7}) {
        options.threads = threads;
        const auto many = cluster_scalars(values, w, options);
        EXPECT_EQ(many.centroids, one.centroids);
        EXPECT_EQ(many.sizes, one.sizes);
        EXPECT_EQ(many.inertia, one.inertia);
        EXPECT_EQ(many.bits, one.bits);
      }
    }
  }
}

TEST(AssignScalars, NearestWithTiesToTheLower) {
  const Values values = {-9, 0.5f, std::nextafter(0.5f, 1.0f), 2, 2.5f, 40};
  std::vector<std::uint16_t> indices(values.size());
  assign_scalars(values, Values{0, 1, 4}, {}, 0, indices);
  EXPECT_EQ(indices, (std::vector<std::uint16_t>{0, 0, 1, 1, 1, 2}));
}

TEST(AssignScalars, CheapestLikeAllPairs) {
  const Values values = draw(3000, 12, gaussian), centroids = {-2, -1, -0.9f, 0, 0.3f, 1, 2.5f};
  const std::vector<double> bits = {3, 2, 9, 1, 4, 2.5, 6};
  std::vector<std::uint16_t> indices(values.size());
  assign_scalars(values, centroids, bits, 0.2, indices);
  for (std::size_t i = 0; i < values.size(); i++) {
    const auto cost = [&](std::size_t j) { return std::pow(double{values[i]} - centroids[j], 2) + 0.2 * bits[j]; };
    for (std::size_t j = 0; j < centroids.size(); j++) EXPECT_LE(cost(indices[i]), cost(j) + 1e-12);
  }
}

}  // namespace
}  // namespace weft::cluster
