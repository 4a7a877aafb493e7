// Reports of runs: what every command fills in alike.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "backends/backend.hpp"
#include "engine/error_meter.hpp"
#include "engine/plan.hpp"
#include "engine/stages.hpp"
#include "weft/archive.hpp"
#include "weft/report.hpp"

namespace weft::engine {

// Peak resident set of this process, in bytes; 0 where the system does not say.
[[nodiscard]] std::uint64_t peak_host_bytes();

// One entry per tensor: name, type, shape, sizes, codec and step. `tensors` selects and orders them.
[[nodiscard]] std::vector<TensorReport> describe_tensors(const Index& index, const std::vector<std::size_t>& tensors);
[[nodiscard]] std::vector<std::size_t> all_tensors(const Index& index);

// Coded bytes of the files that are carried along.
[[nodiscard]] std::uint64_t asset_bytes(const Index& index);

void set_errors(TensorReport& report, const ErrorSums& sums);
// What pruning did to the tensors that the plan wants pruned; errors are per tensor.
void add_prunings(const Plan& plan, const std::vector<ErrorSums>& errors, std::vector<TensorReport>& reports);

// A note on tensors of which quantizing has left nearly nothing.
void add_losses(const std::vector<ErrorSums>& errors, std::vector<TensorReport>& reports);

// Wall time, threads, stages, memory, and what the backend has to say; call it at the end of a run.
void finish_report(Report& report, std::chrono::steady_clock::time_point begin, const std::vector<StageTimes>& times,
                   const Backend& backend);

}  // namespace weft::engine
