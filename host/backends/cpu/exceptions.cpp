#include "backends/cpu/exceptions.hpp"

#include <algorithm>

namespace weft::cpu {

std::string apply_exceptions(const archive::PlaneView& plane, std::size_t unit_size, std::span<std::byte> units) {
  const std::size_t n = units.size() / unit_size, count = plane.bytes.size() / (4 + unit_size);
  if (plane.mode != archive::PlaneMode::kRaw || plane.bytes.size() != count * (4 + unit_size))
    return "its exceptions have the wrong size";
  std::uint64_t next = 0;
  for (std::size_t i = 0; i < count; i++) {
    const auto position = archive::load_le<std::uint32_t>(plane.bytes.data() + 4 * i);
    if (position < next || position >= n) return "the positions of its exceptions are not ascending";
    const auto unit = plane.bytes.subspan(4 * count + i * unit_size, unit_size);
    std::copy(unit.begin(), unit.end(), units.begin() + static_cast<std::ptrdiff_t>(position * unit_size));
    next = std::uint64_t{position} + 1;
  }
  return "";
}

}  // namespace weft::cpu
