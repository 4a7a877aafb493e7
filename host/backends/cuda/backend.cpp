// Choosing a backend by name, and the one that spreads its coders over GPUs.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <deque>

#include "backends/cuda/clusterer.hpp"
#include "backends/cuda/find_devices.hpp"
#include "backends/cuda/row_meter.hpp"
#include "backends/cuda/segment_coder.hpp"
#include "weft/error.hpp"

namespace weft {
namespace cuda {
namespace {

constexpr std::uint64_t kBatchBytes = 32u << 20;  // enough for a GPU, and small beside the limits on memory
// Device memory that a batch needs at most for each byte of units: blocks, units, scratch, and what a buffer adds.
// Codec trellis with many states needs up to four times as much, and codebooks of vectors a little more: they have
// their batches halved where there is less.
constexpr std::uint64_t kDevicePerUnitByte = 6;

class CudaBackend final : public Backend {
 public:
  CudaBackend(std::vector<std::shared_ptr<Device>> devices, std::uint64_t limit) {
    for (auto& device : devices) {
      const std::uint64_t usable = device->free_bytes() / 4 * 3;
      heaps_.emplace_back(std::move(device), limit != 0 ? limit : usable);
    }
  }
  [[nodiscard]] std::string name() const override {
    std::string name = "cuda (" + heaps_.front().device().name() + ")";
    if (heaps_.size() > 1) name = fmt::format("{} x {}", heaps_.size(), name);
    return name;
  }
  [[nodiscard]] std::unique_ptr<SegmentCoder> make_coder() const override {
    return make_segment_coder(heaps_[next_++ % heaps_.size()], notes_);
  }
  [[nodiscard]] std::unique_ptr<Clusterer> make_clusterer() const override {
    return make_device_clusterer(heaps_[next_clusterer_++ % heaps_.size()], notes_);
  }
  [[nodiscard]] std::uint32_t clusterers() const override { return static_cast<std::uint32_t>(heaps_.size()); }
  [[nodiscard]] std::unique_ptr<RowMeter> make_row_meter() const override {
    return make_device_row_meter(heaps_[next_++ % heaps_.size()], notes_);
  }
  [[nodiscard]] std::uint64_t batch_bytes(std::uint32_t coders) const override {
    std::uint64_t smallest = UINT64_MAX;
    for (const Heap& heap : heaps_) smallest = std::min(smallest, heap.limit());
    const std::uint64_t coders_each = (coders + heaps_.size() - 1) / heaps_.size();
    return std::clamp<std::uint64_t>(smallest / coders_each / kDevicePerUnitByte, 1, kBatchBytes);
  }
  [[nodiscard]] std::uint64_t peak_device_bytes() const override {
    std::uint64_t peak = 0;
    for (const Heap& heap : heaps_) peak += heap.peak();
    return peak;
  }
  [[nodiscard]] std::vector<std::string> notes() const override { return notes_.lines(); }

 private:
  mutable std::deque<Heap> heaps_;
  mutable Notes notes_;
  mutable std::atomic<std::size_t> next_{0}, next_clusterer_{0};
};

}  // namespace

std::unique_ptr<Backend> make_device_backend(std::vector<std::shared_ptr<Device>> devices, std::uint64_t limit) {
  return std::make_unique<CudaBackend>(std::move(devices), limit);
}

}  // namespace cuda

namespace {

// The CPU, and a line about the GPU that was not to be had.
class Fallback final : public Backend {
 public:
  explicit Fallback(std::string note) : note_(std::move(note)) {}
  [[nodiscard]] std::string name() const override { return cpu_->name(); }
  [[nodiscard]] std::unique_ptr<SegmentCoder> make_coder() const override { return cpu_->make_coder(); }
  [[nodiscard]] std::unique_ptr<Clusterer> make_clusterer() const override { return cpu_->make_clusterer(); }
  [[nodiscard]] std::unique_ptr<RowMeter> make_row_meter() const override { return cpu_->make_row_meter(); }
  [[nodiscard]] std::vector<std::string> notes() const override { return {note_}; }

 private:
  std::unique_ptr<Backend> cpu_ = make_cpu_backend();
  std::string note_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(const std::string& device, std::uint64_t device_memory) {
  if (device == "cpu") return make_cpu_backend();
  cuda::DeviceList found = cuda::find_devices();
  if (found.devices.empty()) {
    if (device != "auto")
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("cannot run on {}: {}; use --device cpu, or auto", device, found.why_none));
    if (!found.expected) return make_cpu_backend();
    return std::make_unique<Fallback>(fmt::format("running on the CPU: {}", found.why_none));
  }
  std::size_t number = 0;
  if (const auto colon = device.find(':'); colon != std::string::npos)
    std::from_chars(device.data() + colon + 1, device.data() + device.size(), number);
  if (number >= found.devices.size())
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("cannot run on {}: this machine has {} usable GPU{}, numbered from 0; use --device cpu, or auto",
                    device, found.devices.size(), found.devices.size() == 1 ? "" : "s"));
  if (device != "cuda:all") found.devices = {found.devices[number]};
  try {
    return cuda::make_device_backend(std::move(found.devices), device_memory);
  } catch (const Error& error) {  // such as no memory left for a context
    if (device != "auto") throw;
    return std::make_unique<Fallback>(fmt::format("running on the CPU: {}", error.what()));
  }
}

}  // namespace weft
