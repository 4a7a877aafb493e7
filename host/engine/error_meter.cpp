#include "engine/error_meter.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "backends/cpu/kernels.hpp"

namespace weft::engine {
namespace {

constexpr std::size_t kChunk = 4096;

template <class Value>
bool same_where_not_finite(const Value* original, std::size_t n, std::span<const std::byte> a,
                           std::span<const std::byte> b, std::size_t unit) {
  for (std::size_t i = 0; i < n; i++)
    if (!std::isfinite(original[i]) && std::memcmp(a.data() + i * unit, b.data() + i * unit, unit) != 0) return false;
  return true;
}

// Chunk by chunk, as values that hold the type's exactly.
template <class Value>
void add_errors(DType dtype, std::span<const std::byte> original, std::span<const std::byte> decoded, ErrorSums& sums) {
  const cpu::Kernels& kernels = cpu::active_kernels();
  const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
  const std::size_t n = original.size() / unit;
  std::array<Value, kChunk> before, after;
  for (std::size_t at = 0; at < n; at += kChunk) {
    const std::size_t size = std::min(kChunk, n - at);
    const auto a = original.subspan(at * unit, size * unit), b = decoded.subspan(at * unit, size * unit);
    cpu::PairSums chunk;
    if constexpr (std::is_same_v<Value, double>) {
      std::memcpy(before.data(), a.data(), a.size());
      std::memcpy(after.data(), b.data(), b.size());
      kernels.compare_wide(before.data(), after.data(), size, chunk);
    } else {
      kernels.to_float(dtype, a.data(), size, before.data());
      kernels.to_float(dtype, b.data(), size, after.data());
      kernels.compare(before.data(), after.data(), size, chunk);
    }
    for (std::size_t k = 0; k < cpu::PairSums::kParts; k++) {
      sums.squared_error += chunk.squared_error[k];
      sums.squares += chunk.squares[k];
      sums.largest_error = std::max(sums.largest_error, chunk.largest_error[k]);
    }
    if (!chunk.all_finite && !same_where_not_finite(before.data(), size, a, b, unit)) sums.keeps_non_finite = false;
  }
}

}  // namespace

void ErrorSums::add(const ErrorSums& other) {
  squared_error += other.squared_error;
  squares += other.squares;
  largest_error = std::max(largest_error, other.largest_error);
  exact = exact && other.exact;
  keeps_non_finite = keeps_non_finite && other.keeps_non_finite;
  zeros += other.zeros;
  pruned += other.pruned;
  zeros_coded += other.zeros_coded;
  zeros_restored += other.zeros_restored;
}

ErrorSums measure_error(DType dtype, std::span<const std::byte> original, std::span<const std::byte> decoded) {
  ErrorSums sums;
  sums.exact = std::memcmp(original.data(), decoded.data(), original.size()) == 0;
  if (!is_quantizable(dtype)) return sums;
  (dtype == DType::kF64 ? add_errors<double> : add_errors<float>)(dtype, original, decoded, sums);
  return sums;
}

}  // namespace weft::engine
