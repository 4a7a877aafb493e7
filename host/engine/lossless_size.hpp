// What codec lossless takes of a tensor, nearly: for those that a lossy codec would not make smaller.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "weft/dtype.hpp"

namespace weft::engine {

// Counts the bytes of the planes that the codec codes, each by its order-0 entropy; repeats make it smaller still.
class LosslessSize {
 public:
  void add(DType dtype, std::span<const std::byte> units);
  void add(const LosslessSize& other);
  [[nodiscard]] double bits() const;

 private:
  std::array<std::array<std::uint64_t, 256>, 8> counts_{};
  std::vector<std::uint8_t> planes_;
};

// Whether there are so few different values that coding them exactly may take fewer bits than errors do.
[[nodiscard]] bool has_few_values(std::span<const float> values);

}  // namespace weft::engine
