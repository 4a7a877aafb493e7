#include "cluster/vector_seeds.hpp"

#include <algorithm>
#include <cmath>

namespace weft::cluster {
namespace {

__extension__ using Wide = unsigned __int128;

// Sums fit 64 bits: a squared distance of vectors of size 2 is below 2^7, with 10 bits of weight, of less than 2^23 vectors.
constexpr std::size_t kSingle = 64, kBatch = 8;  // the first are drawn one by one, then this part of what is there
constexpr double kDistanceUnits = 0x1p22, kWeightUnits = 0x1p10;

}  // namespace

void VectorDraws::draw(std::span<const float> distances, std::size_t count, std::vector<float>& entries) {
  std::uint64_t sum = 0;
  sums_.resize(distances.size());
  for (std::size_t i = 0; i < distances.size(); i++) {
    const double distance = std::ceil(std::min(static_cast<double>(distances[i]), 0x1p7) * kDistanceUnits);
    const double weight = weights_.empty() ? 1 : std::ceil(static_cast<double>(weights_[i]) * kWeightUnits);
    sum += static_cast<std::uint64_t>(distance) * static_cast<std::uint64_t>(weight);
    sums_[i] = sum;
  }
  if (sum == 0) return;
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < count; i++) {
    const auto point = static_cast<std::uint64_t>(Wide{random_()} * sum >> 64);
    chosen.push_back(static_cast<std::size_t>(std::upper_bound(sums_.begin(), sums_.end(), point) - sums_.begin()));
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  for (const std::size_t i : chosen) entries.insert(entries.end(), vectors_[i].begin(), vectors_[i].end());
}

std::vector<float> draw_seeds(const Vectors& vectors, std::size_t count, const VectorScale& scale,
                              std::uint32_t threads, VectorDraws& draws) {
  const std::size_t d = vectors.dimension;
  std::vector<float> entries, distances(vectors.size(), 1.0f);
  Nearest to_new;
  while (entries.size() / d < count) {
    const std::size_t before = entries.size(), have = before / d;
    draws.draw(distances, std::min(count - have, have < kSingle ? 1 : have / kBatch), entries);
    if (entries.size() == before) break;
    const std::span added = std::span(entries).subspan(before);
    find_nearest(vectors, added, scale.biases(added, static_cast<int>(d), {}, 0), threads, to_new);
    for (std::size_t i = 0; i < distances.size(); i++)
      distances[i] = have == 0 ? to_new.distances[i] : std::min(distances[i], to_new.distances[i]);
  }
  return entries;
}

}  // namespace weft::cluster
