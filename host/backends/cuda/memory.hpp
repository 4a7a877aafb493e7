// A device's memory under a limit, and buffers that keep what they have got.
//
// All coders of a backend on one device share a Heap, so that --device-memory bounds them together.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "backends/cuda/device.hpp"

namespace weft::cuda {

class Heap {
 public:
  Heap(std::shared_ptr<Device> device, std::uint64_t limit) : device_(std::move(device)), limit_(limit) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  [[nodiscard]] Device& device() const noexcept { return *device_; }
  [[nodiscard]] std::uint64_t limit() const noexcept { return limit_; }
  [[nodiscard]] std::uint64_t peak() const noexcept { return peak_; }
  // Null beyond the limit, or when the device has no more.
  [[nodiscard]] void* allocate(std::size_t bytes);
  void release(void* memory, std::size_t bytes) noexcept;

 private:
  std::shared_ptr<Device> device_;
  std::uint64_t limit_;
  std::atomic<std::uint64_t> used_{0}, peak_{0};
};

// Memory that grows when more is asked for and never shrinks; its content does not survive growing.
class DeviceBuffer {
 public:
  explicit DeviceBuffer(Heap& heap) : heap_(heap) {}
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer() { reset(); }
  // False when there is not that much: the buffer is then empty.
  [[nodiscard]] bool reserve(std::size_t bytes);
  [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(memory_); }
  void reset() noexcept;

 private:
  Heap& heap_;
  void* memory_ = nullptr;
  std::size_t size_ = 0;
};

class PinnedBuffer {
 public:
  explicit PinnedBuffer(Device& device) : device_(device) {}
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;
  ~PinnedBuffer() { reset(); }
  [[nodiscard]] bool reserve(std::size_t bytes);
  [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(memory_); }

 private:
  void reset() noexcept;
  Device& device_;
  void* memory_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace weft::cuda
