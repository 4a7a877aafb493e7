// Timing on the GPU: what is launched, kernel by kernel, with CUDA events.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "backends/cuda/device.hpp"
#include "backends/cuda/memory.hpp"
#include "results.hpp"

namespace weft::bench {

// Times of one thing, each the median over runs.
struct Timing {
  double milliseconds = 0, fastest = 0, slowest = 0;
  std::vector<std::pair<std::string, double>> kernels;  // milliseconds of each launch, in order
  [[nodiscard]] Json json(double weight_bytes) const;
};

// Runs launches(queue) some times, timed from the start or from the last phase() that it names, on a stream that uses at most max_blocks multiprocessors (0: all).
[[nodiscard]] Timing time_launches(const std::function<void(cuda::Queue&)>& launches, std::uint32_t max_blocks = 0);

// A copy within device memory, the ceiling of everything that reads and writes: bytes per second, both counted.
[[nodiscard]] double copy_bandwidth(std::size_t bytes);

// Float32 fused multiply-adds per second out of registers, the ceiling of matrix products.
[[nodiscard]] double fma_rate();

// Throws Error(kDevice) when there is not so much memory.
void reserve(cuda::DeviceBuffer& buffer, std::size_t bytes);

[[nodiscard]] Json describe_gpu();

}  // namespace weft::bench
