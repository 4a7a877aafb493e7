// The Device interface on CUDA: one object for each GPU.
//
// Out of memory is an answer, not a failure; CUDA would report it again later if it were not taken away.
#include <cuda_runtime_api.h>

#include <string>
#include <utility>

#include "backends/cuda/find_devices.hpp"
#include "cuda_queue.hpp"
#include "kernels/kernels.hpp"

namespace weft::cuda {
namespace {

constexpr int kOldestMajor = 8;  // what the kernels are compiled for

class CudaDevice final : public Device {
 public:
  CudaDevice(int ordinal, std::string name) : ordinal_(ordinal), name_(std::move(name)) {}

  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] void* allocate(std::size_t bytes) override {
    const Current current(ordinal_);
    void* memory = nullptr;
    return or_null(cudaMalloc(&memory, bytes), "allocating memory") ? memory : nullptr;
  }
  void release(void* memory) noexcept override {
    release_on(ordinal_, [memory] { cudaFree(memory); });
  }
  [[nodiscard]] void* allocate_pinned(std::size_t bytes) override {
    const Current current(ordinal_);
    void* memory = nullptr;
    return or_null(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable), "pinning memory") ? memory : nullptr;
  }
  void release_pinned(void* memory) noexcept override {
    release_on(ordinal_, [memory] { cudaFreeHost(memory); });
  }
  [[nodiscard]] std::unique_ptr<Queue> make_queue() override { return make_cuda_queue(ordinal_); }
  [[nodiscard]] std::uint64_t free_bytes() override {
    const Current current(ordinal_);
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for its memory");
    return free;
  }
  [[nodiscard]] std::size_t sort_scratch_bytes(std::uint64_t n, bool weighted) override {
    const Current current(ordinal_);
    std::size_t bytes = 0;
    check(cuda::sort_scratch_bytes(n, weighted, bytes), "asking what a sort needs");
    return bytes;
  }

 private:
  static bool or_null(cudaError_t status, const char* doing) {
    if (status == cudaErrorMemoryAllocation) {
      (void)cudaGetLastError();
      return false;
    }
    check(status, doing);
    return true;
  }

  int ordinal_;
  std::string name_;
};

std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

}  // namespace

DeviceList cuda_devices() {
  int driver = 0, count = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) return {{}, "no NVIDIA driver is installed", false};
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver)
    return {{},
            "the NVIDIA driver is too old: it knows CUDA " + version(driver) + ", and this build needs " +
                version(CUDART_VERSION) + "; update the driver",
            true};
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0))
    return {{}, "the NVIDIA driver finds no GPU (CUDA_VISIBLE_DEVICES may hide it)", false};
  if (status != cudaSuccess) return {{}, std::string("CUDA does not start: ") + cudaGetErrorString(status), true};
  DeviceList list;
  for (int i = 0; i < count; i++) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) continue;
    if (properties.major < kOldestMajor) {
      list.why_none = std::string(properties.name) + " is too old: its compute capability is " +
                      std::to_string(properties.major) + "." + std::to_string(properties.minor) +
                      ", and weft needs 8.0";
      continue;
    }
    list.devices.push_back(std::make_shared<CudaDevice>(i, properties.name));
  }
  if (!list.devices.empty()) list.why_none.clear();
  list.expected = list.devices.empty();
  return list;
}

}  // namespace weft::cuda
