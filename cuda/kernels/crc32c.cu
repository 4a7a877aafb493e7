#include "kernels/kernels.hpp"
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"
#include "weft/core/crc32c.hpp"

namespace weft::cuda {
namespace {

__device__ const core::CrcTables kTables = core::make_crc_tables();

// The tables are copied to shared memory, where lanes look up different entries at once.
__global__ __launch_bounds__(kThreads, 2) void crc32c_kernel(const ChecksumJob* jobs, std::uint32_t count,
                                                             std::uint32_t* crcs) {
  __shared__ core::CrcTables tables;
  const auto* from = reinterpret_cast<const std::uint32_t*>(&kTables);
  auto* to = reinterpret_cast<std::uint32_t*>(&tables);
  for (std::uint32_t i = threadIdx.x; i < sizeof(core::CrcTables) / 4; i += kThreads) to[i] = from[i];
  __syncthreads();
  for (std::uint32_t i = blockIdx.x * kGroupBlocks + warp_index(); i < count; i += gridDim.x * kGroupBlocks) {
    const std::uint32_t crc = core::crc32c<CudaWarp>(jobs[i].data, jobs[i].n, tables);
    if (CudaWarp::lane() == 0) crcs[i] = crc;
  }
}

}  // namespace

cudaError_t launch_checksum(Launch launch, const ChecksumJob* jobs, std::uint32_t count, std::uint32_t* crcs) {
  return launch_persistent(crc32c_kernel, launch, (count + kGroupBlocks - 1) / kGroupBlocks, jobs, count, crcs);
}

}  // namespace weft::cuda
