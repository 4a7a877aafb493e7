// Exceptions of a block: units that a lossy codec stores as they are (FORMAT.md 3.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "archive/block.hpp"
#include "archive/bytes.hpp"

namespace weft::cpu {

// The plane of the exceptions of a block's units: those for which is_exception(position) holds.
template <class IsException>
void collect_exceptions(std::span<const std::byte> units, std::size_t unit_size, IsException is_exception,
                        std::vector<std::byte>& plane) {
  plane.clear();
  std::vector<std::byte> values;
  for (std::size_t i = 0; i < units.size() / unit_size; i++) {
    if (!is_exception(i)) continue;
    std::byte position[4];
    archive::store_le(position, static_cast<std::uint32_t>(i));
    plane.insert(plane.end(), position, position + 4);
    const auto unit = units.subspan(i * unit_size, unit_size);
    values.insert(values.end(), unit.begin(), unit.end());
  }
  plane.insert(plane.end(), values.begin(), values.end());
}

// Puts the exceptions in their places. Returns an empty string or what is wrong with the plane.
[[nodiscard]] std::string apply_exceptions(const archive::PlaneView& plane, std::size_t unit_size,
                                           std::span<std::byte> units);

}  // namespace weft::cpu
