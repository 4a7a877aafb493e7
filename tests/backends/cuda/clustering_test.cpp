// Clustering on a device: what the CPU finds, to the bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>

#include "backends/cuda/clusterer.hpp"
#include "backends/cuda/device_sorted_values.hpp"
#include "backends/cuda/device_vector_set.hpp"
#include "backends/cuda/segment_coder.hpp"
#include "cluster/host_sorted_values.hpp"
#include "cluster/host_vector_set.hpp"
#include "support/devices.hpp"
#include "support/sanitizer.hpp"

namespace weft {
namespace {

using cluster::Place;
using Values = std::vector<float>;

Values draw(std::size_t n, std::uint32_t seed, double scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, scale);
  Values values(n);
  for (float& value : values) value = static_cast<float>(normal(random));
  return values;
}

bool operator==(const Place& a, const Place& b) {
  return a.index == b.index && a.sums.weight == b.sums.weight && a.sums.moment == b.sums.moment && a.value == b.value;
}
void expect_equal(const std::vector<Place>& a, const std::vector<Place>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); i++) EXPECT_TRUE(a[i] == b[i]) << i << ": " << a[i].index << ", " << b[i].index;
}

// All but where the clusters are.
template <class Clusters>
void expect_equal_figures(const Clusters& a, const Clusters& b) {
  EXPECT_EQ(a.sizes, b.sizes);
  EXPECT_EQ(a.inertia, b.inertia);
  EXPECT_EQ(a.iterations, b.iterations);
  EXPECT_EQ(a.dead, b.dead);
  EXPECT_EQ(a.bits, b.bits);
  EXPECT_EQ(a.lambda, b.lambda);
}
void expect_equal(const cluster::ScalarClusters& a, const cluster::ScalarClusters& b) {
  EXPECT_EQ(a.centroids, b.centroids);
  expect_equal_figures(a, b);
}

class CudaClustering : public ::testing::TestWithParam<std::shared_ptr<cuda::Device>> {
 protected:
  // The same values, sorted on the device and on the CPU.
  struct Both {
    Both(const std::shared_ptr<cuda::Device>& device, const Values& values, const Values& weights)
        : heap(device, UINT64_MAX),
          queue(device->make_queue()),
          layout(*device, values.size(), !weights.empty()),
          memory(heap),
          host(values, weights, 1) {
      EXPECT_TRUE(memory.reserve(layout.total_bytes));
      on_device.emplace(*queue, layout, memory.data(), values.size());
      on_device->sort(values, weights, 2);
    }
    cuda::Heap heap;
    std::unique_ptr<cuda::Queue> queue;
    cuda::DeviceSortedValues::Layout layout;
    cuda::DeviceBuffer memory;
    cluster::HostSortedValues host;
    std::optional<cuda::DeviceSortedValues> on_device;
  };

  void expect_same_clusters(const Values& values, const Values& weights, const cluster::ScalarOptions& options) {
    const Both both(device_, values, weights);
    expect_equal(cluster::cluster_scalars(*both.on_device, options), cluster::cluster_scalars(both.host, options));
  }

  std::shared_ptr<cuda::Device> device_ = GetParam();
};

INSTANTIATE_TEST_SUITE_P(Devices, CudaClustering, ::testing::ValuesIn(testing::devices()), testing::name_of_device);

