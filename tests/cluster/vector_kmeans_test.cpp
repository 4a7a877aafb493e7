#include "cluster/vector_kmeans.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

namespace weft::cluster {
namespace {

std::vector<float> gaussian(std::size_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

double distance(const float* a, const float* b, std::size_t d) {
  double sum = 0;
  for (std::size_t k = 0; k < d; k++) sum += std::pow(static_cast<double>(a[k]) - static_cast<double>(b[k]), 2);
  return sum;
}

// Of all vectors to their nearest entries, by trying all.
double error_of(const std::vector<float>& values, const std::vector<float>& weights, const VectorClusters& clusters,
                std::size_t d) {
  double error = 0;
  for (std::size_t i = 0; i < values.size() / d; i++) {
    double least = INFINITY;
    for (std::size_t j = 0; j < clusters.entries.size() / d; j++)
      least = std::min(least, distance(&values[i * d], &clusters.entries[j * d], d));
    error += least * (weights.empty() ? 1 : static_cast<double>(weights[i]));
  }
  return error;
}

TEST(VectorKmeans, ReportsItsOwnErrorAndSizes) {
  for (const std::uint32_t d : {2u, 4u, 8u}) {
    const auto values = gaussian(d * 3000, d);
    const auto clusters = cluster_vectors(values, {}, {.clusters = 50, .dimension = d});
    ASSERT_EQ(clusters.entries.size(), 50 * d);
    EXPECT_NEAR(clusters.inertia, error_of(values, {}, clusters, d), 1e-4 * clusters.inertia);
    EXPECT_EQ(std::accumulate(clusters.sizes.begin(), clusters.sizes.end(), std::uint64_t{0}), 3000u);
    EXPECT_TRUE(std::is_sorted(clusters.sizes.rbegin(), clusters.sizes.rend()));
    EXPECT_EQ(clusters.dead, 0u);
  }
}

TEST(VectorKmeans, IsAsGoodAsTheTheoryOfTwoDimensions) {
  // k entries of a hexagonal lattice, as dense as suits a normal distribution: per weight 5 sqrt(3) / 54 * 4 pi / k
  // (Zador's formula for two dimensions), reached from above; scalars of the same width need 1.35 times as much.
  const auto values = gaussian(400'000, 1);
  const auto clusters = cluster_vectors(values, {}, {.clusters = 256, .dimension = 2, .threads = 2});
  const double per_weight = clusters.inertia / 400'000, bound = 5 * std::sqrt(3.0) / 54 * 4 * M_PI / 256;
  EXPECT_GT(per_weight, 0.9 * bound);
  EXPECT_LT(per_weight, 1.06 * bound);
}

TEST(VectorKmeans, FindsClustersThatAreThere) {
  std::mt19937 random(3);
  std::vector<float> centres = gaussian(4 * 40, 4), values;
  for (float& centre : centres) centre *= 10;
  for (std::size_t i = 0; i < 4000; i++)
    for (std::size_t k = 0; k < 4; k++)
      values.push_back(centres[i % 40 * 4 + k] + 1e-3f * static_cast<float>(static_cast<int>(random() % 200) - 100));
  const auto clusters = cluster_vectors(values, {}, {.clusters = 40, .dimension = 4});
  EXPECT_LT(clusters.inertia / 4000, 0.1);
}

TEST(VectorKmeans, IsTheSameWithAnyNumberOfThreads) {
  const auto values = gaussian(4 * 30'000, 5);
  std::vector<float> weights(30'000);
  for (std::size_t i = 0; i < weights.size(); i++) weights[i] = static_cast<float>(i % 7);
  for (const double lambda : {0.0, 0.05}) {
    VectorOptions options{.clusters = 300, .dimension = 4, .lambda = lambda};
    const auto one = cluster_vectors(values, weights, options);
    for (const std::uint32_t threads : {2u, 5u}) {
      options.threads = threads;
      const auto many = cluster_vectors(values, weights, options);
      EXPECT_EQ(one.entries, many.entries);
      EXPECT_EQ(one.bits, many.bits);
      EXPECT_EQ(one.inertia, many.inertia);
    }
  }
}

TEST(VectorKmeans, FewDifferentVectorsAreKeptExactly) {
  std::vector<float> values;
  for (std::size_t i = 0; i < 900; i++) {
    values.push_back(static_cast<float>(i % 3));
    values.push_back(i % 3 == 0 ? -5.0f : 0.25f);
  }
  const auto clusters = cluster_vectors(values, {}, {.clusters = 16, .dimension = 2});
  std::set<std::pair<float, float>> found;
  for (std::size_t j = 0; j < clusters.entries.size(); j += 2)
    found.emplace(clusters.entries[j], clusters.entries[j + 1]);
  EXPECT_EQ(found, (std::set<std::pair<float, float>>{{0, -5}, {1, 0.25f}, {2, 0.25f}}));
  EXPECT_EQ(clusters.inertia, 0);
  EXPECT_EQ(clusters.dead, 13u);
}

TEST(VectorKmeans, OfNothingOfOneAndOfConstants) {
  EXPECT_TRUE(cluster_vectors({}, {}, {.clusters = 4, .dimension = 4}).entries.empty());
  const std::vector<float> one{1, -2, 3, 4};
  EXPECT_EQ(cluster_vectors(one, {}, {.clusters = 4, .dimension = 4}).entries, one);
  const std::vector<float> zeros(800), same(800, -0.3f);
  EXPECT_EQ(cluster_vectors(zeros, {}, {.clusters = 4, .dimension = 8}).entries, std::vector<float>(8));
  EXPECT_EQ(cluster_vectors(same, {}, {.clusters = 4, .dimension = 2}).entries, std::vector<float>(2, -0.3f));
  EXPECT_EQ(cluster_vectors(zeros, {}, {.clusters = 4, .dimension = 2, .lambda = 1}).entries, std::vector<float>(2));
}

TEST(VectorKmeans, ScalesOfFloat32MakeNoDifference) {
  const auto values = gaussian(2 * 2000, 6);
  const auto expected = cluster_vectors(values, {}, {.clusters = 20, .dimension = 2});
  for (const int exponent : {-100, -20, 30, 120}) {
    auto scaled = values;
    for (float& value : scaled) value = std::ldexp(value, exponent);
    const auto clusters = cluster_vectors(scaled, {}, {.clusters = 20, .dimension = 2});
    for (std::size_t i = 0; i < clusters.entries.size(); i++)
      ASSERT_EQ(clusters.entries[i], std::ldexp(expected.entries[i], exponent)) << exponent;
  }
}

TEST(VectorKmeans, WeightsDrawEntries) {
  auto values = gaussian(2 * 4000, 7);
  std::vector<float> weights(4000, 1);
  for (std::size_t i = 0; i < 4000; i++) weights[i] = values[2 * i] > 1 ? 100.0f : 1.0f;
  const VectorOptions options{.clusters = 16, .dimension = 2};
  const auto plain = cluster_vectors(values, {}, options), weighed = cluster_vectors(values, weights, options);
  EXPECT_LT(error_of(values, weights, weighed, 2), 0.6 * error_of(values, weights, plain, 2));
  EXPECT_NEAR(weighed.inertia, error_of(values, weights, weighed, 2), 1e-4 * weighed.inertia);
  // Only zeros: as if there were no weights.
  EXPECT_EQ(cluster_vectors(values, std::vector<float>(4000), options).entries, plain.entries);
}

TEST(VectorKmeans, APriceOfBitsLowersTheirEntropy) {
  const auto values = gaussian(2 * 50'000, 8);
  double before = INFINITY;
  for (const double lambda : {0.0, 0.02, 0.1, 1e300}) {
    const auto clusters = cluster_vectors(values, {}, {.clusters = 128, .dimension = 2, .lambda = lambda});
    double bits = 0;
    for (const std::uint64_t size : clusters.sizes)
      bits -= static_cast<double>(size) / 50'000 * std::log2(static_cast<double>(size) / 50'000);
    EXPECT_LT(bits, before);
    EXPECT_EQ(clusters.bits.size(), lambda > 0 ? clusters.sizes.size() : 0);
    before = bits;
  }
  EXPECT_EQ(before, 0);
}

}  // namespace
}  // namespace weft::cluster
