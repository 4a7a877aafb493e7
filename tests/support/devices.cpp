#include "support/devices.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>

namespace weft::testing {
namespace {

class BoundedDevice final : public cuda::Device {
 public:
  BoundedDevice(std::shared_ptr<cuda::Device> device, std::uint64_t memory)
      : device_(std::move(device)), memory_(memory) {}
  BoundedDevice(const BoundedDevice&) = delete;
  BoundedDevice& operator=(const BoundedDevice&) = delete;
  ~BoundedDevice() override {
    if (!sizes_.empty()) std::abort();
  }
  [[nodiscard]] std::string name() const override { return device_->name(); }
  [[nodiscard]] void* allocate(std::size_t bytes) override {
    const std::lock_guard lock(mutex_);
    if (bytes > memory_ - used_) return nullptr;
    void* memory = device_->allocate(bytes);
    if (memory != nullptr) used_ += sizes_[memory] = bytes;
    return memory;
  }
  void release(void* memory) noexcept override {
    const std::lock_guard lock(mutex_);
    const auto found = sizes_.find(memory);
    used_ -= found->second;
    sizes_.erase(found);
    device_->release(memory);
  }
  [[nodiscard]] void* allocate_pinned(std::size_t bytes) override { return device_->allocate_pinned(bytes); }
  void release_pinned(void* memory) noexcept override { device_->release_pinned(memory); }
  [[nodiscard]] std::unique_ptr<cuda::Queue> make_queue() override { return device_->make_queue(); }
  [[nodiscard]] std::uint64_t free_bytes() override {
    const std::lock_guard lock(mutex_);
    return std::min(memory_ - used_, device_->free_bytes());
  }
  [[nodiscard]] std::size_t sort_scratch_bytes(std::uint64_t n, bool weighted) override {
    return device_->sort_scratch_bytes(n, weighted);
  }

 private:
  std::shared_ptr<cuda::Device> device_;
  std::uint64_t memory_, used_ = 0;
  std::map<void*, std::uint64_t> sizes_;
  std::mutex mutex_;
};

}  // namespace

const std::vector<std::shared_ptr<cuda::Device>>& devices() {
  static const std::vector<std::shared_ptr<cuda::Device>> found = cuda::find_devices().devices;
  return found;
}

std::shared_ptr<cuda::Device> a_device(std::uint64_t memory) {
  return std::make_shared<BoundedDevice>(devices().front(), memory);
}

}  // namespace weft::testing
