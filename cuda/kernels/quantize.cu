#include "kernels/kernels.hpp"
#include "kernels/launch.cuh"
#include "weft/core/quantize.hpp"

namespace weft::cuda {
namespace {

__global__ void quantize_kernel(const std::int32_t* fixed, std::uint64_t n, const std::int32_t* upper,
                                std::int32_t lowest, const std::int8_t* corrections, std::int32_t* fine) {
  for_elements(n, [=](std::uint64_t i) {
    fine[i] = core::fine_level(core::level_by_threshold(fixed[i], upper, lowest), corrections);
  });
}

}  // namespace

cudaError_t quantize(const std::int32_t* fixed, std::uint64_t n, const std::int32_t* upper, std::int32_t lowest,
                     const std::int8_t* corrections, std::int32_t* fine, cudaStream_t stream) {
  return launch(quantize_kernel, blocks_for_elements(n), stream, fixed, n, upper, lowest, corrections, fine);
}

}  // namespace weft::cuda
