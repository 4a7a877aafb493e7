// Values in ascending order, with prefix sums that price any interval in constant time: what clustering of scalars
// sees of them, wherever they were sorted.
//
// * Questions are asked many at a time, because an answer from a device costs the way there and back.
// * A value counts in units of 2^-56 of the power of two above the largest magnitude (smaller parts are cut off), a
//   weight in units of 2^-min(31, 62 - log2 n) of the one above the largest weight. A sum of 2^40 values fits in 128
//   bits.
// * All implementations give the same answers to the bit (weft/core/sorted_keys.hpp).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "weft/core/sorted_keys.hpp"

namespace weft::cluster {

using core::Sums;

// A place between two values, or at an end.
struct Place {
  std::uint64_t index = 0;  // values before it
  Sums sums;                // of these
  double value = 0;         // the value after it; at the end, the last one
};

class SortedValues {
 public:
  SortedValues(const SortedValues&) = delete;
  SortedValues& operator=(const SortedValues&) = delete;
  virtual ~SortedValues() = default;

  [[nodiscard]] std::uint64_t size() const { return n_; }

  // After the values that are at most each threshold.
  [[nodiscard]] std::vector<Place> after(std::span<const double> thresholds) const;
  // Before the value with each index; n: at the end.
  [[nodiscard]] std::vector<Place> before(std::span<const std::uint64_t> indices) const;
  // After the values that equal the one with each index.
  [[nodiscard]] std::vector<Place> run_ends(std::span<const std::uint64_t> indices) const;
  // From 0 to n, wherever a new value begins; none when there are more than `most` different ones.
  [[nodiscard]] virtual std::vector<std::uint64_t> run_edges(std::uint64_t most) const = 0;
  // Weighted sum of squared distances, in weight units: values from edges[j] to edges[j + 1] belong to centroids[j].
  [[nodiscard]] double squared_distances(std::span<const std::uint64_t> edges, std::span<const double> centroids) const;

  [[nodiscard]] double mean(const Sums& sums) const {
    return static_cast<double>(sums.moment) / static_cast<double>(sums.weight) * value_unit_;
  }
  [[nodiscard]] double weight_unit() const { return weight_unit_; }

 protected:
  explicit SortedValues(std::uint64_t n) : n_(n) {}

  // Weights as integers; none when all of them are zero, and values are then placed as if they were equal, at no cost.
  [[nodiscard]] std::vector<std::uint32_t> take_weights(std::span<const float> weights, std::uint32_t threads);
  // By the least and the greatest value; returns what core::SortedKeys wants.
  [[nodiscard]] double take_range(float least, float greatest);

  virtual void find(std::span<const core::PlaceQuestion> questions, std::span<core::Place> places) const = 0;
  // The sum of each piece.
  [[nodiscard]] virtual std::vector<double> squares(std::span<const std::uint64_t> edges,
                                                    std::span<const double> centroids) const = 0;

 private:
  [[nodiscard]] std::vector<Place> ask(std::span<const core::PlaceQuestion> questions) const;

  std::uint64_t n_;
  double value_unit_ = 1, weight_unit_ = 1;
};

}  // namespace weft::cluster
