// Planes that are coded by class: thread blocks take groups of blocks of a segment, and each of their warps decodes one.
#include "kernels/decode_group.cuh"
#include "weft/core/decode_by_class.hpp"

namespace weft::cuda {
namespace {

// What the warps of a thread block share beside the tables.
struct ClassRoom {
  alignas(16) std::uint8_t words[kDecodeGroupBlocks][CudaWarp::kWordBytes];
  std::uint8_t numbers[core::kScaleClasses];
  std::uint32_t group;  // that is decoded: registers are for decoding
  union {
    FrequencySums sums;
    alignas(16) std::uint8_t tiles[kDecodeGroupBlocks][core::kTileSymbols];
  };

  __device__ __forceinline__ void build_table(const std::uint16_t* frequencies, std::uint32_t* symbols,
                                              std::uint8_t* slots) {
    sums.add_up(frequencies);
    const std::uint32_t begin = sums.cumulative[threadIdx.x];
    symbols[threadIdx.x] =
        core::pack_class_symbol(threadIdx.x, sums.cumulative[threadIdx.x + 1] - std::uint32_t{begin}, begin);
    for (std::uint32_t slot = threadIdx.x; slot < core::kProbScale; slot += kDecodeThreads)
      slots[slot] = static_cast<std::uint8_t>(core::decode_slot(sums.cumulative, slot));
    __syncthreads();
  }
};

__global__ __launch_bounds__(kDecodeThreads, 3) void decode_classes_kernel(ClassGroups all, const core::BlockJob* jobs,
                                                                           std::uint8_t* out, std::uint32_t* status) {
  __shared__ ClassRoom room;
  auto* symbols = dynamic_shared<std::uint32_t>();
  auto* slots = reinterpret_cast<std::uint8_t*>(symbols + 256 * all.table_count);
  for (std::uint32_t g = blockIdx.x; g < all.count; g = room.group + gridDim.x) {
    const core::ClassGroup& group = all.groups[g];
    __syncthreads();  // the tables of the group before are in use until here
    for (std::uint32_t t = 0; t < group.table_count; t++)
      room.build_table(group.frequencies + 256 * t, symbols + 256 * t, slots + core::kProbScale * t);
    if (threadIdx.x < core::kScaleClasses) room.numbers[threadIdx.x] = group.numbers[threadIdx.x];
    if (threadIdx.x == 0) room.group = g;
    __syncthreads();
    if (warp_index() >= group.job_count) continue;
    const auto number = [&] { return all.groups[room.group].first_job + warp_index(); };
    const core::BlockJob& job = jobs[number()];
    core::ClassWalk<CudaWarp> walk(*group.scales, job.first_element, 1u << job.lanes_log2);
    const core::ClassTables<CudaWarp> tables{symbols, slots, room.numbers, walk};
    const core::Status answer =
        core::decode_by_class<CudaWarp>(job, out, tables, {room.tiles[warp_index()], room.words[warp_index()]});
    if (CudaWarp::lane() == 0) status[number()] = static_cast<std::uint32_t>(answer);
  }
}

}  // namespace

cudaError_t launch_decode_classes(Launch launch, const ClassGroups& groups, const core::BlockJob* jobs,
                                  std::uint8_t* out, std::uint32_t* status) {
  const BlockShape shape{kDecodeThreads, groups.table_count * core::kClassTableBytes};
  return launch_persistent(decode_classes_kernel, launch, shape, groups.count, groups, jobs, out, status);
}

}  // namespace weft::cuda
