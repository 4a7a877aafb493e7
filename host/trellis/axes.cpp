#include "trellis/axes.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weft::trellis {
namespace {

constexpr std::uint64_t kFewestWeights = 4;  // that share a scale

// Sets of factors worth trying: every factor has more than one scale and several weights for each.
std::vector<FactorSet> sets_for(const Box& box) {
  constexpr std::array<FactorSet, 9> kSets{0b00001, 0b00010, 0b00100, 0b10001, 0b01100,
                                           0b00011, 0b00101, 0b00110, 0b00111};
  std::vector<FactorSet> sets;
  for (const FactorSet set : kSets) {
    bool useful = true;
    for (int kind = 0; kind < kFactorKinds; kind++) {
      if ((set >> kind & 1) == 0) continue;
      const std::uint64_t scales = dimension_of(box, kind);
      const std::uint64_t weights = box.size[0] * box.size[1] * box.size[2] / std::max<std::uint64_t>(1, scales);
      const bool is_pair = kind >= 3 && (box.size[1] == 1 || box.size[kind == 3 ? 0 : 2] == 1);  // the same as a single
      useful = useful && scales > 1 && weights >= kFewestWeights && !is_pair;
    }
    if (useful) sets.push_back(set);
  }
  return sets;
}

// How a tensor's axes may be grouped, (first, second, rest) and (rest, last but one, last), with the energies of each. Where
// scales would have too few weights, the sums of one grouping follow from the other's.
std::vector<Energies> group_axes(std::span<const float> values, std::span<const std::uint64_t> shape) {
  const std::size_t rank = shape.size();
  const auto product = [&](std::size_t from, std::size_t to) {
    std::uint64_t p = 1;
    for (std::size_t i = from; i < to; i++) p *= shape[i];
    return p;
  };
  const std::uint64_t rest = rank <= 1 ? 1 : product(2, rank);
  const Box box = rank <= 1   ? Box{{1, 1, product(0, rank)}}
                  : rest == 1 ? Box{{shape[0], 1, shape[1]}}  // a matrix by any other shape has no other groups
                              : Box{{shape[0], shape[1], rest}};
  const Box other = rest == 1 ? box : Box{{product(0, rank - 2), shape[rank - 2], shape[rank - 1]}};
  std::vector<Energies> energies;  // which are large: moved, never copied
  if (other == box || sets_for(other).empty()) {
    energies.push_back(sum_energies(values, box));
  } else if (rank == 4 && shape[0] < kFewestWeights) {
    energies.push_back(sum_energies(values, other));
    energies.push_back(split_first(energies.front(), shape[0], shape[1]));
  } else {
    energies.push_back(sum_energies(values, box));
    energies.push_back(rank == 4 && shape[3] < kFewestWeights ? split_last(energies.front(), shape[2], shape[3])
                                                              : sum_energies(values, other));
  }
  return energies;
}

}  // namespace

std::vector<ScaleFactors> boxes_of(std::span<const float> values, std::span<const std::uint64_t> shape) {
  std::vector<Energies> groups = group_axes(values, shape);
  std::vector<ScaleFactors> boxes;
  boxes.reserve(groups.size());
  for (Energies& energies : groups) boxes.emplace_back(std::move(energies), boxes.data());
  return boxes;
}

std::vector<PromisingSet> promising_sets(std::span<ScaleFactors> boxes) {
  std::vector<PromisingSet> promising;
  for (std::size_t b = 0; b < boxes.size(); b++)
    for (const FactorSet set : sets_for(boxes[b].energies().box))
      if (const auto saving = boxes[b].saving(set)) promising.push_back({b, set, *saving});
  std::stable_sort(promising.begin(), promising.end(),
                   [](const PromisingSet& a, const PromisingSet& b) { return a.saving > b.saving; });
  return promising;
}

}  // namespace weft::trellis
