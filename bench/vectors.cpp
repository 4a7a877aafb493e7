// The assignment of vectors to entries. Whole clusterings: cluster.cpp.
#include <chrono>

#include "backends/cpu/kernels.hpp"
#include "cluster/vector_distances.hpp"
#include "cluster/vector_scale.hpp"
#include "data.hpp"
#include "suites.hpp"
#include "timing.hpp"

namespace weft::bench {
namespace {

constexpr std::size_t kValues = std::size_t{1} << 24;

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Per kernel set, on one thread; the distances of 2^18 values are timed, which all others repeat.
Table assignment_table(const std::vector<float>& values) {
  Table table("Nearest of k entries of d weights, one thread", "G multiply-adds/s", {"d 2", "d 4", "d 8"});
  for (const cpu::Kernels* kernels : cpu::available_kernels())
    for (const std::uint32_t count : {256u, 4096u, 65536u}) {
      std::vector<double> rates;
      for (const int d : {2, 4, 8}) {
        const std::size_t n = (std::size_t{1} << 18) / static_cast<std::size_t>(d) / (count > 4096 ? 8 : 1);
        const std::vector<float> entries = gaussian_values(count * static_cast<std::size_t>(d), 12);
        const std::vector<float> biases = cluster::VectorScale(entries).biases(entries, d, {}, 0);
        std::vector<std::uint32_t> indices(n);
        const double seconds = fastest(
            [&] { kernels->nearest(values.data(), n, d, entries.data(), biases.data(), count, indices.data()); });
        keep(indices);
        rates.push_back(1e-9 * static_cast<double>(n) * count * d / seconds);
      }
      table.add(fmt::format("{}, k = {}", kernels->name, count), rates);
    }
  return table;
}

}  // namespace

std::vector<Table> vector_tables() {
  const std::vector<float> values = gaussian_values(kValues, 11);
  std::vector<Table> tables{assignment_table(values)};
  Table& all = tables.emplace_back("16 M weights as vectors of 4 to the nearest of 4096, two threads", "as named",
                                   std::vector<std::string>{"wall seconds", "G multiply-adds/s"});
  const std::vector<float> entries = gaussian_values(std::size_t{4} * 4096, 12);
  cluster::Nearest nearest;
  const double start = wall_seconds();
  cluster::find_nearest({values, 4}, entries, cluster::VectorScale(entries).biases(entries, 4, {}, 0), 2, nearest);
  const double seconds = wall_seconds() - start;
  all.add("assignment", {seconds, 1e-9 * static_cast<double>(kValues) * 4096 / seconds});
  return tables;
}

}  // namespace weft::bench
