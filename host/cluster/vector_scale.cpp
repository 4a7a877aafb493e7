#include "cluster/vector_scale.hpp"

#include <algorithm>
#include <cmath>

#include "weft/core/nearest_vectors.hpp"

namespace weft::cluster {

float largest_magnitude(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

VectorScale::VectorScale(std::span<const float> values) {
  float largest = 0;
  for (const float value : values)
    if (std::isfinite(value)) largest = std::max(largest, std::fabs(value));
  int exponent = 0;
  (void)std::frexp(largest, &exponent);
  if (largest > 0) factor_ = std::ldexp(1.0f, std::clamp(1 - exponent, -126, 126));
}

void VectorScale::apply(std::span<float> values) const {
  for (float& value : values) value = core::scaled_component(value, factor_);
}

std::vector<float> VectorScale::biases(std::span<const float> entries, int dimension, std::span<const float> bits,
                                       double bit_price) const {
  const auto d = static_cast<std::size_t>(dimension);
  const double price = bit_price * factor() * factor();
  std::vector<float> biases(entries.size() / d);
  for (std::size_t j = 0; j < biases.size(); j++) {
    double sum = 0;
    for (std::size_t k = 0; k < d; k++) {
      const auto x = static_cast<double>(entries[j * d + k]);
      sum += x * x;
    }
    if (!bits.empty()) sum += price * static_cast<double>(bits[j]);
    biases[j] = static_cast<float>(sum / 2);
  }
  return biases;
}

}  // namespace weft::cluster
