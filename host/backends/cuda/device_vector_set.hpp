// Vectors that a device clusters.
//
// * Only what is small comes back: totals of the entries, sums of pieces, the numbers of drawn vectors.
// * It takes 4 d + 12.2 bytes a vector, 4 more with weights, and for each entry 20 d + 44.
#pragma once

#include "backends/cuda/device.hpp"
#include "backends/cuda/transfers.hpp"
#include "cluster/vector_set.hpp"

namespace weft::cuda {

class DeviceVectorSet final : public cluster::VectorSet {
 public:
  // Where things lie in the device's memory, for so many vectors, and at most so many entries.
  struct Layout {
    std::size_t vectors = 0, weights = 0, nearest = 0, distances = 0, unsettled = 0, unsettled_count = 0, entries = 0,
                biases = 0, totals = 0, pieces = 0, draw_sums = 0, points = 0, drawn = 0, total_bytes = 0;
    Layout(std::uint64_t n, std::size_t dimension, bool weighted, std::size_t entries);
  };

  // Borrows the queue and layout.total_bytes of its device's memory. There is at least one vector, and fewer than 2^32.
  DeviceVectorSet(Queue& queue, const Layout& layout, std::byte* memory, std::span<const float> values,
                  std::span<const float> weights, std::size_t dimension);

  void assign(std::span<const float> entries, std::span<const float> biases) override;
  void approach(std::span<const float> entries, std::span<const float> biases) override;
  [[nodiscard]] cluster::EntryTotals totals(std::size_t entries) override;
  [[nodiscard]] std::uint64_t chances() override;
  [[nodiscard]] std::vector<std::uint64_t> drawn(std::span<const std::uint64_t> points) override;

  // As they are after assign(), for tests.
  [[nodiscard]] cluster::Nearest nearest();
  [[nodiscard]] std::uint64_t copied_bytes() const noexcept { return transfers_.copied_bytes(); }

 private:
  void search(std::span<const float> entries, std::span<const float> biases, bool keep_lower);

  Transfers transfers_;
  Queue& queue_;
  VectorArrays arrays_{};
  float *entries_, *biases_;
  std::byte* points_;
  std::vector<std::uint64_t> before_;  // chances before each piece, and all
};

}  // namespace weft::cuda
