#include "backends/cpu/look_up.hpp"

#include <array>
#include <cstring>

namespace weft::cpu {
namespace {

template <class Unit>
void look_up_units(const std::byte* table, const std::uint8_t* symbols, std::size_t n, std::byte* units) {
  for (std::size_t i = 0; i < n; i++)
    std::memcpy(units + i * sizeof(Unit), table + symbols[i] * sizeof(Unit), sizeof(Unit));
}

}  // namespace

void look_up(const Kernels& kernels, DType dtype, std::span<const float> values, const std::uint8_t* symbols,
             std::size_t n, std::byte* units) {
  std::array<std::byte, 256 * 8> table;
  kernels.from_float(dtype, values.data(), values.size(), table.data());
  switch (unit_bytes(dtype)) {
    case 2:
      return look_up_units<std::uint16_t>(table.data(), symbols, n, units);
    case 4:
      return look_up_units<std::uint32_t>(table.data(), symbols, n, units);
    default:
      return look_up_units<std::uint64_t>(table.data(), symbols, n, units);
  }
}

}  // namespace weft::cpu
