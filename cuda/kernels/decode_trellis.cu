// The kernels around core::decode_trellis_block: thread blocks take groups of blocks of one segment, whose tables they
// keep in shared memory, and each of their warps decodes a block.
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"

namespace weft::cuda {
namespace {

constexpr std::uint32_t kTrellisThreads = kTrellisGroupBlocks * core::kLanes;
constexpr std::uint32_t kRoomBytes = kTrellisGroupBlocks * CudaWarp::kWordBytes;  // for words

template <class Unit, bool kZero, bool kPredict>
__global__ __launch_bounds__(kTrellisThreads, kPredict && !kZero ? 2 : 3) void decode_trellis_kernel(
    const core::TrellisGroup* groups, std::uint32_t count, const core::TrellisJob* jobs, std::uint8_t* out,
    std::uint32_t* status) {
  auto* rooms = dynamic_shared<std::uint8_t>();
  auto* memory = reinterpret_cast<std::uint32_t*>(rooms + kRoomBytes);
  for (std::uint32_t g = blockIdx.x; g < count; g += gridDim.x) {
    const core::TrellisGroup& group = groups[g];
    __syncthreads();  // the memory of the group before is in use until here
    core::fill_trellis_memory(group, memory, threadIdx.x, kTrellisThreads);
    __syncthreads();
    if (warp_index() >= group.job_count) continue;
    const std::uint32_t job = group.first_job + warp_index();
    const core::Status answer = core::decode_trellis_block<CudaWarp, Unit, kZero, kPredict>(
        *group.stream, jobs[job], memory, rooms + warp_index() * CudaWarp::kWordBytes, out);
    if (CudaWarp::lane() == 0) status[job] = static_cast<std::uint32_t>(answer);
  }
}

}  // namespace

cudaError_t launch_decode_trellis(Launch launch, TrellisOp op, const TrellisGroups& groups,
                                  const core::TrellisJob* jobs, std::uint8_t* out, std::uint32_t* status) {
  return with_trellis_op(op, [&](auto unit, auto zero, auto predicts) {
    return launch_persistent(decode_trellis_kernel<decltype(unit), decltype(zero)::value, decltype(predicts)::value>,
                             launch, BlockShape{kTrellisThreads, kRoomBytes + groups.memory_bytes}, groups.count,
                             groups.groups, groups.count, jobs, out, status);
  });
}

}  // namespace weft::cuda
