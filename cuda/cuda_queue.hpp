// Queues on CUDA streams.
//
// A thread works on the GPU that it named last, so every call names its own first (Current).
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

#include "backends/cuda/device.hpp"
#include "error.hpp"

namespace weft::cuda {

class Current {
 public:
  explicit Current(int ordinal) {
    check(cudaGetDevice(&before_), "asking for its number");
    if (before_ != ordinal) check(cudaSetDevice(ordinal), "selecting it");
    changed_ = before_ != ordinal;
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  ~Current() {
    if (changed_ && cudaSetDevice(before_) != cudaSuccess) (void)cudaGetLastError();  // it is nobody's
  }

 private:
  int before_ = 0;
  bool changed_ = false;
};

// On a stream of its own, with times.
[[nodiscard]] std::unique_ptr<Queue> make_cuda_queue(int ordinal);
// On the caller's stream of the current GPU, without times: nothing but what is asked for gets into the stream.
[[nodiscard]] std::unique_ptr<Queue> make_cuda_queue(cudaStream_t stream, std::uint32_t max_blocks);

}  // namespace weft::cuda
