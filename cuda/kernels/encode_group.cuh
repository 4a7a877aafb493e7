// The kernels around core/encode_block.hpp: thread blocks take groups of blocks of one segment, and each of their warps
// a block.
#pragma once

#include "kernels/crc_tables.cuh"
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"
#include "weft/core/encode_block.hpp"

namespace weft::cuda {

// Calls f(segment, group) for the groups of this thread block, in all threads.
template <class F>
__device__ __forceinline__ void for_groups(const EncodeArrays& arrays, F f) {
  for (std::uint32_t g = blockIdx.x; g < arrays.group_count; g += gridDim.x)
    f(arrays.segments[arrays.groups[g].segment], arrays.groups[g]);
}

// Bytes of shared memory for the counters of so many planes.
template <int kPlanes>
inline constexpr std::uint32_t kCounterBytes = 4 * core::SymbolCounters<kPlanes>::kWords;

// Symbols are counted in shared memory and then added to those of planes. survey(block, counters) counts those of a
// block.
template <int kPlanes, class Survey>
__device__ __forceinline__ void survey_group(core::PlaneTables* planes, const EncodeGroup& group,
                                             core::EncodeBlockJob* blocks, Survey survey) {
  auto* counter_words = dynamic_shared<std::uint32_t>();
  const core::SymbolCounters<kPlanes> counters{counter_words};
  __syncthreads();
  for (std::uint32_t i = threadIdx.x; i < counters.kWords; i += kThreads) counter_words[i] = 0;
  __syncthreads();
  if (warp_index() < group.block_count) survey(blocks[group.first_block + warp_index()], counters);
  __syncthreads();
  counters.template add_to<CudaWarp>(planes, threadIdx.x, kThreads);
}

// A warp for each segment, in the thread block that has its first group. choose(segment, first block, scratch).
template <class Choose>
__device__ __forceinline__ void for_windows(const EncodeArrays& arrays, Choose choose) {
  __shared__ core::WindowScratch scratch;
  for_groups(arrays, [&](core::SegmentJob& segment, const EncodeGroup& group) {
    if (segment.may_pair != 0 && group.first_block == segment.first_block)
      choose(segment, arrays.blocks[group.first_block], scratch);
  });
}

template <class Unit>
__global__ __launch_bounds__(core::kLanes) void window_of_units_kernel(EncodeArrays arrays) {
  for_windows(arrays, [](const core::SegmentJob& segment, const core::EncodeBlockJob&, core::WindowScratch& scratch) {
    core::choose_window_of_units<CudaWarp, Unit>(segment, scratch);
  });
}

template <core::FloatType kType>
__global__ __launch_bounds__(core::kLanes) void window_of_weights_kernel(EncodeArrays arrays) {
  for_windows(arrays,
              [](const core::SegmentJob& segment, const core::EncodeBlockJob& block, core::WindowScratch& scratch) {
                core::choose_window_of_weights<CudaWarp, kType>(segment, block, scratch);
              });
}

template <class Unit>
__global__ __launch_bounds__(kThreads, 2) void survey_units_kernel(EncodeArrays arrays) {
  for_groups(arrays, [&](core::SegmentJob& segment, const EncodeGroup& group) {
    if (segment.kind != core::EncodeKind::kLossless) return;
    survey_group<sizeof(Unit)>(segment.planes, group, arrays.blocks, [&](core::EncodeBlockJob& block, auto counters) {
      core::survey_units<CudaWarp, Unit>(segment, block, counters);
    });
  });
}

template <core::FloatType kType, bool kLast>
__global__ __launch_bounds__(kThreads, 2) void quantize_kernel(EncodeArrays arrays) {
  __shared__ std::int32_t thresholds[core::kTableSymbols + 1];
  __shared__ core::InwardTotals totals;
  for_groups(arrays, [&](core::SegmentJob& segment, const EncodeGroup& group) {
    if (!kLast && arrays.round >= segment.price_rounds) return;
    __syncthreads();
    if (threadIdx.x <= core::kTableSymbols) thresholds[threadIdx.x] = segment.thresholds[threadIdx.x];
    if (threadIdx.x == 0) totals = {};
    survey_group<1>(segment.planes, group, arrays.blocks, [&](core::EncodeBlockJob& block, auto counters) {
      core::quantize_block<CudaWarp, kType, kLast>(segment, block, thresholds, counters, &totals);
    });
    if (kLast && threadIdx.x < 3) {
      CudaWarp::add(&segment.totals.inward[threadIdx.x], totals.inward[threadIdx.x]);
      CudaWarp::add(&segment.totals.inside[threadIdx.x], totals.inside[threadIdx.x]);
    }
  });
}

template <class Unit>
__global__ __launch_bounds__(kThreads) void code_planes_kernel(EncodeArrays arrays) {
  __shared__ core::NearTables near;
  alignas(16) __shared__ std::uint8_t stages[kGroupBlocks][core::kStageBytes];
  for_groups(arrays, [&](core::SegmentJob& segment, const EncodeGroup& group) {
    for (int p = 0; p < segment.coded_planes; p++) {
      const core::PlaneTables& plane = segment.planes[p];
      if (plane.has_table == 0) continue;
      __syncthreads();
      if (threadIdx.x < core::kTableSymbols) near.set(plane, threadIdx.x);
      __syncthreads();
      if (warp_index() < group.block_count)
        core::code_plane<CudaWarp, Unit>(segment, arrays.blocks[group.first_block + warp_index()], p, near,
                                         stages[warp_index()]);
    }
  });
}

// Writing takes registers for a checksum's 40 rows: warps of thread blocks that are half as large have enough of them for nearly
// all, and 24 still fit on a multiprocessor.
inline constexpr std::uint32_t kWriteWarps = 8, kWriteThreads = kWriteWarps * core::kLanes, kWriteResident = 3;

// What a thread block needs to write blocks, in shared memory beyond what a kernel can declare.
struct WriteMemory {
  core::WriteScratch warps[kWriteWarps];
  core::CrcTables tables;
};
inline constexpr BlockShape kWriteShape{kWriteThreads, sizeof(WriteMemory)};

// write(segment, block, tables, scratch) in the warp that has the block. Thread blocks share a group: there are few.
inline constexpr std::uint32_t kWriteParts = kGroupBlocks / kWriteWarps;
template <class Write>
__device__ __forceinline__ void write_blocks(const EncodeArrays& arrays, Write write) {
  auto* write_memory = dynamic_shared<WriteMemory>();
  copy_crc_tables(write_memory->tables);
  for (std::uint32_t i = blockIdx.x; i < arrays.group_count * kWriteParts; i += gridDim.x) {
    const EncodeGroup& group = arrays.groups[i / kWriteParts];
    const std::uint32_t b = i % kWriteParts * kWriteWarps + warp_index();
    if (b < group.block_count)
      write(arrays.segments[group.segment], arrays.blocks[group.first_block + b], write_memory->tables,
            write_memory->warps[warp_index()]);
  }
}
// As many of them as there is work for.
template <class Kernel>
cudaError_t launch_write(Kernel kernel, Launch launch, const EncodeArrays& arrays) {
  return launch_persistent(kernel, launch, kWriteShape, arrays.group_count * kWriteParts, arrays);
}

template <class Unit>
__global__ __launch_bounds__(kWriteThreads, kWriteResident) void write_units_kernel(EncodeArrays arrays) {
  write_blocks(arrays, [](const auto& segment, const auto& block, const core::CrcTables& tables, auto& scratch) {
    core::write_lossless<CudaWarp, Unit>(segment, block, tables, scratch);
  });
}

template <core::FloatType kType>
__global__ __launch_bounds__(kWriteThreads, kWriteResident) void write_uniform_kernel(EncodeArrays arrays) {
  write_blocks(arrays, [](const auto& segment, const auto& block, const core::CrcTables& tables, auto& scratch) {
    core::write_uniform<CudaWarp, kType>(segment, block, tables, scratch);
  });
}

}  // namespace weft::cuda
