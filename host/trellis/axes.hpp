// Which scale factors a tensor may have: how its axes are grouped to boxes, and which sets of a box's factors are worth trying.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trellis/scales.hpp"

namespace weft::trellis {

// The boxes that a tensor's axes may be grouped to, with their factors. They know where the first one is: move the vector,
// but copy nothing of it.
[[nodiscard]] std::vector<ScaleFactors> boxes_of(std::span<const float> values, std::span<const std::uint64_t> shape);

// Sets of factors that have a saving, the most promising ones first.
struct PromisingSet {
  std::size_t box;
  FactorSet set;
  double saving;  // ScaleFactors::saving
};
[[nodiscard]] std::vector<PromisingSet> promising_sets(std::span<ScaleFactors> boxes);

}  // namespace weft::trellis
