#include "engine/values.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "backends/cpu/kernels.hpp"

namespace weft::engine {

void to_doubles(DType dtype, std::span<const std::byte> units, std::size_t n, double* values) {
  if (dtype == DType::kF64) {
    if (n > 0) std::memcpy(values, units.data(), n * sizeof(double));
    return;
  }
  std::array<float, kValueChunk> narrow;
  cpu::active_kernels().to_float(dtype, units.data(), n, narrow.data());
  std::copy_n(narrow.begin(), n, values);
}

}  // namespace weft::engine
