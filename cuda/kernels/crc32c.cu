#include "kernels/kernels.hpp"
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"
#include "weft/core/crc32c.hpp"

namespace weft::cuda {
namespace {

// In global memory, not constant: constant memory serves lanes that look up different entries one after another.
__device__ const core::CrcTables kTables = core::make_crc_tables();

__global__ void crc32c_kernel(ChecksumJob* jobs, std::uint32_t count) {
  const std::uint32_t i = job_index();
  if (i >= count) return;
  ChecksumJob& job = jobs[i];
  const std::uint32_t crc = core::crc32c<CudaWarp>(job.data, job.n, kTables);
  if (CudaWarp::lane() == 0) job.crc = crc;
}

}  // namespace

cudaError_t crc32c(ChecksumJob* jobs, std::uint32_t count, cudaStream_t stream) {
  return launch(crc32c_kernel, blocks_for_jobs(count), stream, jobs, count);
}

}  // namespace weft::cuda
