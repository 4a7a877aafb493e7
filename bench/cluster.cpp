// Clustering of scalars, two threads. Beside scikit-learn: bench/cluster.py.
#include <chrono>
#include <ctime>
#include <fstream>

#include "cluster/scalar_kmeans.hpp"
#include "data.hpp"
#include "suites.hpp"

namespace weft::bench {

std::vector<Table> cluster_tables(const std::string& values_path) {
  constexpr std::size_t kValues = std::size_t{1} << 24;
  const std::vector<float> values = gaussian_values(kValues, 11);
  if (!values_path.empty()) {
    std::ofstream out(values_path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(4 * values.size()));
    if (!out.flush()) throw std::runtime_error("cannot write " + values_path);
  }
  Table table("Clustering of 16 M Gaussian float32 values, two threads", "as named",
              {"wall seconds", "CPU seconds", "iterations", "inertia"});
  for (const std::uint32_t k : {16, 256}) {
    cluster::ScalarOptions options;
    options.clusters = k;
    options.threads = 2;
    const std::clock_t cpu_start = std::clock();
    const auto start = std::chrono::steady_clock::now();
    const auto clusters = cluster::cluster_scalars(values, {}, options);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    table.add(fmt::format("k = {}", k),
              {seconds.count(), static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC,
               static_cast<double>(clusters.iterations), clusters.inertia});
  }
  return {std::move(table)};
}

}  // namespace weft::bench
