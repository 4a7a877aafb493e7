// What is looked at of a tensor to choose its model: all of its weights, or evenly spread rows of a large one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace weft::engine {

inline constexpr std::uint64_t kSampledUnits = 1u << 20;  // of a tensor that is too large to be looked at whole

// What is looked at of a tensor, in steps from level 0: all of it, or whole rows of a matrix.
struct LookedAt {
  std::span<float> values;
  std::vector<std::uint64_t> shape;
  bool is_whole = true;
  std::uint64_t rows = 1, columns = 1;  // of the tensor, when these are some of its rows

  // Makes room for values to come.
  void resize(std::size_t count) {
    if (count > capacity_) {
      memory_.reset();
      memory_ = std::make_unique_for_overwrite<float[]>(count);
      capacity_ = count;
    }
    values = {memory_.get(), count};
  }

 private:
  std::unique_ptr<float[]> memory_;
  std::size_t capacity_ = 0;
};

// How a large tensor of this shape is cut into rows; without usable ones, into runs.
void cut_into_rows(std::span<const std::uint64_t> shape, std::uint64_t units, LookedAt& out);

// Number i of `count` evenly spread rows.
[[nodiscard]] std::uint64_t sampled_row(std::uint64_t i, std::uint64_t count, std::uint64_t rows);

// Of the finite values.
struct Centre {
  double mean = 0;
  double zeros = 0;  // share that is exactly zero
};
[[nodiscard]] Centre centre_of(std::span<const float> values);

// To steps; what is not finite becomes `other`.
void to_steps(std::span<float> values, float inverse, float other);

}  // namespace weft::engine
