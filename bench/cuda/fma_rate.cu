// What the GPU's registers alone allow of float32: a ceiling for matrix products.
#include <cuda_runtime.h>

#include "error.hpp"
#include "fma_rate.hpp"

namespace weft::bench {
namespace {

constexpr int kChains = 16, kSteps = 4096, kThreads = 256, kBlocksEach = 8;

__global__ void fma_kernel(float factor, float* out) {
  float sums[kChains];
#pragma unroll
  for (int i = 0; i < kChains; i++) sums[i] = static_cast<float>(threadIdx.x + i);
  for (int step = 0; step < kSteps; step++) {
#pragma unroll
    for (int i = 0; i < kChains; i++) sums[i] = __fmaf_rn(sums[i], factor, sums[(i + 1) % kChains]);
  }
  float all = 0;
#pragma unroll
  for (int i = 0; i < kChains; i++) all += sums[i];
  if (all == -1) *out = all;  // never, which the compiler does not know
}

}  // namespace

double launch_fma(cudaStream_t stream, int multiprocessors) {
  const int blocks = multiprocessors * kBlocksEach;
  cudaLaunchConfig_t config{};
  config.gridDim.x = static_cast<unsigned>(blocks);
  config.blockDim.x = kThreads;
  config.stream = stream;
  cuda::check(cudaLaunchKernelEx(&config, fma_kernel, 0.5f, nullptr), "starting to multiply and add");
  return static_cast<double>(blocks) * kThreads * kSteps * kChains;
}

}  // namespace weft::bench
