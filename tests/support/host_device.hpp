// A device for the CUDA backend that is no GPU: the kernels' bodies run on the host with the portable model of a warp.
//
// Everything that is queued happens at wait(), not before, so that a test sees who does not wait. Memory is bounded, so
// that a test can run out of it.
#pragma once

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "backends/cuda/device.hpp"

namespace weft::testing {

// In host_device.cpp, which is compiled once: it has all kernels in it.
[[nodiscard]] std::unique_ptr<cuda::Queue> make_host_queue();

class HostDevice final : public cuda::Device {
 public:
  explicit HostDevice(std::uint64_t memory = std::uint64_t{1} << 32) : memory_(memory) {}
  HostDevice(const HostDevice&) = delete;
  HostDevice& operator=(const HostDevice&) = delete;
  // Everything has been given back.
  ~HostDevice() override {
    if (!sizes_.empty()) std::abort();
  }
  [[nodiscard]] std::string name() const override { return "emulated"; }
  [[nodiscard]] void* allocate(std::size_t bytes) override {
    const std::lock_guard lock(mutex_);
    if (bytes > memory_ - used_) return nullptr;
    void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    std::memset(memory, 0xA5, bytes);
    used_ += sizes_[memory] = bytes;
    return memory;
  }
  void release(void* memory) noexcept override {
    const std::lock_guard lock(mutex_);
    const auto found = sizes_.find(memory);
    used_ -= found->second;
    sizes_.erase(found);
    std::free(memory);
  }
  [[nodiscard]] void* allocate_pinned(std::size_t bytes) override { return std::aligned_alloc(4096, bytes); }
  void release_pinned(void* memory) noexcept override { std::free(memory); }
  [[nodiscard]] std::unique_ptr<cuda::Queue> make_queue() override { return make_host_queue(); }
  [[nodiscard]] std::uint64_t free_bytes() override { return memory_; }
  [[nodiscard]] std::size_t sort_scratch_bytes(std::uint64_t, bool) override { return 1; }

 private:
  std::uint64_t memory_, used_ = 0;
  std::map<void*, std::uint64_t> sizes_;
  std::mutex mutex_;
};

}  // namespace weft::testing
