// Which scale factors a tensor may have: how its axes are grouped to boxes, and which sets of a box's factors are worth trying.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trellis/scales.hpp"

namespace weft::trellis {

// Sets of factors worth trying: every factor has more than one scale and several weights for each.
[[nodiscard]] std::vector<FactorSet> sets_for(const Box& box);

// How a tensor's axes may be grouped, (first, second, rest) and (rest, last but one, last), with the energies of each. Where
// scales would have too few weights, the sums of one grouping follow from the other's: so the energies of the second box may
// have factors of the first one's (Energies::same).
[[nodiscard]] std::vector<Energies> group_axes(std::span<const float> values, std::span<const std::uint64_t> shape);

}  // namespace weft::trellis
