// From weights to levels: fixed-point values, thresholds, corrections (quantize.hpp says how they belong together).
#pragma once

#include "weft/core/dequantize.hpp"
#include "weft/core/frequency.hpp"

namespace weft::core {

// value * inverse in 1/1024 cells, rounded to nearest even; kOutOfRange unless |that| < limit, so for NaN too.
WEFT_HD std::int32_t to_fixed(float value, float inverse, float limit) {
  const float scaled = value * inverse * static_cast<float>(1 << kFixedBits);
#if defined(__CUDA_ARCH__)
  return fabsf(scaled) < limit ? static_cast<std::int32_t>(rintf(scaled)) : kOutOfRange;
#else
  const bool inside = __builtin_fabsf(scaled) < limit;
  return inside ? static_cast<std::int32_t>(__builtin_rintf(inside ? scaled : 0.0f)) : kOutOfRange;
#endif
}

// The largest fixed-point value of a level that can be said.
WEFT_HD float fixed_limit(int low_bits) {
  return static_cast<float>(highest_level(low_bits)) * static_cast<float>(1 << kFixedBits);
}

// Cells per unit of weight, for a fine step.
WEFT_HD float inverse_step(float fine_step) { return 1.0f / (fine_step * static_cast<float>(1 << kFineBits)); }

// lambda is in squared cells a bit, prices in 1/256 bit: lambda * price / 2 in fixed-point units is
// lambda_weight * price / 2^20, with lambda_weight = lambda * 2^21 rounded.
//
// Entry `symbol` of the thresholds without low bits: the largest value that stays below the symbol's level. The boundary
// between two neighbours moves towards the rarer one. `frequencies` may be null: halfway.
WEFT_HD std::int32_t level_threshold(const std::uint16_t* frequencies, std::int64_t lambda_weight, int symbol) {
  constexpr std::int64_t kCell = 1 << kFixedBits, kUnseen = (kProbBits + 2) << 8;
  if (symbol == 0) return INT32_MIN;
  if (symbol == 256) return INT32_MAX;  // there is no level 128
  std::int64_t shift = 0;
  if (frequencies != nullptr) {
    const std::uint16_t mine = frequencies[symbol], below = frequencies[symbol - 1];
    const std::int64_t rise = (mine != 0 ? static_cast<std::int64_t>(code_length(mine)) : kUnseen) -
                              (below != 0 ? static_cast<std::int64_t>(code_length(below)) : kUnseen);
    shift = lambda_weight * rise / (1 << 20);
  }
  shift = shift < -kCell / 2 ? -kCell / 2 : shift > kCell / 2 ? kCell / 2 : shift;
  return static_cast<std::int32_t>((lowest_level(0) + symbol - 1) * kCell + kCell / 2 + shift);
}

// How far cells' means lie inside of their levels, in fine steps: `inward` sums |level| - |value| over `count` values.
WEFT_HD std::int8_t correction_of(std::int64_t inward, std::int64_t count) {
  if (count == 0) return 0;
  const std::int64_t unit = count << (kFixedBits - kFineBits);
  const std::int64_t rounded = inward >= 0 ? (inward + unit / 2) / unit : -((unit / 2 - inward) / unit);
  return static_cast<std::int8_t>(rounded < -32 ? -32 : rounded > 32 ? 32 : rounded);
}

// The nearest level with low bits; what is out of range counts as 0.
WEFT_HD std::uint32_t nearest_code(std::int32_t fixed, int low_bits) {
  const std::int32_t value = fixed == kOutOfRange ? 0 : fixed;
  return level_code((value + (1 << (kFixedBits - 1))) >> kFixedBits, low_bits);
}

// The symbol by thresholds, without low bits; what is out of range counts as 0.
WEFT_HD std::uint32_t symbol_by_threshold(std::int32_t fixed, const std::int32_t* thresholds) {
  constexpr std::int32_t kLowest = lowest_level(0);
  return static_cast<std::uint32_t>(level_by_threshold(fixed == kOutOfRange ? 0 : fixed, thresholds, kLowest) -
                                    kLowest);
}

}  // namespace weft::core
