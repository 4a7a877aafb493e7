// Vectors that the CPU clusters.
#pragma once

#include "cluster/vector_set.hpp"

namespace weft::cluster {

class HostVectorSet final : public VectorSet {
 public:
  HostVectorSet(std::span<const float> values, std::span<const float> weights, std::size_t dimension,
                std::uint32_t threads);

  void assign(std::span<const float> entries, std::span<const float> biases) override;
  void approach(std::span<const float> entries, std::span<const float> biases) override;
  [[nodiscard]] EntryTotals totals(std::size_t entries) override;
  [[nodiscard]] std::uint64_t chances() override;
  [[nodiscard]] std::vector<std::uint64_t> drawn(std::span<const std::uint64_t> points) override;

 private:
  [[nodiscard]] core::VectorSums sums() const;

  std::uint32_t threads_;
  Nearest nearest_, to_new_;
  std::vector<std::uint64_t> chances_;  // up to each vector
};

}  // namespace weft::cluster
