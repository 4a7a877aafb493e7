// Scales of streams that are not trellises: classes of units whose symbols have frequency tables of their own.
//
// * Codec lossless codes exponents by class, codec codebook indices; which rows and columns have scales is found out by
//   counting symbols, so nothing is assumed of how they are distributed.
// * A tensor of up to kWholeUnits is looked at whole; of a larger one a sample of its rows chooses.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/plan.hpp"
#include "engine/stages.hpp"

namespace weft::engine {

// Memory for looking at the largest tensor that may have scales.
[[nodiscard]] std::uint64_t scale_bytes(const Plan& plan);

// Fills in `scales` of the chosen streams (flags, one per stream) where their specs ask for a model and it pays. Codebooks
// have been chosen before.
void choose_scales(const Network& network, Plan& plan, const std::vector<bool>& chosen, const Backend& backend,
                   const std::atomic<bool>* cancel, std::vector<StageTimes>& times);

// Takes the scales from streams none of whose segments is coded by class.
void drop_unused_scales(Index& index);

}  // namespace weft::engine
