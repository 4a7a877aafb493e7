#include "cluster/start.hpp"

#include <algorithm>
#include <cmath>

#include "cluster/optimal_partition.hpp"

namespace weft::cluster {
namespace {

constexpr std::size_t kCellsPerCluster = 32, kFewestCells = 2048;

// Edges of runs of equal values; none when there are more than `most` runs.
std::vector<std::size_t> distinct_edges(const SortedValues& values, std::size_t most) {
  std::vector<std::size_t> edges{0};
  while (edges.back() < values.size()) {
    if (edges.size() > most) return {};
    edges.push_back(values.run_end(edges.back()));
  }
  return edges;
}

void sort_unique(std::vector<std::size_t>& edges) {
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
}

// About `cells` cells: a quarter of the edges by rank, a quarter by value, the rest where optimal centroids would be dense:
// as (mass of a piece)^(1/4) x (its width)^(3/4), close to the cube root of the density and made of square roots, which
// every machine rounds alike.
std::vector<std::size_t> cell_edges(const SortedValues& values, std::size_t cells) {
  const std::size_t n = values.size(), quarter = cells / 4;
  std::vector<std::size_t> edges{0, n};
  const double low = values.value(0), width = static_cast<double>(values.value(n - 1)) - low;
  for (std::size_t i = 1; i < quarter; i++) {
    const double part = static_cast<double>(i) / static_cast<double>(quarter);
    edges.push_back(values.run_end(n / quarter * i));
    edges.push_back(values.count_up_to(low + part * width));
  }
  sort_unique(edges);

  const auto value_at = [&](std::size_t i) { return static_cast<double>(values.value(std::min(i, n - 1))); };
  std::vector<double> shares;
  double all = 0;
  for (std::size_t piece = 0; piece + 1 < edges.size(); piece++) {
    const double mass = static_cast<double>((values.sums(edges[piece + 1]) - values.sums(edges[piece])).weight);
    const double wide = value_at(edges[piece + 1]) - value_at(edges[piece]);
    shares.push_back(std::sqrt(std::sqrt(mass * wide) * wide));
    all += shares.back();
  }
  const std::size_t pieces = edges.size() - 1;
  const std::size_t shared_out = cells / 2;
  for (std::size_t piece = 0; piece < pieces && all > 0; piece++) {
    const auto share = static_cast<std::size_t>(shares[piece] / all * static_cast<double>(shared_out));
    const auto parts = std::min<std::size_t>(share + 1, edges[piece + 1] - edges[piece]);
    const double from = value_at(edges[piece]), wide = value_at(edges[piece + 1]) - from;
    for (std::size_t part = 1; part < parts; part++)
      edges.push_back(values.count_up_to(from + wide * static_cast<double>(part) / static_cast<double>(parts),
                                         edges[piece], edges[piece + 1]));
  }
  sort_unique(edges);
  return edges;
}

}  // namespace

std::vector<double> optimal_start(const SortedValues& values, std::uint32_t k, bool pin_zero) {
  const std::size_t cells = std::max(kFewestCells, kCellsPerCluster * k);
  std::vector<std::size_t> edges = distinct_edges(values, cells);
  if (edges.empty()) edges = cell_edges(values, cells);
  std::vector<Sums> sums{Sums{}};
  Points points;
  for (std::size_t i = 1; i < edges.size(); i++) {
    const Sums upto = values.sums(edges[i]), cell = upto - sums.back();
    if (cell.weight == 0) continue;
    sums.push_back(upto);
    points.positions.push_back(values.mean(cell));
    points.weights.push_back(static_cast<double>(cell.weight));
  }
  const Partition partition = optimal_partition(points, k, pin_zero);
  std::vector<double> centroids;
  for (std::size_t j = 0; j + 1 < partition.edges.size(); j++)
    centroids.push_back(static_cast<std::ptrdiff_t>(j) == partition.pinned
                            ? 0
                            : values.mean(sums[partition.edges[j + 1]] - sums[partition.edges[j]]));
  // A pinned interval without points may lie anywhere.
  std::sort(centroids.begin(), centroids.end());
  return centroids;
}

std::vector<double> grid_start(const SortedValues& values, std::uint32_t k, bool pin_zero, double step) {
  std::vector<double> centroids;
  for (std::size_t at = 0; at < values.size();) {
    if (centroids.size() == k) return {};
    const double level = std::nearbyint(values.value(at) / step);
    centroids.push_back(level * step);
    at = std::max(at + 1, values.count_up_to((level + 0.5) * step, at, values.size()));
  }
  if (pin_zero && !std::binary_search(centroids.begin(), centroids.end(), 0.0)) {
    if (centroids.size() == k) return {};
    centroids.insert(std::lower_bound(centroids.begin(), centroids.end(), 0.0), 0.0);
  }
  return centroids;
}

}  // namespace weft::cluster
