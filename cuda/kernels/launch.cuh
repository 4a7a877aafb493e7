// How kernels are laid over a persistent grid.
#pragma once

#include <cuda_runtime.h>

#include "backends/cuda/device.hpp"
#include "kernels/kernels.hpp"

namespace weft::cuda {

// A warp for each block of a group.
inline constexpr std::uint32_t kThreads = kGroupBlocks * core::kLanes;
inline constexpr std::uint32_t kDecodeThreads = kDecodeGroupBlocks * core::kLanes;

// Shared memory beyond what a kernel declares: BlockShape::dynamic_bytes of it, aligned to 16.
extern __shared__ uint4 shared_words[];
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  return reinterpret_cast<T*>(shared_words);
}

__device__ __forceinline__ std::uint32_t warp_index() { return threadIdx.x / core::kLanes; }

// Of a thread block.
struct BlockShape {
  std::uint32_t threads = kThreads;
  std::uint32_t dynamic_bytes = 0;  // of shared memory
};
inline constexpr BlockShape kDecodeShape{kDecodeThreads};

inline cudaError_t shared_bytes_at_most(std::uint32_t& bytes) {
  int device = 0, most = 0;
  cudaError_t status = cudaGetDevice(&device);
  if (status == cudaSuccess) status = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  bytes = static_cast<std::uint32_t>(most);
  return status;
}

// More shared memory than 48 KB has to be asked for. All there is, each time: the limit is the kernel's, and other threads
// may be about to launch it with more than this one.
template <class Kernel>
cudaError_t allow_shared_memory(Kernel kernel, BlockShape shape) {
  if (shape.dynamic_bytes == 0) return cudaSuccess;
  std::uint32_t most = 0;
  cudaFuncAttributes attributes{};
  cudaError_t status = shared_bytes_at_most(most);
  if (status == cudaSuccess) status = cudaFuncGetAttributes(&attributes, kernel);
  if (status != cudaSuccess) return status;
  return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(most - attributes.sharedSizeBytes));
}

// As many thread blocks as fit on the device at once.
template <class Kernel>
cudaError_t resident_blocks(Kernel kernel, BlockShape shape, std::uint32_t& blocks) {
  int device = 0, processors = 0, each = 0;
  cudaError_t status = allow_shared_memory(kernel, shape);
  if (status == cudaSuccess) status = cudaGetDevice(&device);
  if (status == cudaSuccess) status = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  if (status == cudaSuccess)
    status = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, static_cast<int>(shape.threads),
                                                           shape.dynamic_bytes);
  blocks = static_cast<std::uint32_t>(processors * each);
  return status == cudaSuccess && blocks == 0 ? cudaErrorLaunchOutOfResources : status;
}

// Launches at most `wanted` thread blocks.
template <class... Parameters, class... Arguments>
cudaError_t launch_persistent(void (*kernel)(Parameters...), Launch launch, BlockShape shape, std::uint32_t wanted,
                              Arguments... arguments) {
  if (wanted == 0) return cudaSuccess;
  std::uint32_t blocks = launch.max_blocks;
  const cudaError_t prepared =
      blocks == 0 ? resident_blocks(kernel, shape, blocks) : allow_shared_memory(kernel, shape);
  if (prepared != cudaSuccess) return prepared;
  const std::uint32_t grid = blocks < wanted ? blocks : wanted;
  cudaLaunchConfig_t config{};
  config.gridDim.x = grid;
  config.blockDim.x = shape.threads;
  config.dynamicSmemBytes = shape.dynamic_bytes;
  config.stream = launch.stream;
  const cudaError_t status = cudaLaunchKernelEx(&config, kernel, arguments...);
  if (status != cudaSuccess) (void)cudaGetLastError();  // or it would be somebody else's
  return status;
}
template <class... Parameters, class... Arguments>
cudaError_t launch_persistent(void (*kernel)(Parameters...), Launch launch, std::uint32_t wanted,
                              Arguments... arguments) {
  return launch_persistent(kernel, launch, BlockShape{}, wanted, arguments...);
}

}  // namespace weft::cuda
