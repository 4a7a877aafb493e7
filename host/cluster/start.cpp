#include "cluster/start.hpp"

#include <algorithm>
#include <cmath>

#include "cluster/optimal_partition.hpp"

namespace weft::cluster {
namespace {

constexpr std::size_t kCellsPerCluster = 32, kFewestCells = 2048;
constexpr std::size_t kLevelsAtOnce = 256;  // whose ends are asked for together

void sort_unique(std::vector<std::uint64_t>& edges) {
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
}

// About `cells` cells: a quarter of the edges by rank, a quarter by value, the rest where optimal centroids would be dense:
// as (mass of a piece)^(1/4) x (its width)^(3/4), close to the cube root of the density and made of square roots, which
// every machine rounds alike.
std::vector<std::uint64_t> cell_edges(const SortedValues& values, std::size_t cells) {
  const std::uint64_t n = values.size(), quarter = cells / 4;
  const std::uint64_t ends[] = {0, n};
  const std::vector<Place> range = values.before(ends);
  const double low = range[0].value, width = range[1].value - low;
  std::vector<std::uint64_t> ranks;
  std::vector<double> thresholds;
  for (std::uint64_t i = 1; i < quarter; i++) {
    ranks.push_back(n / quarter * i);
    thresholds.push_back(low + static_cast<double>(i) / static_cast<double>(quarter) * width);
  }
  std::vector<std::uint64_t> edges{0, n};
  for (const Place& place : values.run_ends(ranks)) edges.push_back(place.index);
  for (const Place& place : values.after(thresholds)) edges.push_back(place.index);
  sort_unique(edges);

  const std::vector<Place> places = values.before(edges);
  const std::size_t pieces = places.size() - 1;
  const auto width_of = [&](std::size_t piece) { return places[piece + 1].value - places[piece].value; };
  std::vector<double> shares;
  double all = 0;
  for (std::size_t piece = 0; piece < pieces; piece++) {
    const double mass = static_cast<double>((places[piece + 1].sums - places[piece].sums).weight);
    const double wide = width_of(piece);
    shares.push_back(std::sqrt(std::sqrt(mass * wide) * wide));
    all += shares.back();
  }
  const std::size_t shared_out = cells / 2;
  thresholds.clear();
  std::vector<std::size_t> within;  // the piece of each threshold
  for (std::size_t piece = 0; piece < pieces && all > 0; piece++) {
    const auto share = static_cast<std::size_t>(shares[piece] / all * static_cast<double>(shared_out));
    const auto parts = std::min<std::size_t>(share + 1, edges[piece + 1] - edges[piece]);
    for (std::size_t part = 1; part < parts; part++) {
      thresholds.push_back(places[piece].value +
                           width_of(piece) * static_cast<double>(part) / static_cast<double>(parts));
      within.push_back(piece);
    }
  }
  const std::vector<Place> parts = values.after(thresholds);
  for (std::size_t i = 0; i < parts.size(); i++)
    edges.push_back(std::clamp(parts[i].index, edges[within[i]], edges[within[i] + 1]));
  sort_unique(edges);
  return edges;
}

}  // namespace

std::vector<double> optimal_start(const SortedValues& values, std::uint32_t k, bool pin_zero) {
  const std::size_t cells = std::max(kFewestCells, kCellsPerCluster * k);
  std::vector<std::uint64_t> edges = values.run_edges(cells);
  if (edges.empty()) edges = cell_edges(values, cells);
  std::vector<Sums> sums{Sums{}};
  Points points;
  for (const Place& place : values.before(edges)) {
    const Sums cell = place.sums - sums.back();
    if (cell.weight == 0) continue;
    sums.push_back(place.sums);
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
  std::vector<double> centroids, thresholds(kLevelsAtOnce);
  std::vector<Place> ends;  // of levels from `first` on
  double first = 0;
  const std::uint64_t start[] = {0};
  for (Place at = values.before(start).front(); at.index < values.size();) {
    if (centroids.size() == k) return {};
    const double level = std::nearbyint(at.value / step);
    centroids.push_back(level * step);
    if (ends.empty() || level < first || level - first >= static_cast<double>(kLevelsAtOnce)) {
      first = level;
      for (std::size_t i = 0; i < kLevelsAtOnce; i++) thresholds[i] = (first + static_cast<double>(i) + 0.5) * step;
      ends = values.after(thresholds);
    }
    const Place& end = ends[static_cast<std::size_t>(level - first)];
    const std::uint64_t next[] = {at.index + 1};  // rounding may leave the value itself beyond its level
    at = end.index > at.index ? end : values.before(next).front();
  }
  if (pin_zero && !std::binary_search(centroids.begin(), centroids.end(), 0.0)) {
    if (centroids.size() == k) return {};
    centroids.insert(std::lower_bound(centroids.begin(), centroids.end(), 0.0), 0.0);
  }
  return centroids;
}

}  // namespace weft::cluster
