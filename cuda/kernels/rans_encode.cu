#include "kernels/kernels.hpp"
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"
#include "weft/core/rans_encode.hpp"

namespace weft::cuda {
namespace {

__global__ void rans_encode_kernel(EncodeJob* jobs, std::uint32_t count) {
  const std::uint32_t i = job_index();
  if (i >= count) return;
  EncodeJob& job = jobs[i];
  const std::uint32_t words = core::rans_encode<CudaWarp>(job.symbols, job.n, job.lanes_log2, *job.table, job.end);
  if (CudaWarp::lane() == 0) job.word_count = words;
}

}  // namespace

cudaError_t rans_encode(EncodeJob* jobs, std::uint32_t count, cudaStream_t stream) {
  return launch(rans_encode_kernel, blocks_for_jobs(count), stream, jobs, count);
}

}  // namespace weft::cuda
