// Queues on CUDA streams.
//
// A thread works on the GPU that it named last, so every call names its own first (Current).
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

#include "backends/cuda/device.hpp"
#include "error.hpp"

namespace weft::cuda {

// Whether this process has a context on a GPU.
[[nodiscard]] bool has_context(int ordinal);

// Goes back to the GPU before, unless that would make a context there, which takes hundreds of megabytes of its memory.
class Current {
 public:
  explicit Current(int ordinal) {
    check(cudaGetDevice(&before_), "asking for its number");
    if (before_ == ordinal) return;
    goes_back_ = has_context(before_);
    check(cudaSetDevice(ordinal), "selecting it");
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  ~Current() {
    if (goes_back_ && cudaSetDevice(before_) != cudaSuccess) (void)cudaGetLastError();  // it is nobody's
  }

 private:
  int before_ = 0;
  bool goes_back_ = false;
};

// For what may not fail: calls release() with that GPU's number named. After a fault there is nothing to release.
template <class F>
void release_on(int ordinal, F release) noexcept {
  try {
    const Current current(ordinal);
    release();
  } catch (const Error&) {
  }
}

// On a stream of its own, with times.
[[nodiscard]] std::unique_ptr<Queue> make_cuda_queue(int ordinal);
// On the caller's stream of the current GPU, without times: nothing but what is asked for gets into the stream.
[[nodiscard]] std::unique_ptr<Queue> make_cuda_queue(cudaStream_t stream, std::uint32_t max_blocks);

}  // namespace weft::cuda
