#include "kernels/kernels.hpp"
#include "kernels/launch.cuh"
#include "weft/core/half.hpp"

namespace weft::cuda {
namespace {

__global__ void half_to_float_kernel(Half type, const std::uint16_t* half, std::uint64_t n, std::uint32_t* bits) {
  for_elements(n, [=](std::uint64_t i) {
    bits[i] = type == Half::kBF16 ? core::bf16_to_f32(half[i]) : core::f16_to_f32(half[i]);
  });
}

__global__ void float_to_half_kernel(Half type, const std::uint32_t* bits, std::uint64_t n, std::uint16_t* half) {
  for_elements(n, [=](std::uint64_t i) {
    half[i] = type == Half::kBF16 ? core::f32_to_bf16(bits[i]) : core::f32_to_f16(bits[i]);
  });
}

}  // namespace

cudaError_t half_to_float(Half type, const std::uint16_t* half, std::uint64_t n, std::uint32_t* bits,
                          cudaStream_t stream) {
  return launch(half_to_float_kernel, blocks_for_elements(n), stream, type, half, n, bits);
}

cudaError_t float_to_half(Half type, const std::uint32_t* bits, std::uint64_t n, std::uint16_t* half,
                          cudaStream_t stream) {
  return launch(float_to_half_kernel, blocks_for_elements(n), stream, type, bits, n, half);
}

}  // namespace weft::cuda
