// Vectors that are clustered, with the entry that each was found nearest to and its distance: wherever these are
// kept.
//
// * Values and weights are brought to scale once (VectorScale; weights from 0 to 1) and stay on the host, too:
//   entries are drawn from them.
// * All implementations give the same answers to the bit (weft/core/vector_sums.hpp; cpu::Kernels::nearest).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cluster/vector_distances.hpp"
#include "cluster/vector_scale.hpp"
#include "weft/core/vector_sums.hpp"

namespace weft::cluster {

// Of the vectors that are nearest to each entry.
struct EntryTotals {
  std::vector<std::uint64_t> sizes, weights;  // weights in units of 2^-30; without weights as sizes
  std::vector<core::Int128> moments;          // weight x value, per component; values in units of 2^-40
  double error = 0;                           // weighted sum of all squared distances
};

class VectorSet {
 public:
  VectorSet(const VectorSet&) = delete;
  VectorSet& operator=(const VectorSet&) = delete;
  virtual ~VectorSet() = default;

  [[nodiscard]] const VectorScale& scale() const { return scale_; }
  [[nodiscard]] Vectors vectors() const { return {scaled_, dimension_}; }
  [[nodiscard]] std::span<const float> weights() const { return weights_; }  // none, or one for each vector
  [[nodiscard]] double weight_unit() const { return weight_unit_; }          // what a weight of 1 was

  // Finds the nearest of these entries, and distances to them.
  virtual void assign(std::span<const float> entries, std::span<const float> biases) = 0;
  // Lowers distances to those of these entries where they are lower.
  virtual void approach(std::span<const float> entries, std::span<const float> biases) = 0;
  // After assign(), for as many entries.
  [[nodiscard]] virtual EntryTotals totals(std::size_t entries) = 0;

  // The sum of all vectors' chances to be drawn (core::draw_units), by the distances; before any, all are as far away.
  [[nodiscard]] virtual std::uint64_t chances() = 0;
  // The vectors that have these chances, which lie below the last sum, if all are put in a row.
  [[nodiscard]] virtual std::vector<std::uint64_t> drawn(std::span<const std::uint64_t> points) = 0;

 protected:
  // Distances before any entry: beyond all real ones, and alike.
  static constexpr float kFirstDistance = static_cast<float>(core::kMostDistance);

  VectorSet(std::span<const float> values, std::span<const float> weights, std::size_t dimension);

  // From core::totals_width numbers for each entry, and the errors of all pieces.
  [[nodiscard]] EntryTotals join_totals(std::span<const std::uint64_t> numbers, std::span<const double> errors) const;

 private:
  std::size_t dimension_;
  VectorScale scale_;
  std::vector<float> scaled_, weights_;
  double weight_unit_ = 1;
};

}  // namespace weft::cluster
