// How many threads each part of a compression may use within the memory limit.
#pragma once

#include <cstdint>

#include "engine/plan.hpp"
#include "weft/engine.hpp"

namespace weft::engine {

// Sets the plan's, and returns how many may encode, which takes so many bytes for each. Throws Error(kMemory), with what the
// most demanding part needs, when the limit is too small for a single thread.
[[nodiscard]] std::uint32_t limit_threads(Plan& plan, const RunOptions& options, std::uint64_t encode_bytes);

}  // namespace weft::engine
