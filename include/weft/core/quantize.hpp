// Uniform quantization in fixed point (FORMAT.md 3.3, codec 2).
//
// Read me first:
// * One float32 product and one rounding take a weight to 1/1024 cells; every decision after that is made in integers,
//   so all machines decide alike. Decoding is integers up to one float32 product.
// * The rate-distortion decision between neighbouring levels k - 1 and k is linear in the weight:
//     (a - (k-1))^2 + L r(k-1)  <=  (a - k)^2 + L r(k)   <=>   a <= k - 1/2 + L (r(k) - r(k-1)) / 2
//   so a quantizer is a table of thresholds, and choosing a level is one look-up and one comparison.
#pragma once

#include "weft/core/platform.hpp"

namespace weft::core {

inline constexpr int kFixedBits = 10;                   // a cell is 1024 fixed-point units wide
inline constexpr int kFineBits = 6;                     // a cell is 64 fine steps wide
inline constexpr std::int32_t kSymbolZero = 128;        // the symbol of level 0 (without low bits)
inline constexpr std::int32_t kOutOfRange = INT32_MIN;  // fixed-point value of what cannot be quantized

// Levels with a symbol, for b low bits: [-128 * 2^b - h, 127 * 2^b + h'] with the cells of the symbols centred on zero.
WEFT_HD constexpr std::int32_t low_bits_centre(int low_bits) { return low_bits > 0 ? 1 << (low_bits - 1) : 0; }
WEFT_HD constexpr std::int32_t lowest_level(int low_bits) {
  return -(kSymbolZero << low_bits) - low_bits_centre(low_bits);
}
WEFT_HD constexpr std::int32_t highest_level(int low_bits) { return lowest_level(low_bits) + (256 << low_bits) - 1; }

// Level <-> symbol and low bits: level - lowest_level, split.
WEFT_HD constexpr std::uint32_t level_code(std::int32_t level, int low_bits) {
  return static_cast<std::uint32_t>(level - lowest_level(low_bits));
}
WEFT_HD constexpr std::int32_t level_of(std::uint32_t symbol, std::uint32_t low, int low_bits) {
  return static_cast<std::int32_t>(symbol << low_bits | low) + lowest_level(low_bits);
}

// The level of a fixed-point value. upper_from_lowest[k - lowest] is the largest value that stays below level k.
WEFT_HD std::int32_t level_by_threshold(std::int32_t fixed, const std::int32_t* upper_from_lowest,
                                        std::int32_t lowest) {
  const std::int32_t floor = fixed >> kFixedBits;
  return floor + (fixed > upper_from_lowest[floor + 1 - lowest] ? 1 : 0);
}

// The fine level that a decoder multiplies by the fine step.
WEFT_HD constexpr std::int32_t fine_level(std::int32_t level, const std::int8_t corrections[3]) {
  const std::int32_t size = level < 0 ? -level : level;
  const std::int32_t correction = size == 0 ? 0 : corrections[size < 3 ? size - 1 : 2];
  const std::int32_t fine = level * (1 << kFineBits);
  return level < 0 ? fine + correction : fine - correction;
}

}  // namespace weft::core
