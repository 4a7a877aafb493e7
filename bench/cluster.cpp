// Clustering of scalars and of vectors, two threads. Beside scikit-learn: bench/cluster.py.
#include <chrono>
#include <ctime>
#include <fstream>
#include <span>

#include "cluster/scalar_kmeans.hpp"
#include "cluster/vector_kmeans.hpp"
#include "data.hpp"
#include "suites.hpp"

namespace weft::bench {
namespace {

// Of a clustering: wall and CPU seconds, iterations, inertia.
template <class F>
std::vector<double> timed(F cluster) {
  const std::clock_t cpu_start = std::clock();
  const auto start = std::chrono::steady_clock::now();
  const auto clusters = cluster();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return {seconds.count(), static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC,
          static_cast<double>(clusters.iterations), clusters.inertia};
}

}  // namespace

std::vector<Table> cluster_tables(const std::string& values_path) {
  constexpr std::size_t kValues = std::size_t{1} << 24;
  const std::vector<float> values = gaussian_values(kValues, 11);
  if (!values_path.empty()) {
    std::ofstream out(values_path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(4 * values.size()));
    if (!out.flush()) throw std::runtime_error("cannot write " + values_path);
  }
  const std::vector<std::string> columns{"wall seconds", "CPU seconds", "iterations", "inertia"};
  Table scalars("Clustering of 16 M Gaussian float32 values, two threads", "as named", columns);
  for (const std::uint32_t k : {16, 256})
    scalars.add(fmt::format("k = {}", k),
                timed([&] { return cluster::cluster_scalars(values, {}, {.clusters = k, .threads = 2}); }));
  Table vectors("The first 2 M of them as vectors of 4, two threads", "as named", columns);
  const std::span first(values.data(), std::size_t{1} << 21);
  for (const std::uint32_t k : {256, 4096})
    vectors.add(fmt::format("d = 4, k = {}", k), timed([&] {
                  return cluster::cluster_vectors(first, {}, {.clusters = k, .dimension = 4, .threads = 2});
                }));
  return {std::move(scalars), std::move(vectors)};
}

}  // namespace weft::bench
