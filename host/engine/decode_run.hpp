// Decoding many blocks on all threads: what decompress and verify share.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "engine/progress.hpp"
#include "engine/stages.hpp"
#include "weft/archive.hpp"
#include "weft/engine.hpp"

namespace weft::engine {

// A run of blocks of one segment.
struct DecodeTask {
  std::size_t stream = 0, segment = 0;
  std::uint32_t first_block = 0, block_count = 0;  // in the segment
  std::uint64_t first_unit = 0, units = 0;         // in the stream
};

// All blocks of the archive, in file order; or those that hold units of the chosen tensors (flags, one per tensor),
// without assets.
[[nodiscard]] std::vector<DecodeTask> all_tasks(const Index& index);
[[nodiscard]] std::vector<DecodeTask> tasks_for(const Index& index, const std::vector<bool>& chosen);

// Receives the decoded units of a task, on a worker's thread.
using UnitSink = std::function<void(const DecodeTask& task, std::span<const std::byte> units, StageTimes& times)>;

// Reads and decodes the tasks; `times` gets one entry per thread. Throws Error(kArchive) that names file, tensor and block of
// the first corrupt block.
void decode_all(const Archive& archive, const Backend& backend, const std::vector<DecodeTask>& tasks,
                const RunOptions& options, std::vector<StageTimes>& times, const UnitSink& sink);

}  // namespace weft::engine
