#include "cluster/vector_seeds.hpp"

#include <algorithm>

namespace weft::cluster {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::size_t kSingle = 64, kBatch = 8;  // the first are drawn one by one, then this part of what is there

}  // namespace

void VectorDraws::draw(std::size_t count, std::vector<float>& entries) {
  const std::uint64_t sum = set_.chances();
  if (sum == 0) return;
  std::vector<std::uint64_t> points;
  for (std::size_t i = 0; i < count; i++) points.push_back(static_cast<std::uint64_t>(Wide{random_()} * sum >> 64));
  std::vector<std::uint64_t> chosen = set_.drawn(points);
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  const Vectors vectors = set_.vectors();
  for (const std::uint64_t i : chosen) entries.insert(entries.end(), vectors[i].begin(), vectors[i].end());
}

std::vector<float> draw_seeds(VectorSet& set, std::size_t count, VectorDraws& draws) {
  const std::size_t d = set.vectors().dimension;
  std::vector<float> entries;
  while (entries.size() / d < count) {
    const std::size_t before = entries.size(), have = before / d;
    draws.draw(std::min(count - have, have < kSingle ? 1 : have / kBatch), entries);
    if (entries.size() == before) break;
    const std::span added = std::span(entries).subspan(before);
    set.approach(added, set.scale().biases(added, static_cast<int>(d), {}, 0));
  }
  return entries;
}

}  // namespace weft::cluster
