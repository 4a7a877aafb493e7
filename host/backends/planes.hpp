// What all backends have to know of the codecs' planes (FORMAT.md 3.2 and 3.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "archive/bytes.hpp"
#include "backends/backend.hpp"
#include "weft/core/pairs.hpp"
#include "weft/core/trellis.hpp"
#include "weft/dtype.hpp"

namespace weft {

// Whether the units' sign goes to the lowest bit before they are split into planes. One-byte floats are coded whole, and
// rotating them would only rename the symbols.
[[nodiscard]] constexpr bool rotates(DType dtype) noexcept {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 || dtype == DType::kF64 ||
         dtype == DType::kC64;
}

// The window for coding planes with a table in pairs, if they may be: of lossless streams plane 0 of several, where exponents are;
// levels without low bits; indices.
[[nodiscard]] inline std::optional<core::WindowTies> pair_window(const SegmentView& view, const CodecSpec& spec) {
  if (!spec.pairs) return std::nullopt;
  if (view.codec == CodecId::kLossless && unit_bytes(view.dtype) > 1) return core::WindowTies::kLowest;
  if (view.codec == CodecId::kCodebook || (view.codec == CodecId::kUniform && view.uniform->low_bits == 0))
    return core::WindowTies::kMiddle;
  return std::nullopt;
}

// Bytes of the low bits of n units of a uniform stream.
[[nodiscard]] constexpr std::uint64_t low_bits_bytes(std::uint64_t n, int low_bits) noexcept {
  return low_bits == 0 ? 0 : low_bits == 4 ? (n + 1) / 2 : n;
}

// How many records a plane of far weights begins with; the units of those that ask for one follow. None if no number of
// records makes the plane's size.
[[nodiscard]] inline std::optional<std::uint32_t> far_records(std::span<const std::byte> plane, std::size_t unit_size) {
  std::size_t at = 0, end = plane.size();  // of the records, as far as they are known
  for (; at < end; at += 4) {
    if (end - at < 4) return std::nullopt;
    if (core::far_level(archive::load_le<std::uint32_t>(plane.data() + at)) != core::kFarExact) continue;
    if (end - at - 4 < unit_size) return std::nullopt;
    end -= unit_size;
  }
  return static_cast<std::uint32_t>(at / 4);
}

}  // namespace weft
