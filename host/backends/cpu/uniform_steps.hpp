// The steps of a uniform stream: one, or one per channel (FORMAT.md 3.3).
#pragma once

#include <cstdint>
#include <cstring>

#include "weft/archive.hpp"

namespace weft::cpu {

// 2^(i/8) as binary32, part of the format.
inline constexpr std::uint32_t kEighthOctaves[8] = {0x3F800000, 0x3F8B95C2, 0x3F9837F0, 0x3FA5FED7,
                                                    0x3FB504F3, 0x3FC5672A, 0x3FD744FD, 0x3FEAC0C7};

// The fine step of a channel with this scale code: one float32 product, then an exact power of two.
[[nodiscard]] inline float channel_step(float fine_step, std::uint8_t code) noexcept {
  float mantissa;
  std::memcpy(&mantissa, &kEighthOctaves[code % 8], 4);
  return __builtin_ldexpf(fine_step * mantissa, code / 8 - 16);
}

// Calls f(begin, end, fine step) for every run of units [first, first + n) that share a step; begin counts from 0.
template <class F>
void for_steps(const UniformStream& stream, std::uint64_t first, std::uint64_t n, F f) {
  if (stream.scale_codes.empty()) return f(std::uint64_t{0}, n, stream.fine_step);
  std::size_t channel = first / stream.inner % stream.scale_codes.size();
  std::uint64_t run = stream.inner - first % stream.inner;
  for (std::uint64_t at = 0; at < n; run = stream.inner) {
    const std::uint64_t end = n - at < run ? n : at + run;
    f(at, end, channel_step(stream.fine_step, stream.scale_codes[channel]));
    channel = channel + 1 < stream.scale_codes.size() ? channel + 1 : 0;
    at = end;
  }
}

}  // namespace weft::cpu
