#include "kernels/kernels.hpp"
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"
#include "weft/core/rans_decode.hpp"

namespace weft::cuda {
namespace {

__global__ void rans_decode_kernel(DecodeJob* jobs, std::uint32_t count) {
  const std::uint32_t i = job_index();
  if (i >= count) return;
  DecodeJob& job = jobs[i];
  const core::Status status =
      core::rans_decode<CudaWarp>(job.words, job.word_count, job.lanes_log2, job.table, job.n, job.out);
  if (CudaWarp::lane() == 0) job.status = status;
}

}  // namespace

cudaError_t rans_decode(DecodeJob* jobs, std::uint32_t count, cudaStream_t stream) {
  return launch(rans_decode_kernel, blocks_for_jobs(count), stream, jobs, count);
}

}  // namespace weft::cuda
