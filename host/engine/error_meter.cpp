#include "engine/error_meter.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/values.hpp"

namespace weft::engine {
namespace {

constexpr std::size_t kChunk = kValueChunk;
constexpr std::size_t kPartialSums = 16;

struct ChunkSums {
  std::array<double, kPartialSums> squared_error{}, squares{}, largest{};
  std::array<unsigned, kPartialSums> lost{};

  void add(std::size_t k, double original, double decoded) {
    const bool finite = std::fabs(original) <= std::numeric_limits<double>::max();
    const double value = finite ? original : 0;
    const double error = finite ? decoded - original : 0;
    squares[k] += value * value;
    squared_error[k] += error * error;
    largest[k] = std::max(largest[k], std::fabs(error));
    lost[k] |= finite ? 0u : 1u;
  }
};

bool same_where_not_finite(const double* original, std::size_t n, std::span<const std::byte> a,
                           std::span<const std::byte> b, std::size_t unit) {
  for (std::size_t i = 0; i < n; i++)
    if (!std::isfinite(original[i]) && std::memcmp(a.data() + i * unit, b.data() + i * unit, unit) != 0) return false;
  return true;
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
}

ErrorSums measure_error(DType dtype, std::span<const std::byte> original, std::span<const std::byte> decoded) {
  ErrorSums sums;
  sums.exact = std::memcmp(original.data(), decoded.data(), original.size()) == 0;
  if (!is_quantizable(dtype)) return sums;
  const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
  const std::size_t n = original.size() / unit;
  std::array<double, kChunk> before, after;
  for (std::size_t at = 0; at < n; at += kChunk) {
    const std::size_t size = std::min(kChunk, n - at);
    const auto a = original.subspan(at * unit, size * unit), b = decoded.subspan(at * unit, size * unit);
    to_doubles(dtype, a, size, before.data());
    to_doubles(dtype, b, size, after.data());
    ChunkSums chunk;
    std::size_t i = 0;
    for (; i + kPartialSums <= size; i += kPartialSums)
      for (std::size_t k = 0; k < kPartialSums; k++) chunk.add(k, before[i + k], after[i + k]);
    for (std::size_t k = 0; i < size; i++, k++) chunk.add(k, before[i], after[i]);
    bool lost = false;
    for (std::size_t k = 0; k < kPartialSums; k++) {
      sums.squared_error += chunk.squared_error[k];
      sums.squares += chunk.squares[k];
      sums.largest_error = std::max(sums.largest_error, chunk.largest[k]);
      lost = lost || chunk.lost[k] != 0;
    }
    if (lost && !same_where_not_finite(before.data(), size, a, b, unit)) sums.keeps_non_finite = false;
  }
  return sums;
}

}  // namespace weft::engine
