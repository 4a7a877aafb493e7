// The checksum's tables on the device, and their way to shared memory, where lanes look up different entries at once.
#pragma once

#include "kernels/launch.cuh"
#include "weft/core/crc32c.hpp"

namespace weft::cuda {
namespace {

__device__ const core::CrcTables kCrcTables = core::make_crc_tables();

}  // namespace

// By all threads of a thread block.
__device__ __forceinline__ void copy_crc_tables(core::CrcTables& to) {
  for (std::uint32_t i = threadIdx.x; i < sizeof(core::CrcTables) / 4; i += blockDim.x)
    reinterpret_cast<std::uint32_t*>(&to)[i] = reinterpret_cast<const std::uint32_t*>(&kCrcTables)[i];
  __syncthreads();
}

}  // namespace weft::cuda
