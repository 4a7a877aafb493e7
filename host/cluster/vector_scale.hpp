// Vectors and entries brought to a size that float32 arithmetic suits, by a power of two that changes no digit.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace weft::cluster {

// 0 of none.
[[nodiscard]] float largest_magnitude(std::span<const float> values);

class VectorScale {
 public:
  // The largest of these magnitudes becomes 1 to 2, or as near as float32 factors come to it.
  explicit VectorScale(std::span<const float> values);

  // Scales in place. What is not finite becomes zero, what is far beyond all entries is cut off.
  void apply(std::span<float> values) const;
  [[nodiscard]] double factor() const { return factor_; }

  // What an entry costs a vector besides their product: half of its own square, and of the price of its bits, if it has any.
  // Entries are scaled ones, the price is in squares of unscaled values.
  [[nodiscard]] std::vector<float> biases(std::span<const float> entries, int dimension, std::span<const float> bits,
                                          double bit_price) const;

 private:
  float factor_ = 1;
};

}  // namespace weft::cluster
