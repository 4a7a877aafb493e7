// How kernels are laid over a persistent grid.
#pragma once

#include <cuda_runtime.h>

#include "backends/cuda/device.hpp"
#include "kernels/kernels.hpp"

namespace weft::cuda {

// A warp for each block of a group.
inline constexpr std::uint32_t kThreads = kGroupBlocks * core::kLanes;
inline constexpr std::uint32_t kDecodeThreads = kDecodeGroupBlocks * core::kLanes;

__device__ __forceinline__ std::uint32_t warp_index() { return threadIdx.x / core::kLanes; }

// As many thread blocks as fit on the device at once.
template <class Kernel>
cudaError_t resident_blocks(Kernel kernel, std::uint32_t threads, std::uint32_t& blocks) {
  int device = 0, processors = 0, each = 0;
  cudaError_t status = cudaGetDevice(&device);
  if (status == cudaSuccess) status = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  if (status == cudaSuccess)
    status = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, static_cast<int>(threads), 0);
  blocks = static_cast<std::uint32_t>(processors * each);
  return status;
}

// Launches at most `wanted` thread blocks.
template <std::uint32_t kBlockThreads = kThreads, class... Parameters, class... Arguments>
cudaError_t launch_persistent(void (*kernel)(Parameters...), Launch launch, std::uint32_t wanted,
                              Arguments... arguments) {
  if (wanted == 0) return cudaSuccess;
  std::uint32_t blocks = launch.max_blocks;
  if (blocks == 0) {
    if (const cudaError_t status = resident_blocks(kernel, kBlockThreads, blocks); status != cudaSuccess) return status;
  }
  const std::uint32_t grid = blocks < wanted ? blocks : wanted;
  kernel<<<grid, kBlockThreads, 0, launch.stream>>>(arguments...);
  return cudaGetLastError();
}

}  // namespace weft::cuda
