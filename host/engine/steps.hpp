// Steps of uniform streams: from the weights' size to a step, scale codes per channel, and the number of low bits.
//
// * Sums are taken in a fixed order (core/row_squares.hpp per piece, pieces in order), so the steps do not depend on the
//   number of threads, the processor or the backend.
// * A tensor that a uniform grid does not suit (too small or too large for float32 arithmetic, more exceptions than
//   savings) falls back to lossless with a note.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/plan.hpp"
#include "engine/stages.hpp"

namespace weft::engine {

// A step near this one whose mantissa has nine bits: within 1/512, and the index says it in half the bytes.
[[nodiscard]] double short_step(double step);

// Units [first, first + units) of a stream.
struct Piece {
  std::size_t stream = 0;
  std::uint64_t first = 0, units = 0;
};

// Fills in `uniform` of the uniform streams that have one of these pieces (ascending), looking at nothing else of them.
void choose_steps(const Network& network, Plan& plan, const std::vector<Piece>& pieces, const Backend& backend,
                  std::uint32_t threads, const std::atomic<bool>* cancel, std::vector<StageTimes>& times);

}  // namespace weft::engine
