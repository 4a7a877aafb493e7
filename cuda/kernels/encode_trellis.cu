// The kernels around the passes of core/trellis_encode.hpp but the search.
#include "kernels/encode_trellis_ops.hpp"
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"
#include "weft/core/trellis_finish.hpp"
#include "weft/core/trellis_weave.hpp"

namespace weft::cuda {
namespace {

constexpr std::uint32_t kWeaveWarps = 8, kPackWarps = 4;

// A thread block for each job; its warps take tiles of steps.
__global__ __launch_bounds__(kWeaveWarps* core::kLanes) void weave_trellis_kernel(TrellisEncodeArrays arrays) {
  for (std::uint32_t j = blockIdx.x; j < arrays.job_count; j += gridDim.x) {
    const core::TrellisEncodeJob& job = arrays.jobs[j];
    const std::uint32_t end = core::padded_run(job.weave().run);
    for (std::uint32_t first = warp_index() * core::kSearchTile; first < end; first += kWeaveWarps * core::kSearchTile)
      core::weave_tile<CudaWarp>(job, first);
  }
}

// A thread block of one warp for each job, so that they are spread over the multiprocessors.
template <bool kZero, bool kPredict>
__global__ __launch_bounds__(core::kLanes) void code_trellis_kernel(TrellisEncodeArrays arrays) {
  for (std::uint32_t j = blockIdx.x; j < arrays.job_count; j += gridDim.x)
    core::code_trellis_block<CudaWarp, kZero, kPredict>(arrays.jobs[j]);
}

__global__ __launch_bounds__(kPackWarps* core::kLanes) void pack_trellis_kernel(TrellisEncodeArrays arrays) {
  __shared__ std::uint64_t scratch[kPackWarps][core::kLanes];
  for (std::uint32_t j = blockIdx.x * kPackWarps + warp_index(); j < arrays.job_count; j += gridDim.x * kPackWarps)
    core::pack_trellis_block<CudaWarp>(arrays.jobs, j, arrays.out, scratch[warp_index()]);
}

}  // namespace

cudaError_t launch_encode_trellis(Launch launch, TrellisPass pass, TrellisEncodeOp op,
                                  const TrellisEncodeArrays& arrays) {
  switch (pass) {
    case TrellisPass::kWeave:
      return launch_persistent(weave_trellis_kernel, launch, BlockShape{kWeaveWarps * core::kLanes}, arrays.job_count,
                               arrays);
    case TrellisPass::kSearch:
      return launch_search_trellis(launch, op, arrays);
    case TrellisPass::kCode:
      return with_trellis_encode_op(op, [&](auto, auto, auto zero, auto predicts) {
        return launch_persistent(code_trellis_kernel<decltype(zero)::value, decltype(predicts)::value>, launch,
                                 BlockShape{core::kLanes}, arrays.job_count, arrays);
      });
    default:
      return launch_persistent(pack_trellis_kernel, launch, BlockShape{kPackWarps * core::kLanes},
                               (arrays.job_count + kPackWarps - 1) / kPackWarps, arrays);
  }
}

}  // namespace weft::cuda
