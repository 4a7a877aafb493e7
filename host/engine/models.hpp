// Models of trellis streams: steps, scale factors, views, labellings and the bank of shapes.
//
// * A tensor of up to kWholeUnits is looked at whole; of a larger one a sample of its rows chooses the model, and the rows'
//   scales are then measured on all of it. Nothing depends on the memory limit or the number of threads, or the archive would.
// * The bank is fitted to the symbols of a part of every tensor: as the search chooses them where it was tried to compare
//   labellings, as a scalar quantizer does elsewhere.
// * A tensor that a trellis does not suit (step too small for its alphabet, nothing finite) falls back to another codec, with
//   a note.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/plan.hpp"
#include "engine/stages.hpp"

namespace weft::engine {

// Memory for looking at the largest trellis tensor.
[[nodiscard]] std::uint64_t model_bytes(const Plan& plan);

// Fills in `trellis` of the chosen trellis streams (flags, one per stream) and adds their shapes to the index's.
void choose_models(const Network& network, Plan& plan, const std::vector<bool>& chosen, const Backend& backend,
                   const std::atomic<bool>* cancel, std::vector<StageTimes>& times);

}  // namespace weft::engine
