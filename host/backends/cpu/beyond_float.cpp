#include "backends/cpu/beyond_float.hpp"

#include <cstring>

#include "weft/core/row_squares.hpp"

namespace weft::cpu {

bool beyond_float(DType dtype, std::span<const std::byte> units, std::span<const float> values) noexcept {
  if (dtype != DType::kF64) return false;
  for (std::size_t i = 0; i < values.size(); i++) {
    double value = 0;
    std::memcpy(&value, units.data() + i * sizeof value, sizeof value);
    if (core::is_beyond_float(value, values[i])) return true;
  }
  return false;
}

}  // namespace weft::cpu
