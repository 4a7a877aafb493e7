// Copies of what a clustering asks and is told: each one is waited for, and counted.
#pragma once

#include <span>

#include "backends/backend.hpp"
#include "backends/cuda/device.hpp"

namespace weft::cuda {

class Transfers {
 public:
  explicit Transfers(Queue& queue) : queue_(queue) {}

  // `from` must live until the next download.
  void upload(void* to, const void* from, std::size_t bytes) {
    queue_.phase(Phase::kUpload);
    queue_.to_device(to, from, bytes);
    queue_.phase(Phase::kKernels);
    copied_ += bytes;
  }
  // Waits for it, and for all that comes before it.
  void download(void* to, const void* from, std::size_t bytes) {
    queue_.phase(Phase::kDownload);
    queue_.to_host(to, from, bytes);
    queue_.wait();
    queue_.phase(Phase::kKernels);
    copied_ += bytes;
  }
  [[nodiscard]] std::uint64_t copied_bytes() const noexcept { return copied_; }

 private:
  Queue& queue_;
  std::uint64_t copied_ = 0;
};

// Adds what a queue has copied, and for how long, since it was asked last.
inline void add_transfers(TransferTimes& to, Queue& queue, std::uint64_t bytes) {
  const PhaseTimes times = queue.take_times();
  to.seconds += times.seconds[static_cast<std::size_t>(Phase::kUpload)] +
                times.seconds[static_cast<std::size_t>(Phase::kDownload)];
  to.bytes += bytes;
}

// Gives out a device's memory, piece by piece.
class Places {
 public:
  [[nodiscard]] std::size_t take(std::size_t bytes) {
    const std::size_t at = bytes_;
    bytes_ += (bytes + 255) / 256 * 256;
    return at;
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

}  // namespace weft::cuda
