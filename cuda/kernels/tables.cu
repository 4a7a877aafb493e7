#include "kernels/kernels.hpp"
#include "kernels/launch.cuh"
#include "weft/core/frequency.hpp"

namespace weft::cuda {
namespace {

// Table building is scalar code: one thread builds one table.
__global__ void build_tables_kernel(TableJob* jobs, std::uint32_t count) {
  for_elements(count, [=](std::uint64_t i) {
    TableJob& job = jobs[i];
    const int distinct = core::normalise(job.counts, job.frequencies);
    if (distinct != 0) {
      core::build_encode_table(job.frequencies, *job.encode);
      core::build_decode_table(job.frequencies, job.decode);
    }
    job.distinct = distinct;
  });
}

}  // namespace

cudaError_t build_tables(TableJob* jobs, std::uint32_t count, cudaStream_t stream) {
  return launch(build_tables_kernel, blocks_for_elements(count), stream, jobs, count);
}

}  // namespace weft::cuda
