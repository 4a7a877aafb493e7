// How kernels are laid over a persistent grid.
#pragma once

#include <cuda_runtime.h>

#include "backends/cuda/device.hpp"
#include "kernels/kernels.hpp"

namespace weft::cuda {

inline constexpr std::uint32_t kThreads = kGroupBlocks * core::kLanes;  // a warp for each block of a group

__device__ __forceinline__ std::uint32_t warp_index() { return threadIdx.x / core::kLanes; }

struct BlockShape {
  std::uint32_t threads = kThreads, shared_bytes = 0;  // the latter beyond what the kernel declares
};

// As many thread blocks as fit on the device at once.
template <class Kernel>
cudaError_t resident_blocks(BlockShape shape, Kernel kernel, std::uint32_t& blocks) {
  int device = 0, processors = 0, each = 0;
  cudaError_t status = cudaGetDevice(&device);
  if (status == cudaSuccess) status = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  if (status == cudaSuccess)
    status = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, static_cast<int>(shape.threads),
                                                           shape.shared_bytes);
  blocks = static_cast<std::uint32_t>(processors * each);
  return status;
}

// Launches at most `wanted` thread blocks.
template <class... Parameters, class... Arguments>
cudaError_t launch_persistent(BlockShape shape, void (*kernel)(Parameters...), Launch launch, std::uint32_t wanted,
                              Arguments... arguments) {
  if (wanted == 0) return cudaSuccess;
  if (shape.shared_bytes > 0) {  // more than the usual 48 KB have to be asked for
    const cudaError_t status =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shape.shared_bytes));
    if (status != cudaSuccess) return status;
  }
  std::uint32_t blocks = launch.max_blocks;
  if (blocks == 0) {
    if (const cudaError_t status = resident_blocks(shape, kernel, blocks); status != cudaSuccess) return status;
  }
  const std::uint32_t grid = blocks < wanted ? blocks : wanted;
  kernel<<<grid, shape.threads, shape.shared_bytes, launch.stream>>>(arguments...);
  return cudaGetLastError();
}

template <class... Parameters, class... Arguments>
cudaError_t launch_persistent(void (*kernel)(Parameters...), Launch launch, std::uint32_t wanted,
                              Arguments... arguments) {
  return launch_persistent(BlockShape{}, kernel, launch, wanted, arguments...);
}

}  // namespace weft::cuda
