// Values sorted on the CPU. Without weights the memory is 4.5 bytes a value, and 4 more while sorting.
#pragma once

#include <memory>

#include "cluster/sorted_values.hpp"

namespace weft::cluster {

class HostSortedValues final : public SortedValues {
 public:
  HostSortedValues(std::span<const float> values, std::span<const float> weights, std::uint32_t threads);

  [[nodiscard]] std::vector<std::uint64_t> run_edges(std::uint64_t most) const override;

 private:
  void find(std::span<const core::PlaceQuestion> questions, std::span<core::Place> places) const override;
  [[nodiscard]] std::vector<double> squares(std::span<const std::uint64_t> edges,
                                            std::span<const double> centroids) const override;

  void sort_plain(std::span<const float> values);
  void sort_weighted(std::span<const float> values, std::span<const std::uint32_t> weights);
  void sum_up();

  std::uint32_t threads_;
  std::unique_ptr<std::uint32_t[]> keys_, weights_;
  std::vector<core::Prefix> prefix_;
  core::SortedKeys sorted_;
};

}  // namespace weft::cluster
