#include "backends/cuda/clusterer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "backends/cuda/device_sorted_values.hpp"
#include "backends/cuda/device_vector_set.hpp"
#include "backends/cuda/transfers.hpp"
#include "text/units.hpp"

namespace weft::cuda {
namespace {

// Fewer are clustered on the CPU before a device has answered its questions.
constexpr std::size_t kFewestValues = std::size_t{1} << 16, kFewestVectors = std::size_t{1} << 13;
constexpr std::size_t kMostVectors = UINT32_MAX;

class DeviceClusterer final : public Clusterer {
 public:
  DeviceClusterer(Heap& heap, Notes& notes)
      : heap_(heap), notes_(notes), cpu_(make_cpu_clusterer()), memory_(heap), queue_(heap.device().make_queue()) {}

  [[nodiscard]] cluster::ScalarClusters scalars(std::span<const float> values, std::span<const float> weights,
                                                const cluster::ScalarOptions& options) override {
    if (values.size() < kFewestValues || options.clusters > DeviceSortedValues::kMostClusters)
      return cpu_->scalars(values, weights, options);
    const DeviceSortedValues::Layout layout(heap_.device(), values.size(), !weights.empty());
    if (!reserve(layout.total_bytes)) return cpu_->scalars(values, weights, options);
    DeviceSortedValues sorted(*queue_, layout, memory_.data(), values.size());
    sorted.sort(values, weights, options.threads);
    cluster::ScalarClusters clusters = cluster::cluster_scalars(sorted, options);
    finish(sorted.copied_bytes());
    return clusters;
  }

  [[nodiscard]] cluster::VectorClusters vectors(std::span<const float> values, std::span<const float> weights,
                                                const cluster::VectorOptions& options) override {
    const std::size_t d = options.dimension, n = values.size() / d;
    if (n < kFewestVectors || n > kMostVectors) return cpu_->vectors(values, weights, options);
    const DeviceVectorSet::Layout layout(n, d, !weights.empty(), std::min<std::size_t>(options.clusters, n));
    if (!reserve(layout.total_bytes)) return cpu_->vectors(values, weights, options);
    DeviceVectorSet set(*queue_, layout, memory_.data(), values, weights, d);
    cluster::VectorClusters clusters = cluster::cluster_vectors(set, options);
    finish(set.copied_bytes());
    return clusters;
  }

  TransferTimes take_transfer_times() override { return std::exchange(transfers_, {}); }

 private:
  [[nodiscard]] bool reserve(std::size_t bytes) {
    if (memory_.reserve(bytes)) return true;
    notes_.add(
        fmt::format("{} has no {} of memory left for a clustering, so some were found on the CPU; raise "
                    "--device-memory or use fewer threads",
                    heap_.device().name(), text::binary_bytes(bytes)));
    return false;
  }
  // Memory goes back at once: coders of segments share the heap.
  void finish(std::uint64_t copied) {
    memory_.reset();
    add_transfers(transfers_, *queue_, copied);
  }

  Heap& heap_;
  Notes& notes_;
  std::unique_ptr<Clusterer> cpu_;
  DeviceBuffer memory_;
  std::unique_ptr<Queue> queue_;  // after the memory that its work uses, for it waits when it goes
  TransferTimes transfers_;
};

}  // namespace

std::unique_ptr<Clusterer> make_device_clusterer(Heap& heap, Notes& notes) {
  return std::make_unique<DeviceClusterer>(heap, notes);
}

}  // namespace weft::cuda
