// Kernels without blocks of weights: all threads of the grid, or its warps, share out numbers.
#pragma once

#include "kernels/launch.cuh"
#include "weft/core/sorted_keys.hpp"

namespace weft::cuda {

__device__ __forceinline__ std::uint64_t thread_number() {
  return std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ std::uint64_t thread_total() { return std::uint64_t{gridDim.x} * blockDim.x; }

// Thread blocks of kThreads: a warp adds up sum_of_lane(piece, lane) of a piece's lanes to sums[piece].
template <class Sum, class F>
__device__ __forceinline__ void fold_pieces(std::uint64_t pieces, Sum* sums, F sum_of_lane) {
  static_assert(core::kSquaresLanes == core::kLanes);
  __shared__ Sum all_lanes[kThreads];
  Sum* lanes = all_lanes + warp_index() * core::kLanes;
  const std::uint32_t lane = threadIdx.x % core::kLanes;
  for (std::uint64_t piece = thread_number() / core::kLanes; piece < pieces; piece += thread_total() / core::kLanes) {
    lanes[lane] = sum_of_lane(piece, lane);
    __syncwarp();
    if (lane == 0) sums[piece] = core::fold_lanes(lanes);
    __syncwarp();
  }
}

// Enough thread blocks for n things; more than any device holds at once count as many.
inline std::uint32_t blocks_for(std::uint64_t n, std::uint64_t each) {
  const std::uint64_t blocks = (n + each - 1) / each;
  return blocks < INT32_MAX ? static_cast<std::uint32_t>(blocks) : INT32_MAX;
}

}  // namespace weft::cuda
