// Values in ascending order, with prefix sums that price any interval in constant time.
//
// * Sums are exact integers: a value counts in units of 2^-56 of the power of two above the largest magnitude (smaller parts
//   are cut off), a weight in units of 2^-min(31, 62 - log2 n) of the one above the largest weight. A sum of 2^40 values
//   fits in 128 bits.
// * Only every 64th prefix sum is kept; the rest is added up when it is asked for. Without weights the memory is 4.25 bytes
//   a value, and 4 more while sorting.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace weft::cluster {

__extension__ using Int128 = __int128;

struct Sums {
  std::int64_t weight = 0;  // in weight units; without weights, the number of values
  Int128 moment = 0;        // weight x value, in their units

  friend Sums operator-(const Sums& a, const Sums& b) { return {a.weight - b.weight, a.moment - b.moment}; }
};

class SortedValues {
 public:
  SortedValues(std::span<const float> values, std::span<const float> weights, std::uint32_t threads);

  [[nodiscard]] std::size_t size() const { return n_; }
  [[nodiscard]] float value(std::size_t i) const {
    const auto place = static_cast<std::int32_t>(keys_[i] ^ kSign);
    return std::bit_cast<float>(place < 0 ? kSign | static_cast<std::uint32_t>(-place) : keys_[i] ^ kSign);
  }

  // Of the first `count` values.
  [[nodiscard]] Sums sums(std::size_t count) const;

  // How many values are at most `threshold`, given that the first `low` are and those from `high` on are not.
  [[nodiscard]] std::size_t count_up_to(double threshold, std::size_t low, std::size_t high) const;
  [[nodiscard]] std::size_t count_up_to(double threshold) const { return count_up_to(threshold, 0, n_); }

  // The index after the last value that equals the one at `begin`.
  [[nodiscard]] std::size_t run_end(std::size_t begin) const;

  [[nodiscard]] double mean(const Sums& sums) const {
    return static_cast<double>(sums.moment) / static_cast<double>(sums.weight) * value_unit_;
  }
  [[nodiscard]] double weight_unit() const { return weight_unit_; }

  // Weighted sum of squared distances, in weight units: values from edges[j] to edges[j + 1] belong to centroids[j].
  // Added up in sorted order in pieces of fixed size.
  [[nodiscard]] double squared_distances(std::span<const std::size_t> edges, std::span<const double> centroids,
                                         std::uint32_t threads) const;

 private:
  static constexpr std::uint32_t kSign = 0x80000000u;
  static constexpr std::size_t kStride = 64;

  [[nodiscard]] std::int64_t weight(std::size_t i) const { return weights_ ? weights_[i] : 1; }
  void sort_plain(std::span<const float> values, std::uint32_t threads);
  void sort_weighted(std::span<const float> values, std::span<const float> weights, std::uint32_t threads);
  void choose_value_unit();
  void sum_up(std::uint32_t threads);
  [[nodiscard]] Sums sums_between(std::size_t begin, std::size_t end) const;

  std::size_t n_;
  // Sign bit turned, magnitude added or subtracted: ascending as the values are, and both zeros are one key.
  std::unique_ptr<std::uint32_t[]> keys_, weights_;
  std::vector<Sums> prefix_;
  double value_unit_ = 1, units_per_value_ = 1, weight_unit_ = 1;
};

}  // namespace weft::cluster
