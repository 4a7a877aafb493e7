// Little-endian integers (FORMAT.md, "Conventions").
#pragma once

#include <cstddef>
#include <cstring>

namespace weft::archive {

template <class T>
[[nodiscard]] T load_le(const std::byte* p) noexcept {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

template <class T>
void store_le(std::byte* p, T value) noexcept {
  std::memcpy(p, &value, sizeof(T));
}

}  // namespace weft::archive
