#include "kernels/crc_tables.cuh"
#include "kernels/kernels.hpp"
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"

namespace weft::cuda {
namespace {

__global__ __launch_bounds__(kThreads, 2) void crc32c_kernel(const ChecksumJob* jobs, std::uint32_t count,
                                                             std::uint32_t* crcs) {
  __shared__ core::CrcTables tables;
  copy_crc_tables(tables);
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
