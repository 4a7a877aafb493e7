// CUB's sorts, for the emulation. What they sorted is in the other of two buffers, as it often is with CUB.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace cub {

template <class T>
struct DoubleBuffer {
  DoubleBuffer(T* current, T* other) : buffers{current, other} {}
  T* Current() { return buffers[selector]; }
  T* Alternate() { return buffers[selector ^ 1]; }
  T* buffers[2];
  int selector = 0;
};

struct DeviceRadixSort {
  template <class Key>
  static cudaError_t SortKeys(void* scratch, std::size_t& bytes, DoubleBuffer<Key>& keys, std::uint64_t n, int, int,
                              cudaStream_t stream) {
    if (scratch == nullptr) return bytes = 256, cudaSuccess;
    weft::emulation::enqueue(stream, [from = keys.Current(), to = keys.Alternate(), n] {
      std::copy(from, from + n, to);
      std::sort(to, to + n);
    });
    keys.selector ^= 1;
    return cudaSuccess;
  }
  template <class Key, class Value>
  static cudaError_t SortPairs(void* scratch, std::size_t& bytes, DoubleBuffer<Key>& keys, DoubleBuffer<Value>& values,
                               std::uint64_t n, int, int, cudaStream_t stream) {
    if (scratch == nullptr) return bytes = 256, cudaSuccess;
    weft::emulation::enqueue(stream, [keys, values, n]() mutable {
      std::vector<std::uint64_t> order(n);
      std::iota(order.begin(), order.end(), std::uint64_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [from = keys.Current()](std::uint64_t a, std::uint64_t b) { return from[a] < from[b]; });
      for (std::uint64_t i = 0; i < n; i++) {
        keys.Alternate()[i] = keys.Current()[order[i]];
        values.Alternate()[i] = values.Current()[order[i]];
      }
    });
    keys.selector ^= 1;
    values.selector ^= 1;
    return cudaSuccess;
  }
};

}  // namespace cub
