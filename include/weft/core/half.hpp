// Conversions between float32 and the 16-bit floats, on bit patterns: rounding to nearest even, no hardware needed.
//
// NaNs keep their sign and stay NaNs; quantized weights never are.
#pragma once

#include "weft/core/platform.hpp"

namespace weft::core {

WEFT_HD constexpr std::uint32_t bf16_to_f32(std::uint16_t bits) { return std::uint32_t{bits} << 16; }

WEFT_HD constexpr std::uint16_t f32_to_bf16(std::uint32_t bits) {
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1)) >> 16);
}

WEFT_HD constexpr std::uint32_t f16_to_f32(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16;
  std::uint32_t exponent = bits >> 10 & 31, mantissa = bits & 0x3FFu;
  if (exponent == 31) return sign | 0x7F800000u | mantissa << 13;
  if (exponent == 0) {
    if (mantissa == 0) return sign;
    exponent = 1;  // a subnormal: move its leading one to the hidden bit
    while ((mantissa & 0x400u) == 0) mantissa <<= 1, exponent--;
    mantissa &= 0x3FFu;
  }
  return sign | (exponent + 112) << 23 | mantissa << 13;
}

WEFT_HD constexpr std::uint16_t f32_to_f16(std::uint32_t bits) {
  const std::uint16_t sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
  const std::uint32_t size = bits & 0x7FFFFFFFu;
  if (size > 0x7F800000u) return static_cast<std::uint16_t>(sign | 0x7E00u);
  if (size >= 0x477FF000u) return static_cast<std::uint16_t>(sign | 0x7C00u);  // 65520 and more round to infinity
  if (size >= 0x38800000u) {                                                   // 2^-14: normal
    const std::uint32_t rebased = size - 0x38000000u;
    return static_cast<std::uint16_t>(sign | (rebased + 0xFFFu + (rebased >> 13 & 1)) >> 13);
  }
  if (size < 0x33000000u) return sign;  // below 2^-25: rounds to zero
  const std::uint32_t mantissa = (size & 0x7FFFFFu) | 0x800000u;
  const std::uint32_t shift = 126 - (size >> 23);  // 14 .. 24
  const std::uint32_t kept = mantissa >> shift, rest = mantissa & ((1u << shift) - 1), half = 1u << (shift - 1);
  return static_cast<std::uint16_t>(sign | (kept + (rest > half || (rest == half && (kept & 1) != 0) ? 1 : 0)));
}

}  // namespace weft::core
