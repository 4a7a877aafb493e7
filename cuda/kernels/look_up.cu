// A thread block for each block of units: its indices come from the scratch memory that another kernel has just filled, its
// entries from the second-level cache.
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"
#include "weft/core/look_up.hpp"

namespace weft::cuda {
namespace {

template <class Float>
__global__ __launch_bounds__(kThreads) void look_up_kernel(const core::LookUpJob* jobs, std::uint32_t count,
                                                           std::uint8_t* out, std::uint32_t* status) {
  for (std::uint32_t i = blockIdx.x; i < count; i += gridDim.x) {
    const core::LookUpJob job = jobs[i];
    const bool valid = core::look_up_units<Float>(job, out, threadIdx.x, kThreads);
    const bool all_valid =
        __syncthreads_and(valid ? 1 : 0) != 0;  // and all units are where exceptions may go over them
    if (warp_index() != 0) continue;
    const core::Status answer =
        all_valid ? core::apply_exceptions<CudaWarp, typename Float::Unit>(job, out + job.out) : core::Status::kIndices;
    if (CudaWarp::lane() == 0) status[i] = static_cast<std::uint32_t>(answer);
  }
}

}  // namespace

cudaError_t launch_look_up(Launch launch, core::FloatType type, const core::LookUpJob* jobs, std::uint32_t count,
                           std::uint8_t* out, std::uint32_t* status) {
  using enum core::FloatType;
  const auto start = [&](auto kernel) { return launch_persistent(kernel, launch, count, jobs, count, out, status); };
  switch (type) {
    case kBF16:
      return start(look_up_kernel<core::FloatUnit<kBF16>>);
    case kF16:
      return start(look_up_kernel<core::FloatUnit<kF16>>);
    case kF32:
      return start(look_up_kernel<core::FloatUnit<kF32>>);
    default:
      return start(look_up_kernel<core::FloatUnit<kF64>>);
  }
}

}  // namespace weft::cuda
