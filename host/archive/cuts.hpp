// Dimensions of a tensor cut in three: how the index names views and the layouts of factors (FORMAT.md 2.6).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace weft::archive {

// The product of some dimensions; nothing where it does not fit.
[[nodiscard]] inline std::optional<std::uint64_t> product_of(std::span<const std::uint64_t> dimensions) {
  std::uint64_t product = 1;
  for (const std::uint64_t d : dimensions)
    if (__builtin_mul_overflow(product, d, &product)) return std::nullopt;
  return product;
}

// Dimensions cut in three before i and before j >= i: the products of the parts, by a code above 0.
using Cut = std::array<std::optional<std::uint64_t>, 3>;
[[nodiscard]] inline Cut cut(std::span<const std::uint64_t> dimensions, std::uint64_t i, std::uint64_t j) {
  return {product_of(dimensions.first(i)), product_of(dimensions.subspan(i, j - i)), product_of(dimensions.subspan(j))};
}
// Nothing where the cuts are no `apart` dimensions apart.
[[nodiscard]] inline std::optional<Cut> cut_of(std::uint64_t code, std::span<const std::uint64_t> dimensions,
                                               std::uint64_t apart) {
  const std::uint64_t places = dimensions.size() + 1, i = (code - 1) / places, j = (code - 1) % places;
  if (i + apart > j) return std::nullopt;
  return cut(dimensions, i, j);
}
// The code of the first cut that is what it takes, or 0.
template <class Takes>
[[nodiscard]] std::uint64_t find_cut(std::span<const std::uint64_t> dimensions, std::uint64_t apart, Takes takes) {
  const std::uint64_t places = dimensions.size() + 1;
  for (std::uint64_t i = 0; i < places; i++)
    for (std::uint64_t j = i + apart; j < places; j++)
      if (takes(cut(dimensions, i, j))) return 1 + i * places + j;
  return 0;
}

}  // namespace weft::archive