TEST_P(CudaClustering, AnswersAsTheCpuDoes) {
  for (const std::size_t n : {1u, 2u, 63u, 64u, 65u, 128u, 1000u, 16384u, 50'001u}) {
    for (const bool weighted : {false, true}) {
      SCOPED_TRACE(::testing::Message() << n << (weighted ? " weighted" : ""));
      Values values = draw(n, static_cast<std::uint32_t>(n));
      for (std::size_t i = 0; i < n; i += 5) values[i] = i % 2 == 0 ? 0.0f : -0.0f;
      for (std::size_t i = 1; i < n; i += 3)
        values[i] = std::round(values[i] * 4) / 4;  // weights of equal values differ
      Values weights;
      for (std::size_t i = 0; weighted && i < n; i++) weights.push_back(static_cast<float>(i % 11) * 0.3f);
      const Both both(device_, values, weights);
      EXPECT_EQ(both.on_device->weight_unit(), both.host.weight_unit());
      std::vector<double> thresholds{-1e300, -0.0, 0.25, 1e300};
      std::vector<std::uint64_t> places{0, n / 2, n}, values_at{0, n / 2, n - 1};
      for (std::size_t i = 0; i < n && i < 40; i++) {
        thresholds.push_back(static_cast<double>(values[i]) * (i % 2 == 0 ? 1 : 1.01));
        places.push_back((i * 7919) % n);
      }
      expect_equal(both.on_device->after(thresholds), both.host.after(thresholds));
      expect_equal(both.on_device->before(places), both.host.before(places));
      expect_equal(both.on_device->run_ends(values_at), both.host.run_ends(values_at));
      EXPECT_EQ(both.on_device->run_edges(n), both.host.run_edges(n));
      EXPECT_EQ(both.on_device->run_edges(3), both.host.run_edges(3));
      const std::vector<std::uint64_t> edges{0, 0, n / 3, n / 2, n};
      const std::vector<double> centroids{-3, -1, 0.1, 0.7};
      EXPECT_EQ(both.on_device->squared_distances(edges, centroids), both.host.squared_distances(edges, centroids));
    }
  }
}

// More questions than fit at once, and more runs.
TEST_P(CudaClustering, AsksManyQuestionsInParts) {
  const Values values = draw(120'000, 1);
  const Both both(device_, values, {});
  std::vector<std::uint64_t> places;
  for (std::uint64_t i = 0; i <= 40'000; i++) places.push_back(3 * i);
  expect_equal(both.on_device->before(places), both.host.before(places));
  const auto edges = both.host.run_edges(120'000);
  EXPECT_GT(edges.size(), 100'000u);
  EXPECT_EQ(both.on_device->run_edges(120'000), edges);
}

TEST_P(CudaClustering, FindsTheClustersOfTheCpu) {
  const Values values = draw(20'000, 2, 0.03);
  Values weights(values.size()), pruned = values, stepped = values;
  for (std::size_t i = 0; i < values.size(); i++) {
    weights[i] = static_cast<float>(i % 97) * 1e-3f;
    if (i % 3 != 0) pruned[i] = i % 2 == 0 ? 0.0f : -0.0f;
    stepped[i] = std::round(values[i] * 300) / 300;
  }
  for (const Values* w : {static_cast<const Values*>(nullptr), static_cast<const Values*>(&weights)})
    for (const double lambda : {0.0, 0.03})
      for (const bool pin_zero : {false, true})
        for (const std::uint32_t k : {2u, 37u, 300u}) {
          if (testing::kSanitized && (k == 300) != pin_zero) continue;
          for (const Values* v : {&values, static_cast<const Values*>(&pruned), static_cast<const Values*>(&stepped)}) {
            SCOPED_TRACE(::testing::Message() << k << " pin " << pin_zero << " lambda " << lambda);
            expect_same_clusters(*v, w == nullptr ? Values{} : *w,
                                 {.clusters = k, .lambda = lambda, .pin_zero = pin_zero});
          }
        }
}

TEST_P(CudaClustering, FindsThemAtTheEdges) {
  constexpr float kMost = std::numeric_limits<float>::max(), kLeast = std::numeric_limits<float>::denorm_min();
  const Values cases[] = {{2.5f},
                          {-0.0f},
                          Values(1000, -0.1f),
                          {-kMost, -1, 1e-30f, kMost, kMost},
                          {kLeast, 2 * kLeast, 100 * kLeast},
                          {0.0f, -0.0f, kLeast, -kLeast}};
  for (const Values& values : cases)
    for (const double lambda : {0.0, 0.1})
      for (const bool pin_zero : {false, true}) {
        SCOPED_TRACE(::testing::Message() << values[0] << " of " << values.size());
        expect_same_clusters(values, {}, {.clusters = 3, .lambda = lambda, .pin_zero = pin_zero});
        expect_same_clusters(values, Values(values.size()), {.clusters = 3, .lambda = lambda, .pin_zero = pin_zero});
      }
}

void expect_equal(const cluster::VectorClusters& a, const cluster::VectorClusters& b) {
  EXPECT_EQ(a.entries, b.entries);
  expect_equal_figures(a, b);
}

// Vectors on the device.
struct Resident {
  Resident(const std::shared_ptr<cuda::Device>& device, const Values& values, const Values& weights, std::size_t d,
           std::size_t entries)
      : heap(device, UINT64_MAX),
        queue(device->make_queue()),
        layout(values.size() / d, d, !weights.empty(), entries),
        memory(heap) {
    EXPECT_TRUE(memory.reserve(layout.total_bytes));
    set.emplace(*queue, layout, memory.data(), values, weights, d);
  }
  cuda::Heap heap;
  std::unique_ptr<cuda::Queue> queue;
  cuda::DeviceVectorSet::Layout layout;
  cuda::DeviceBuffer memory;
  std::optional<cuda::DeviceVectorSet> set;
};

// Entries to search: as drawn, or on a grid, so that many scores are equal, or in pairs that only the last digits
// tell apart, so that what a fused score rounds otherwise decides.
enum class Entries { kDrawn, kOnGrid, kAlmostEqual };

// Tiles and chunks that are not full, several tiles, ties, prices.
TEST_P(CudaClustering, FindsTheNearestEntryOfTheCpu) {
  for (const std::size_t d : {2u, 4u, 8u})
    for (const std::size_t count : {1u, 15u, 16u, 300u, 1024u, 1500u})
      for (const Entries kind : {Entries::kDrawn, Entries::kOnGrid, Entries::kAlmostEqual}) {
        SCOPED_TRACE(::testing::Message()
                     << "d " << d << ", " << count << " entries of kind " << static_cast<int>(kind));
        const bool on_grid = kind == Entries::kOnGrid;
        const std::size_t n = 1 + (count * 7 + d) % 700;
        Values values = draw(n * d, static_cast<std::uint32_t>(count)), entries = draw(count * d, 3);
        for (Values* some : {&values, &entries})
          for (std::size_t i = 0; on_grid && i < some->size(); i++) (*some)[i] = std::round((*some)[i] * 2) / 2;
        for (std::size_t i = entries.size() / 2; kind == Entries::kAlmostEqual && i < entries.size(); i++)
          entries[i] = std::nextafter(entries[i - entries.size() / 2], i % 2 == 0 ? 9.0f : -9.0f);
        Resident resident(device_, values, {}, d, count);
        cluster::HostVectorSet host(values, {}, d, 1);
        host.scale().apply(entries);
        std::vector<float> bits(count);
        for (std::size_t j = 0; j < count; j++) bits[j] = static_cast<float>(j % 9);
        const std::vector<float> biases =
            host.scale().biases(entries, static_cast<int>(d), bits, kind == Entries::kDrawn ? 0.01 : 0);
        resident.set->assign(entries, biases);
        cluster::Nearest expected;
        cluster::find_nearest(host.vectors(), entries, biases, 1, expected);
        const cluster::Nearest found = resident.set->nearest();
        EXPECT_EQ(found.entries, expected.entries);
        EXPECT_EQ(found.distances, expected.distances);
      }
}

TEST_P(CudaClustering, FindsTheVectorsOfTheCpu) {
  for (const std::size_t d : {2u, 4u, 8u}) {
    const std::size_t n = 2000;
    const Values values = draw(n * d + d / 2, static_cast<std::uint32_t>(d));
    Values weights(n), stepped = values;
    for (std::size_t i = 0; i < n; i++) weights[i] = static_cast<float>(i % 13);
    for (float& value : stepped) value = std::round(value);
    const Values none;
    for (const auto& [v, w, lambda, k] : {std::tuple{&values, &none, 0.0, 70u},
                                          {&values, static_cast<const Values*>(&weights), 0.0, 20u},
                                          {&values, static_cast<const Values*>(&weights), 0.05, 100u},
                                          {static_cast<const Values*>(&stepped), &none, 0.0, 1030u}}) {
      SCOPED_TRACE(::testing::Message() << "d " << d << ", k " << k << ", lambda " << lambda);
      const cluster::VectorOptions options{
          .clusters = k, .dimension = static_cast<std::uint32_t>(d), .max_iterations = 3, .lambda = lambda};
      Resident resident(device_, *v, *w, d, k);
      expect_equal(cluster::cluster_vectors(*resident.set, options), cluster::cluster_vectors(*v, *w, options));
    }
  }
}

TEST_P(CudaClustering, FindsFewOrEqualVectors) {
  const Values cases[] = {{1, -2, 3, 4}, Values(800), Values(800, -0.3f)};
  for (const Values& values : cases)
    for (const double lambda : {0.0, 1.0}) {
      const cluster::VectorOptions options{.clusters = 4, .dimension = 4, .lambda = lambda};
      Resident resident(device_, values, {}, 4, 4);
      expect_equal(cluster::cluster_vectors(*resident.set, options), cluster::cluster_vectors(values, {}, options));
    }
}

TEST_P(CudaClustering, TheClustererFallsBackToTheCpuAndSaysSo) {
  const Values values = draw(70'000, 3);
  const cluster::ScalarOptions options{.clusters = 16};
  const auto expected = cluster::cluster_scalars(values, {}, options);
  for (const std::uint64_t limit : {std::uint64_t{1} << 30, std::uint64_t{100'000}}) {
    cuda::Heap heap(device_, limit);
    cuda::Notes notes;
    const auto clusterer = cuda::make_device_clusterer(heap, notes);
    expect_equal(clusterer->scalars(values, {}, options), expected);
    const bool fits = limit > 100'000;
    EXPECT_EQ(heap.peak() > 0, fits);
    EXPECT_EQ(clusterer->take_transfer_times().bytes > values.size() * 4, fits);
    EXPECT_TRUE(clusterer->scalars({}, {}, options).centroids.empty());
    const cluster::VectorOptions pairs{.clusters = 9, .dimension = 2, .max_iterations = 3};
    expect_equal(clusterer->vectors(values, {}, pairs), cluster::cluster_vectors(values, {}, pairs));
    EXPECT_TRUE(clusterer->vectors({}, {}, pairs).entries.empty());
    EXPECT_EQ(notes.lines().empty(), fits);
  }
}

TEST_P(CudaClustering, EveryDeviceHasAClusterer) {
  const auto backend = cuda::make_device_backend({testing::a_device(), testing::a_device()}, 0);
  ASSERT_EQ(backend->clusterers(), 2u);
  const Values values = draw(70'000, 4);
  std::uint64_t peak = 0;
  for (std::uint64_t n = 1; n <= 3; n++) {  // the third one shares the first one's
    (void)backend->make_clusterer()->scalars(values, {}, {.clusters = 16});
    if (n == 1) peak = backend->peak_device_bytes();
    EXPECT_EQ(backend->peak_device_bytes(), std::min<std::uint64_t>(n, 2) * peak);
  }
  EXPECT_GT(peak, 0u);
}

}  // namespace
}  // namespace weft
