// A buffer between two runs of guard bytes: what writes outside of it is seen even without a sanitizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace weft::test {

template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t n) : n_(n), bytes_(2 * kGuard + n * sizeof(T), kMagic) {}
  [[nodiscard]] T* data() { return reinterpret_cast<T*>(bytes_.data() + kGuard); }
  [[nodiscard]] T* end() { return data() + n_; }
  [[nodiscard]] std::span<T> span() { return {data(), n_}; }
  [[nodiscard]] bool intact() const {
    const auto is_magic = [](std::uint8_t byte) { return byte == kMagic; };
    return std::all_of(bytes_.begin(), bytes_.begin() + kGuard, is_magic) &&
           std::all_of(bytes_.end() - kGuard, bytes_.end(), is_magic);
  }

 private:
  static constexpr std::ptrdiff_t kGuard = 128;
  static constexpr std::uint8_t kMagic = 0xA5;
  std::size_t n_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace weft::test
