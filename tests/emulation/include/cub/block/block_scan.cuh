// CUB's sum over a thread block, for the emulation. As with CUB, its memory is free again only after a barrier of the
// caller.
#pragma once

#include <cuda_runtime.h>

namespace cub {

template <class T, int kThreads>
class BlockScan {
 public:
  struct TempStorage {
    T values[kThreads];
  };
  explicit BlockScan(TempStorage& memory) : memory_(memory) {}
  void ExclusiveSum(T value, T& below) {
    memory_.values[threadIdx.x] = value;
    __syncthreads();
    T sum = 0;
    for (unsigned i = 0; i < threadIdx.x; i++) sum += memory_.values[i];
    below = sum;
  }

 private:
  TempStorage& memory_;
};

}  // namespace cub
