// The kernel around core::decode_block: thread blocks take groups of blocks that share a table, and each of their warps
// decodes a block.
#pragma once

#include <cub/block/block_scan.cuh>

#include "kernels/launch.cuh"
#include "warp_cuda.cuh"
#include "weft/core/decode_block.hpp"

namespace weft::cuda {

// The decode table, built by all threads together.
struct SharedTable {
  using Scan = cub::BlockScan<std::uint32_t, kThreads>;
  std::uint32_t slots[core::kProbScale];
  std::uint16_t cumulative[257];
  typename Scan::TempStorage scan;

  __device__ __forceinline__ void build(const std::uint16_t* frequencies) {
    std::uint32_t frequency = threadIdx.x < 256 ? frequencies[threadIdx.x] : 0, below = 0;
    Scan(scan).ExclusiveSum(frequency, below);
    if (threadIdx.x <= 256) cumulative[threadIdx.x] = static_cast<std::uint16_t>(below);
    __syncthreads();
    for (std::uint32_t slot = threadIdx.x; slot < core::kProbScale; slot += kThreads)
      slots[slot] = core::decode_slot(cumulative, slot);
  }
};

// Per group: prepare(group) fills what make(job) needs; both run in all threads.
template <class Prepare, class Make>
__device__ __forceinline__ void decode_groups(const core::BlockGroup* groups, std::uint32_t count,
                                              const core::BlockJob* jobs, std::uint32_t* status, Prepare prepare,
                                              Make make) {
  __shared__ SharedTable table;
  __shared__ alignas(16) std::uint8_t tiles[kGroupBlocks][core::kTileSymbols];
  for (std::uint32_t g = blockIdx.x; g < count; g += gridDim.x) {
    const core::BlockGroup& group = groups[g];
    __syncthreads();  // the table of the group before is in use until here
    if (group.frequencies != nullptr) table.build(group.frequencies);
    prepare(group);
    __syncthreads();
    if (warp_index() >= group.job_count) continue;
    const std::uint32_t job = group.first_job + warp_index();
    const core::Status answer = core::decode_block<CudaWarp>(make(group, jobs[job]), table.slots, tiles[warp_index()]);
    if (CudaWarp::lane() == 0) status[job] = static_cast<std::uint32_t>(answer);
  }
}

template <class Unit>
__global__ __launch_bounds__(kThreads) void merge_units_kernel(const core::BlockGroup* groups, std::uint32_t count,
                                                               const core::BlockJob* jobs, std::uint8_t* out,
                                                               std::uint32_t* status) {
  decode_groups(
      groups, count, jobs, status, [](const core::BlockGroup&) {},
      [out](const core::BlockGroup&, const core::BlockJob& job) { return core::MergeUnits<Unit>(job, out); });
}

template <core::FloatType kType, bool kByTable>
__global__ __launch_bounds__(kThreads) void dequantize_kernel(const core::BlockGroup* groups, std::uint32_t count,
                                                              const core::BlockJob* jobs, std::uint8_t* out,
                                                              std::uint32_t* status) {
  __shared__ std::uint32_t values[256];
  decode_groups(
      groups, count, jobs, status,
      [](const core::BlockGroup& group) {
        const core::UniformParameters& uniform = *group.uniform;
        if (threadIdx.x < 256)
          values[threadIdx.x] = core::FloatUnit<kType>::narrow(uniform.weight(threadIdx.x, 0, uniform.fine_step));
      },
      [out](const core::BlockGroup& group, const core::BlockJob& job) {
        return core::Dequantize<kType, kByTable>(job, out, *group.uniform, values);
      });
}

}  // namespace weft::cuda
