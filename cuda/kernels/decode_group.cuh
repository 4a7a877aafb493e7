// The kernel around core::decode_block: thread blocks take groups of blocks that share a table, and each of their warps
// decodes a block.
#pragma once

#include <cub/block/block_scan.cuh>

#include "kernels/launch.cuh"
#include "warp_cuda.cuh"
#include "weft/core/decode_block.hpp"

namespace weft::cuda {

// The sums of frequencies, by all threads together.
struct FrequencySums {
  using Scan = cub::BlockScan<std::uint32_t, kDecodeThreads>;
  static_assert(kDecodeThreads == 256);

  typename Scan::TempStorage scan;
  std::uint16_t cumulative[257];

  __device__ __forceinline__ void add_up(const std::uint16_t* frequencies) {
    const std::uint32_t frequency = frequencies[threadIdx.x];
    std::uint32_t below = 0;
    Scan(scan).ExclusiveSum(frequency, below);
    cumulative[threadIdx.x] = static_cast<std::uint16_t>(below);
    if (threadIdx.x == 255) cumulative[256] = static_cast<std::uint16_t>(below + frequency);
    __syncthreads();
  }
};

// What the warps of a thread block share. Six thread blocks fit on a multiprocessor of 228 KB.
struct DecodeRoom {
  alignas(16) std::uint8_t words[kDecodeGroupBlocks][CudaWarp::kWordBytes];
  std::uint32_t slots[core::kProbScale];
  std::uint32_t group;  // that is decoded: registers are for decoding
  union {
    FrequencySums sums;
    alignas(16) std::uint8_t tiles[kDecodeGroupBlocks][core::kTileSymbols];
  };

  // The decode table, built by all threads together.
  __device__ __forceinline__ void build_table(const std::uint16_t* frequencies) {
    sums.add_up(frequencies);
    for (std::uint32_t slot = threadIdx.x; slot < core::kProbScale; slot += kDecodeThreads)
      slots[slot] = core::decode_slot(sums.cumulative, slot);
  }
};

// Per group: prepare(group) fills what make(job) needs; both run in all threads.
template <class Prepare, class Make>
__device__ __forceinline__ void decode_groups(const core::BlockGroup* groups, std::uint32_t count,
                                              const core::BlockJob* jobs, std::uint32_t* status, Prepare prepare,
                                              Make make) {
  __shared__ DecodeRoom room;
  for (std::uint32_t g = blockIdx.x; g < count; g = room.group + gridDim.x) {
    const core::BlockGroup& group = groups[g];
    __syncthreads();  // the table of the group before is in use until here
    if (group.frequencies != nullptr) room.build_table(group.frequencies);
    prepare(group);
    if (threadIdx.x == 0) room.group = g;
    __syncthreads();
    if (warp_index() >= group.job_count) continue;
    const auto job = [&] { return groups[room.group].first_job + warp_index(); };
    const core::Status answer = core::decode_block<CudaWarp>(make(group, jobs[job()]), room.slots,
                                                             {room.tiles[warp_index()], room.words[warp_index()]});
    if (CudaWarp::lane() == 0) status[job()] = static_cast<std::uint32_t>(answer);
  }
}

// How many thread blocks a multiprocessor is to hold, by the registers that units of this size take; `small` of units of
// one or two bytes.
constexpr int resident(std::size_t unit_bytes, int small = 6) {
  return unit_bytes <= 2 ? small : unit_bytes == 4 ? 4 : 2;
}

template <class Unit>
__global__ __launch_bounds__(kDecodeThreads,
                             resident(sizeof(Unit))) void merge_units_kernel(const core::BlockGroup* groups,
                                                                             std::uint32_t count,
                                                                             const core::BlockJob* jobs,
                                                                             std::uint8_t* out, std::uint32_t* status) {
  decode_groups(
      groups, count, jobs, status, [](const core::BlockGroup&) {},
      [out](const core::BlockGroup&, const core::BlockJob& job) { return core::MergeUnits<Unit>(job, out); });
}

template <core::FloatType kType, bool kByTable>
__global__ __launch_bounds__(kDecodeThreads,
                             kByTable ? resident(sizeof(typename core::FloatUnit<kType>::Unit))
                                      : 4) void dequantize_kernel(const core::BlockGroup* groups, std::uint32_t count,
                                                                  const core::BlockJob* jobs, std::uint8_t* out,
                                                                  std::uint32_t* status) {
  __shared__ std::uint32_t values[256];
  decode_groups(
      groups, count, jobs, status,
      [](const core::BlockGroup& group) {
        if (kByTable) values[threadIdx.x] = core::value_of_symbol<kType>(group, threadIdx.x);
      },
      [out](const core::BlockGroup& group, const core::BlockJob& job) {
        return core::Dequantize<kType, kByTable>(job, out, *group.uniform, values);
      });
}

}  // namespace weft::cuda
