// What weft's kernels use of CUDA C++, for a host compiler: see emulation/thread_block.hpp.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <functional>
#include <memory>
#include <tuple>

#include "emulation/runtime.hpp"
#include "emulation/thread_block.hpp"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ thread_local  // a thread block runs on one host thread

struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

struct cudaLaunchConfig_t {
  weft::emulation::Dim gridDim, blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
};

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  const auto values = std::make_shared<const std::tuple<Parameters...>>(arguments...);
  return weft::emulation::launch(
      {config->gridDim.x, config->blockDim.x, config->dynamicSmemBytes, config->stream},
      reinterpret_cast<const void*>(kernel), [kernel, values] { std::apply(kernel, *values); },
      [values] {
        return std::apply(
            [](const auto&... one) {
              return std::vector<weft::emulation::Argument>{{&one, sizeof one}...};
            },
            *values);
      });
}
template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel kernel, cudaFuncAttribute, int value) {
  return weft::emulation::allow_dynamic_bytes(reinterpret_cast<const void*>(kernel), value);
}
template <class Kernel>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, Kernel) {
  *attributes = {0};  // what a kernel declares lies on its fibers' stacks
  return cudaSuccess;
}
template <class Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel kernel, int threads,
                                                          std::size_t dynamic_bytes) {
  return weft::emulation::occupancy(blocks, reinterpret_cast<const void*>(kernel), threads, dynamic_bytes);
}

inline void __syncthreads() { weft::emulation::meet_block("__syncthreads", true); }
inline int __syncthreads_and(int value) { return weft::emulation::meet_block("__syncthreads_and", value != 0) ? 1 : 0; }
inline void __syncwarp() { weft::emulation::sync_warp(); }
inline unsigned __ballot_sync(unsigned, int predicate) {
  unsigned bits = 0, lane = 0;
  for (const unsigned value : weft::emulation::meet_warp("__ballot_sync", predicate != 0 ? 1 : 0))
    bits |= value << lane++;
  return bits;
}
inline int __any_sync(unsigned, int predicate) {
  int any = 0;
  for (const unsigned value : weft::emulation::meet_warp("__any_sync", predicate != 0 ? 1 : 0)) any |= value != 0;
  return any;
}
inline int __all_sync(unsigned, int predicate) {
  int no = 0;  // of lanes that are there
  for (const unsigned value : weft::emulation::meet_warp("__all_sync", predicate == 0 ? 1 : 0)) no |= value != 0;
  return no == 0 ? 1 : 0;
}
inline unsigned __reduce_xor_sync(unsigned, unsigned value) {
  unsigned result = 0;
  for (const unsigned one : weft::emulation::meet_warp("__reduce_xor_sync", value)) result ^= one;
  return result;
}
inline unsigned __reduce_or_sync(unsigned, unsigned value) {
  unsigned result = 0;
  for (const unsigned one : weft::emulation::meet_warp("__reduce_or_sync", value)) result |= one;
  return result;
}
inline unsigned __reduce_add_sync(unsigned, unsigned value) {
  unsigned result = 0;
  for (const unsigned one : weft::emulation::meet_warp("__reduce_add_sync", value)) result += one;
  return result;
}
inline unsigned __shfl_sync(unsigned, unsigned value, int from) {
  return weft::emulation::meet_warp("__shfl_sync", value)[static_cast<unsigned>(from) & 31];
}

template <class T>
T atomicAdd(T* at, T value) {
  return std::atomic_ref<T>(*at).fetch_add(value, std::memory_order_relaxed);
}
template <class T>
T __ldg(const T* at) {
  return *at;
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) >> (shift & 31));
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) << (shift & 31) >> 32);
}
inline int __vimin_s32_relu(int a, int b) {
  const int low = a < b ? a : b;
  return low < 0 ? 0 : low;
}
inline unsigned __vibmin_u32(unsigned a, unsigned b, bool* is_first) {
  *is_first = a <= b;
  return a <= b ? a : b;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((std::uint64_t{a} * b) >> 32); }
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
