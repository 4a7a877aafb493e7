// Codebooks of codebook streams: their entries, found by clustering the weights.
//
// * 16-bit types are clustered whole whatever their size, as a histogram of their 65536 values. Others are clustered whole up
//   to kClusteredUnits, beyond that on an evenly spread sample: what is clustered must fit the default memory limit and must
//   not depend on it, or the archive would.
// * Importance weighs the squared error; sums of it are taken over integers, so that threads change nothing.
// * A tensor that no codebook suits (nothing finite, beyond the range of the entries' type, so small that entries cost more
//   than they save) falls back to lossless with a note.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/plan.hpp"
#include "engine/stages.hpp"
#include "engine/steps.hpp"

namespace weft::engine {

inline constexpr std::uint64_t kClusteredUnits = std::uint64_t{1} << 24;
inline constexpr std::uint64_t kWeighedUnits = std::uint64_t{1}
                                               << 22;  // instead of these, where they have an importance

// What choose_codebooks looks at: all of each codebook stream, or a sample of it.
[[nodiscard]] std::vector<Piece> pieces_for_codebooks(const Plan& plan);

// Throws Error(kMemory) when clustering the largest codebook stream does not fit the limit.
void check_codebook_memory(const Plan& plan, std::uint64_t memory_limit);

// Fills in `codebook` of all codebook streams, looking at these pieces of them (ascending; every codebook stream needs at
// least one). Threads share the reading and the sorting.
void choose_codebooks(const Network& network, Plan& plan, const std::vector<Piece>& pieces, std::uint32_t threads,
                      const std::atomic<bool>* cancel, std::vector<StageTimes>& times);

}  // namespace weft::engine
