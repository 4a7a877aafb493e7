// What the kernels do around their warps when they encode trellis blocks, with any model of a warp: run(f) runs f in
// all lanes of one.
#pragma once

#include <cstdlib>
#include <vector>

#include "backends/cuda/device.hpp"
#include "weft/core/trellis_finish.hpp"
#include "weft/core/trellis_weave.hpp"

namespace weft::testing {

template <core::KernelWarp W, class Run>
void search_trellis_groups(cuda::TrellisEncodeOp op, const cuda::TrellisEncodeArrays& arrays, Run run) {
  std::vector<core::Words4> memory(arrays.memory_bytes / 16),
      rooms(core::search_room_words(core::kMaxStatesLog2, true) / 4);
  auto* words = reinterpret_cast<std::uint32_t*>(memory.data());
  auto* room = reinterpret_cast<std::uint32_t*>(rooms.data());
  for (std::uint32_t g = 0; g < arrays.group_count; g++) {
    const core::TrellisSearchGroup& group = arrays.groups[g];
    const core::TrellisEncoding& stream = *arrays.jobs[group.first_job].stream;
    if (group.count > cuda::kSearchGroupWarps) std::abort();
    for (std::uint32_t thread = 0; thread < 128; thread++) core::fill_search_memory(stream, words, thread, 128);
    const std::uint32_t parts = core::search_warps(stream.states_log2);
    for (std::uint32_t i = group.first; i < group.first + group.count; i++)
      cuda::with_trellis_encode_op(op, [&](auto states, auto spread, auto zero, auto predicts) {
        run([&] {
          core::BlockSearch<W, decltype(states)::value, decltype(spread)::value, decltype(zero)::value,
                            decltype(predicts)::value>(arrays.jobs[group.first_job + i / parts], i % parts, words, room)
              .run();
        });
      });
  }
}

template <core::KernelWarp W, class Run>
void run_trellis_pass(cuda::TrellisPass pass, cuda::TrellisEncodeOp op, const cuda::TrellisEncodeArrays& arrays,
                      Run run) {
  if (pass == cuda::TrellisPass::kSearch) return search_trellis_groups<W>(op, arrays, run);
  std::uint64_t scratch[core::kLanes];
  for (std::uint32_t j = 0; j < arrays.job_count; j++) {
    core::TrellisEncodeJob& job = arrays.jobs[j];
    const std::uint32_t end = core::padded_run(job.weave().run);
    if (pass == cuda::TrellisPass::kWeave)
      for (std::uint32_t first = 0; first < end; first += core::kSearchTile)
        run([&] { core::weave_tile<W>(job, first); });
    if (pass == cuda::TrellisPass::kCode)
      cuda::with_trellis_encode_op(op, [&](auto, auto, auto zero, auto predicts) {
        run([&] { core::code_trellis_block<W, decltype(zero)::value, decltype(predicts)::value>(job); });
      });
    if (pass == cuda::TrellisPass::kPack)
      run([&] { core::pack_trellis_block<W>(arrays.jobs, j, arrays.out, scratch); });
  }
}

}  // namespace weft::testing
