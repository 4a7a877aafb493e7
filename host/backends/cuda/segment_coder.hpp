// A coder that works on a GPU, and on the CPU where the GPU cannot.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cuda/memory.hpp"

namespace weft::cuda {

// Lines for the user, each once, from all coders.
class Notes {
 public:
  void add(const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (known_.insert(line).second) lines_.push_back(line);
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::string> known_;
  std::vector<std::string> lines_;
};

// Borrows all of them.
[[nodiscard]] std::unique_ptr<SegmentCoder> make_segment_coder(Heap& heap, Notes& notes);

// On these devices, coders taking turns; limit: bytes on each device, 0 for most of what is free.
[[nodiscard]] std::unique_ptr<Backend> make_device_backend(std::vector<std::shared_ptr<Device>> devices,
                                                           std::uint64_t limit);

}  // namespace weft::cuda
