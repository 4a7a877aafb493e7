// Seeded weights as the bytes of an element type, and the values that such bytes stand for.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "weft/core/half.hpp"
#include "weft/dtype.hpp"

namespace weft::testing {

// Roughly normal, of this standard deviation, the same on every machine.
[[nodiscard]] inline std::vector<double> draw_weights(std::size_t n, std::uint64_t seed, double deviation = 1) {
  std::mt19937_64 random(seed);
  std::vector<double> values(n);
  for (double& value : values) {
    const std::uint64_t bits = random();
    std::uint64_t sum = 0;
    for (int i = 0; i < 4; i++) sum += bits >> 16 * i & 0xFFFF;
    value = (static_cast<double>(sum) - 131070) / 37837.0 * deviation;
  }
  return values;
}

template <class T>
void append_unit(std::string& bytes, T unit) {
  bytes.append(reinterpret_cast<const char*>(&unit), sizeof unit);
}

// The values, rounded to a quantizable type.
[[nodiscard]] inline std::string weight_bytes(DType dtype, const std::vector<double>& values) {
  std::string bytes;
  bytes.reserve(values.size() * static_cast<std::size_t>(unit_bytes(dtype)));
  for (const double value : values) {
    const auto narrow = static_cast<float>(value);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &narrow, 4);
    if (dtype == DType::kF64) append_unit(bytes, value);
    if (dtype == DType::kF32) append_unit(bytes, narrow);
    if (dtype == DType::kBF16) append_unit(bytes, core::f32_to_bf16(bits));
    if (dtype == DType::kF16) append_unit(bytes, core::f32_to_f16(bits));
  }
  return bytes;
}

// What quantizable units stand for.
[[nodiscard]] inline std::vector<double> values_of(DType dtype, const std::string& bytes) {
  const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
  std::vector<double> values(bytes.size() / unit);
  for (std::size_t i = 0; i < values.size(); i++) {
    const char* at = bytes.data() + i * unit;
    if (dtype == DType::kF64) {
      std::memcpy(&values[i], at, 8);
      continue;
    }
    std::uint32_t bits = 0;
    std::uint16_t half = 0;
    if (dtype == DType::kF32)
      std::memcpy(&bits, at, 4);
    else
      std::memcpy(&half, at, 2);
    if (dtype == DType::kBF16) bits = core::bf16_to_f32(half);
    if (dtype == DType::kF16) bits = core::f16_to_f32(half);
    float value = 0;
    std::memcpy(&value, &bits, 4);
    values[i] = value;
  }
  return values;
}

}  // namespace weft::testing
