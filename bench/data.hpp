// Seeded data to measure on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace weft::bench {

// n BF16 weights of a matrix with 1024 columns: N(0, 0.02) with log-normal row scales.
[[nodiscard]] std::vector<std::uint16_t> bf16_weights(std::size_t n, std::uint32_t seed);

// n float32 weights: N(0, 0.02).
[[nodiscard]] std::vector<float> gaussian_values(std::size_t n, std::uint32_t seed);

// n levels of a Gaussian source, quantized so that their order-0 entropy is about `bits` (0.5 to 7).
[[nodiscard]] std::vector<std::uint8_t> gaussian_symbols(std::size_t n, double bits, std::uint32_t seed);

// Order-0 entropy in bits a symbol.
[[nodiscard]] double entropy(std::span<const std::uint8_t> symbols);

}  // namespace weft::bench
