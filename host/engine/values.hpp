// Units of the quantizable types as doubles, which hold the values of all of them exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "weft/dtype.hpp"

namespace weft::engine {

inline constexpr std::size_t kValueChunk = 4096;  // that to_doubles takes at most

void to_doubles(DType dtype, std::span<const std::byte> units, std::size_t n, double* values);

// Calls f(first unit of the chunk, values) for the units, chunk by chunk.
template <class F>
void for_values(DType dtype, std::span<const std::byte> units, F f) {
  const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
  double values[kValueChunk];
  for (std::size_t at = 0, n = units.size() / unit; at < n; at += kValueChunk) {
    const std::size_t size = n - at < kValueChunk ? n - at : kValueChunk;
    to_doubles(dtype, units.subspan(at * unit, size * unit), size, values);
    f(at, std::span<const double>(values, size));
  }
}

}  // namespace weft::engine
