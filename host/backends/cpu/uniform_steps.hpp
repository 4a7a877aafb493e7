// The steps of a uniform stream: one, or one per channel (FORMAT.md 3.3).
#pragma once

#include <cmath>
#include <cstdint>

#include "weft/archive.hpp"
#include "weft/core/dequantize.hpp"

namespace weft::cpu {

// core::channel_step for codes that have not been checked: what is not normal comes out as such.
[[nodiscard]] inline float channel_step(float fine_step, std::uint8_t code) noexcept {
  return __builtin_ldexpf(fine_step * core::float_of_bits(core::eighth_octave(code % 8u)), code / 8 - 16);
}

// What restored values must stay within, to be finite.
[[nodiscard]] inline double largest_value(DType dtype) noexcept {
  return dtype == DType::kF16 ? 65504.0 : dtype == DType::kBF16 ? 3.38e38 : 3.4e38;
}

// Whether a level of this step could be beyond that.
[[nodiscard]] inline bool may_overflow(DType dtype, int low_bits, float fine_step) noexcept {
  const double reach = std::fabs(static_cast<double>(core::lowest_level(low_bits))) * (2 << core::kFineBits);
  return reach * fine_step >= largest_value(dtype);
}

// CodecSpec::lambda for core::level_threshold.
[[nodiscard]] inline std::int64_t lambda_weight(double lambda) noexcept {
  return static_cast<std::int64_t>(std::llrint(lambda * (1 << 21)));
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
