// Small networks for the tests of the program.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "support/make_safetensors.hpp"

namespace weft::testing {

// Bell-shaped BF16 weights, which compress as those of real networks do.
inline std::string bf16_weights(std::size_t n, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(2 * n, '\0');
  for (std::size_t i = 0; i < n; i++) {
    const std::uint64_t bits = random();
    float sum = -2;  // of four uniform numbers
    for (int part = 0; part < 4; part++) sum += static_cast<float>(bits >> 16 * part & 0xFFFF) / 65536.0f;
    std::uint32_t word = 0;
    sum *= 0.05f;
    std::memcpy(&word, &sum, 4);
    bytes[2 * i] = static_cast<char>(word >> 16 & 0xFF);
    bytes[2 * i + 1] = static_cast<char>(word >> 24);
  }
  return bytes;
}

inline std::string sample_network(std::size_t rows = 96) {
  return make_safetensors({{"layer.0.weight", "BF16", {rows, 64}, bf16_weights(rows * 64, 1)},
                           {"layer.0.bias", "F32", {4}, bytes_of<float>({0.5f, -0.25f, 1e-30f, 3})},
                           {"steps", "I64", {}, bytes_of<std::int64_t>({12345})}},
                          Metadata{{"format", "pt"}});
}

}  // namespace weft::testing
