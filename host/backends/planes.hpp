// What all backends have to know of the codecs' planes (FORMAT.md 3.2 and 3.3).
#pragma once

#include <cstdint>

#include "weft/dtype.hpp"

namespace weft {

// Whether the units' sign goes to the lowest bit before they are split into planes. One-byte floats are coded whole, and
// rotating them would only rename the symbols.
[[nodiscard]] constexpr bool rotates(DType dtype) noexcept {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 || dtype == DType::kF64 ||
         dtype == DType::kC64;
}

// Bytes of the low bits of n units of a uniform stream.
[[nodiscard]] constexpr std::uint64_t low_bits_bytes(std::uint64_t n, int low_bits) noexcept {
  return low_bits == 0 ? 0 : low_bits == 4 ? (n + 1) / 2 : n;
}

}  // namespace weft
