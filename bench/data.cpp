#include "data.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <random>

#include "weft/core/half.hpp"

namespace weft::bench {

std::vector<std::uint16_t> bf16_weights(std::size_t n, std::uint32_t seed) {
  constexpr std::size_t kColumns = 1024;
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<std::uint16_t> weights(n);
  float scale = 0;
  for (std::size_t i = 0; i < n; i++) {
    if (i % kColumns == 0) scale = 0.02f * std::exp(0.5f * normal(random));
    weights[i] = core::f32_to_bf16(std::bit_cast<std::uint32_t>(scale * normal(random)));
  }
  return weights;
}

std::vector<float> gaussian_values(std::size_t n, std::uint32_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> values(n);
  for (auto& value : values) value = normal(random);
  return values;
}

std::vector<std::uint8_t> gaussian_symbols(std::size_t n, double bits, std::uint32_t seed) {
  // The entropy of a Gaussian in cells of width d is about log2(sigma / d) + 2.05 bits above one bit; below, a fit.
  double sigma = std::exp2(bits - 2.05);
  if (bits < 1.5) sigma = 0.22 + 0.35 * bits * bits;
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(128, sigma);
  std::vector<std::uint8_t> symbols(n);
  for (auto& symbol : symbols) symbol = static_cast<std::uint8_t>(std::clamp(std::round(normal(random)), 0.0, 255.0));
  return symbols;
}

double entropy(std::span<const std::uint8_t> symbols) {
  std::array<double, 256> counts{};
  for (const auto symbol : symbols) counts[symbol]++;
  double bits = 0;
  for (const double count : counts)
    if (count > 0) bits -= count * std::log2(count / static_cast<double>(symbols.size()));
  return bits / static_cast<double>(symbols.size());
}

}  // namespace weft::bench
