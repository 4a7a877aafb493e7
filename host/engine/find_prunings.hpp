// Finds what pruning leaves: thresholds of magnitude, channels of little norm.
//
// * A threshold is exact: the key of a magnitude is found digit by digit, from a histogram each, in two passes over the
//   weights (four for F64) and one more where weights tie at the threshold. Memory is the histograms', whatever the size.
// * All counts are integers and norms are summed in the order of the weights, so threads change nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/plan.hpp"
#include "engine/stages.hpp"

namespace weft::engine {

// Fills in the prunings that the plan wants. Throws Error(kMemory) when one thread does not fit the limit.
void find_prunings(const Network& network, Plan& plan, std::uint32_t threads, std::uint64_t memory_limit,
                   const std::atomic<bool>* cancel, std::vector<StageTimes>& times);

}  // namespace weft::engine
