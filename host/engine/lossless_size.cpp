#include "engine/lossless_size.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "backends/cpu/kernels.hpp"
#include "backends/planes.hpp"

namespace weft::engine {

void LosslessSize::add(DType dtype, std::span<const std::byte> units) {
  const int count = unit_bytes(dtype);
  const std::size_t n = units.size() / static_cast<std::size_t>(count);
  planes_.resize(units.size());
  std::array<std::uint8_t*, 8> planes{};
  for (std::size_t p = 0; p < static_cast<std::size_t>(count); p++) planes[p] = planes_.data() + p * n;
  const cpu::Kernels& kernels = cpu::active_kernels();
  kernels.split(units.data(), n, count, rotates(dtype), planes.data());
  for (std::size_t p = 0; p < static_cast<std::size_t>(count); p++) kernels.histogram(planes[p], n, counts_[p].data());
}

void LosslessSize::add(const LosslessSize& other) {
  for (std::size_t p = 0; p < counts_.size(); p++)
    for (std::size_t i = 0; i < counts_[p].size(); i++) counts_[p][i] += other.counts_[p][i];
}

double LosslessSize::bits() const {
  double bits = 0;
  for (const auto& counts : counts_) {
    double all = 0;
    for (const std::uint64_t count : counts) all += static_cast<double>(count);
    for (const std::uint64_t count : counts)
      if (count > 0) bits += static_cast<double>(count) * std::log2(all / static_cast<double>(count));
  }
  return bits;
}

bool has_few_values(std::span<const float> values) {
  constexpr std::size_t kMost = 32;
  std::array<std::uint32_t, kMost> seen{};
  std::size_t count = 0;
  std::uint32_t last = 0;
  for (const float value : values) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if (count > 0 && bits == last) continue;
    last = bits;
    const auto end = seen.begin() + static_cast<std::ptrdiff_t>(count);
    if (std::find(seen.begin(), end, bits) != end) continue;
    if (count == kMost) return false;
    seen[count++] = bits;
  }
  return count > 0;
}

}  // namespace weft::engine
