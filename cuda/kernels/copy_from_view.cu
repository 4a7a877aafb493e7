// Each thread fetches units from all over the coded order, one after the other in the output: the whole segment lies in
// the second-level cache.
#include "kernels/launch.cuh"
#include "weft/core/view.hpp"

namespace weft::cuda {
namespace {

__global__ __launch_bounds__(kThreads) void copy_from_view_kernel(core::ViewCopy copy) {
  core::copy_from_view(copy, blockIdx.x * kThreads + threadIdx.x, gridDim.x * kThreads);
}

}  // namespace

cudaError_t launch_copy_from_view(Launch launch, const core::ViewCopy& copy) {
  return launch_persistent(copy_from_view_kernel, launch, (copy.count + kThreads - 1) / kThreads, copy);
}

}  // namespace weft::cuda
