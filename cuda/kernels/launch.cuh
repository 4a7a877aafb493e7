// How the thin kernels are laid over a grid: one warp per job, or one thread per element.
#pragma once

#include <cuda_runtime.h>

#include "weft/core/rans_params.hpp"

namespace weft::cuda {

inline constexpr std::uint32_t kThreads = 128;  // four warps; the thin kernels need nothing of their neighbours

inline constexpr std::uint64_t kMaxBlocks = 1u << 20;  // a grid of elements strides over what is more

// The job of this warp.
__device__ __forceinline__ std::uint32_t job_index() {
  return blockIdx.x * (kThreads / core::kLanes) + threadIdx.x / core::kLanes;
}

inline std::uint32_t blocks_for_jobs(std::uint32_t count) {
  constexpr std::uint32_t kJobs = kThreads / core::kLanes;
  return count / kJobs + (count % kJobs != 0 ? 1 : 0);
}

inline std::uint32_t blocks_for_elements(std::uint64_t n) {
  const std::uint64_t blocks = n / kThreads + (n % kThreads != 0 ? 1 : 0);
  return static_cast<std::uint32_t>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
}

// Runs f(i) for every i below n, each in one thread.
template <class F>
__device__ __forceinline__ void for_elements(std::uint64_t n, F f) {
  const std::uint64_t stride = std::uint64_t{gridDim.x} * kThreads;
  for (std::uint64_t i = std::uint64_t{blockIdx.x} * kThreads + threadIdx.x; i < n; i += stride) f(i);
}

// Launches a kernel, if there is anything to do, and returns what the launch says.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), std::uint32_t blocks, cudaStream_t stream, Arguments... arguments) {
  if (blocks == 0) return cudaSuccess;
  kernel<<<blocks, kThreads, 0, stream>>>(arguments...);
  return cudaGetLastError();
}

}  // namespace weft::cuda
