// Values sorted in device memory.
//
// * Every question is one copy there, one kernel and one copy back, and waits for the answer.
// * Without weights it takes 8.5 bytes a value and a few megabytes; with weights 16.5.
#pragma once

#include "backends/cuda/device.hpp"
#include "backends/cuda/transfers.hpp"
#include "cluster/sorted_values.hpp"

namespace weft::cuda {

class DeviceSortedValues final : public cluster::SortedValues {
 public:
  // More could not be priced in one go.
  static constexpr std::uint32_t kMostClusters = 8192;

  // Where things lie in the device's memory, for so many values.
  struct Layout {
    std::size_t keys = 0, keys_room = 0, weights = 0, weights_room = 0, prefix = 0, questions = 0, answers = 0,
                pieces = 0, scratch = 0, scratch_bytes = 0, total_bytes = 0;
    Layout(Device& device, std::uint64_t n, bool weighted);
  };

  // Borrows the queue and layout.total_bytes of its device's memory. n: at least 1, as the layout's.
  DeviceSortedValues(Queue& queue, const Layout& layout, std::byte* memory, std::uint64_t n);

  // Sorts n values; a layout for weights is for values without them, too.
  void sort(std::span<const float> values, std::span<const float> weights, std::uint32_t threads);
  // Sorts n values that lie in device memory, and stay there as they are.
  void sort_resident(const float* values);

  [[nodiscard]] std::vector<std::uint64_t> run_edges(std::uint64_t most) const override;
  [[nodiscard]] std::uint64_t copied_bytes() const noexcept { return transfers_.copied_bytes(); }

 private:
  void find(std::span<const core::PlaceQuestion> questions, std::span<core::Place> places) const override;
  [[nodiscard]] std::vector<double> squares(std::span<const std::uint64_t> edges,
                                            std::span<const double> centroids) const override;

  mutable Transfers transfers_;
  Queue& queue_;
  ScalarArrays arrays_{};
  std::uint32_t* weights_;
  std::byte *questions_, *answers_;
  double* pieces_;
};

}  // namespace weft::cuda
