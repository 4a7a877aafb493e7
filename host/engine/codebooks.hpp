// Codebooks of codebook streams: their entries, found by clustering the weights.
//
// * A codebook belongs to a tensor, to a group of its channels, or to all tensors whose rules name the same (`shared`): one
//   clustering of all these weights, stored once.
// * What is clustered must fit the default memory limit and must not depend on it, or the archive would: 16-bit types are
//   clustered whole as a histogram, others up to kClusteredUnits, beyond that on an evenly spread sample. Vectors are
//   clustered on so many as their number of entries calls for.
// * A tensor that no codebook suits (nothing finite, beyond the range of the entries' type, so small that entries cost more
//   than they save) falls back to lossless with a note.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "backends/backend.hpp"
#include "engine/plan.hpp"
#include "engine/stages.hpp"
#include "engine/steps.hpp"

namespace weft::engine {

inline constexpr std::uint64_t kClusteredUnits = std::uint64_t{1} << 24;
// Instead of these, where they have an importance, or are vectors.
inline constexpr std::uint64_t kWeighedUnits = std::uint64_t{1} << 22;
inline constexpr std::uint64_t kVectorUnits = std::uint64_t{1} << 22;

// What choose_codebooks looks at: all of each codebook stream, or a sample of it.
[[nodiscard]] std::vector<Piece> pieces_for_codebooks(const Plan& plan);

// Memory of the largest clustering.
[[nodiscard]] std::uint64_t codebook_bytes(const Plan& plan);

// Fills in `codebook` of all codebook streams, and the index's codebooks, looking at these pieces (ascending; every codebook
// stream needs at least one). Threads share the reading, and the clustering unless the backend has devices for it, which
// then cluster for a stream each.
void choose_codebooks(const Network& network, Plan& plan, const std::vector<Piece>& pieces, const Backend& backend,
                      std::uint32_t threads, const std::atomic<bool>* cancel, std::vector<StageTimes>& times);

}  // namespace weft::engine
