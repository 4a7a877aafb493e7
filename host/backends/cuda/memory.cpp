#include "backends/cuda/memory.hpp"

#include <algorithm>

namespace weft::cuda {
namespace {

// A little more than asked for, so that batches of nearly the same size do not allocate again and again.
std::size_t with_slack(std::size_t bytes) { return (bytes + bytes / 8 + 4095) / 4096 * 4096; }

}  // namespace

void* Heap::allocate(std::size_t bytes) {
  std::uint64_t used = used_;
  do {
    if (bytes > limit_ || used > limit_ - bytes) return nullptr;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  void* memory = device_->allocate(bytes);
  if (memory == nullptr) {
    used_ -= bytes;
    return nullptr;
  }
  std::uint64_t peak = peak_;
  while (peak < used + bytes && !peak_.compare_exchange_weak(peak, used + bytes)) {
  }
  return memory;
}

void Heap::release(void* memory, std::size_t bytes) noexcept {
  device_->release(memory);
  used_ -= bytes;
}

bool DeviceBuffer::reserve(std::size_t bytes) {
  if (bytes <= size_) return true;
  reset();
  std::size_t size = with_slack(bytes);
  memory_ = heap_.allocate(size);
  if (memory_ == nullptr) memory_ = heap_.allocate(size = bytes);
  size_ = memory_ != nullptr ? size : 0;
  return memory_ != nullptr;
}

void DeviceBuffer::reset() noexcept {
  if (memory_ != nullptr) heap_.release(memory_, size_);
  memory_ = nullptr;
  size_ = 0;
}

bool PinnedBuffer::reserve(std::size_t bytes) {
  if (bytes <= size_) return true;
  reset();
  const std::size_t size = with_slack(bytes);
  memory_ = device_.allocate_pinned(size);
  size_ = memory_ != nullptr ? size : 0;
  return memory_ != nullptr;
}

void PinnedBuffer::reset() noexcept {
  if (memory_ != nullptr) device_.release_pinned(memory_);
  memory_ = nullptr;
  size_ = 0;
}

}  // namespace weft::cuda
