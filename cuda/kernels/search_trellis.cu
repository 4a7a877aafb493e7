// The kernels around core::BlockSearch and core::SingleSearch: thread blocks take searches of one stream, whose prices they
// keep in shared memory, and each of their warps searches a block's chains, or some of them.
#include "kernels/encode_trellis_ops.hpp"
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"
#include "weft/core/trellis_single_block.hpp"

namespace weft::cuda {
namespace {

constexpr std::uint32_t kSearchThreads = kSearchGroupWarps * core::kLanes;

// Shared memory leaves room for two or three thread blocks: registers are not what is short.
template <std::uint32_t kStates, bool kSpread, bool kZero, bool kPredict>
__global__ __launch_bounds__(kSearchThreads, 1) void search_trellis_kernel(TrellisEncodeArrays arrays) {
  auto* memory = dynamic_shared<std::uint32_t>();
  constexpr std::uint32_t kRoom = core::search_room_words(core::kLaneStatesLog2 + (kSpread ? 1 : 0), kPredict);
  std::uint32_t* room = memory + arrays.memory_bytes / 4 + warp_index() * kRoom;
  for (std::uint32_t g = blockIdx.x; g < arrays.group_count; g += gridDim.x) {
    const core::TrellisSearchGroup& group = arrays.groups[g];
    const core::TrellisEncoding& stream = *arrays.jobs[group.first_job].stream;
    __syncthreads();  // the memory of the group before is in use until here
    core::fill_search_memory(stream, memory, threadIdx.x, kSearchThreads);
    __syncthreads();
    if (warp_index() >= group.count) continue;
    const std::uint32_t number = group.first + warp_index(), parts = core::search_warps(stream.states_log2);
    if constexpr (kStates == 1)
      core::SingleSearch<CudaWarp, kZero, kPredict>(arrays.jobs[group.first_job + number], memory).run();
    else
      core::BlockSearch<CudaWarp, kStates, kSpread, kZero, kPredict>(arrays.jobs[group.first_job + number / parts],
                                                                     number % parts, memory, room)
          .run();
  }
}

}  // namespace

cudaError_t launch_search_trellis(Launch launch, TrellisEncodeOp op, const TrellisEncodeArrays& arrays) {
  return with_trellis_encode_op(op, [&](auto states, auto spread, auto zero, auto predicts) {
    constexpr bool kSpread = decltype(spread)::value, kPredict = decltype(predicts)::value;
    constexpr std::uint32_t kRooms =
        4 * kSearchGroupWarps * core::search_room_words(core::kLaneStatesLog2 + (kSpread ? 1 : 0), kPredict);
    return launch_persistent(search_trellis_kernel<decltype(states)::value, kSpread, decltype(zero)::value, kPredict>,
                             launch, BlockShape{kSearchThreads, arrays.memory_bytes + kRooms}, arrays.group_count,
                             arrays);
  });
}

}  // namespace weft::cuda
