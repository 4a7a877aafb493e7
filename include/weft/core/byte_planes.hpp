// Units and byte planes (FORMAT.md 3.2).
//
// A float is rotated left by one bit first: the sign goes to the bottom, the exponent to the top, and for BF16 and F32
// the first plane is the exponent alone; for F16 it is the exponent and the first three bits of the mantissa.
#pragma once

#include "weft/core/platform.hpp"

namespace weft::core {

template <class Unit>
WEFT_HD constexpr Unit rotate_sign_down(Unit unit) {
  return static_cast<Unit>(unit << 1 | unit >> (8 * sizeof(Unit) - 1));
}

template <class Unit>
WEFT_HD constexpr Unit rotate_sign_up(Unit unit) {
  return static_cast<Unit>(unit >> 1 | unit << (8 * sizeof(Unit) - 1));
}

// Plane 0 is the most significant byte.
template <class Unit>
WEFT_HD constexpr std::uint8_t plane_byte(Unit unit, int plane) {
  return static_cast<std::uint8_t>(unit >> (8 * (static_cast<int>(sizeof(Unit)) - 1 - plane)));
}

}  // namespace weft::core
