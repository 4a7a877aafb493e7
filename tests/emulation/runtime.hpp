// CUDA's runtime on the host: GPUs that are no GPUs, for the whole of cuda/ as it is (include/ has CUDA's names).
//
// Read me first:
// * Nothing that is put into a stream happens before somebody waits for it (or frees memory, which waits for all): who
//   reads too early, or changes pinned memory too early, finds what a slow GPU would leave there.
// * Device memory can be touched only while something runs on a device, ends at a page that nobody may touch, and begins
//   as garbage. A host that follows a device pointer dies on the spot.
// * Limits that a launch can break are checked: threads, shared memory that was not asked for.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <vector>

namespace weft::emulation {

// GPUs of this machine from now on; at first there is one.
void set_device_count(int count);

struct LaunchShape {
  unsigned blocks, threads;
  std::size_t dynamic_bytes;
  cudaStream_t stream;
};
// The kernel's arguments, in order.
struct Argument {
  const void* value;
  std::size_t bytes;
};
using Arguments = std::function<std::vector<Argument>()>;
cudaError_t launch(const LaunchShape& shape, const void* kernel, std::function<void()> body, Arguments arguments);
// From now on this runs all kernels, instead of their own code as a host compiler sees it.
using Runner = std::function<void(const LaunchShape&, const void* kernel, const std::vector<Argument>&)>;
void set_runner(Runner runner);
cudaError_t allow_dynamic_bytes(const void* kernel, int bytes);
cudaError_t occupancy(int* blocks, const void* kernel, int threads, std::size_t dynamic_bytes);
// Puts work of a device into a stream.
void enqueue(cudaStream_t stream, std::function<void()> work);

}  // namespace weft::emulation
