// How far decoded values lie from the original ones.
//
// Sums are taken in a fixed order, so a report does not depend on the number of threads. Values that are not finite
// must come back bit by bit; they count in no sum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "weft/dtype.hpp"

namespace weft::engine {

struct ErrorSums {
  double squared_error = 0;
  double squares = 0;  // of the original values
  double largest_error = 0;
  bool exact = true;             // every bit is the same
  bool keeps_non_finite = true;  // NaN and infinities came back as they were
  // Of a pruned tensor, by who prunes it: zeros that were coded, and those of them that the original does not have.
  std::uint64_t zeros = 0, pruned = 0;
  // Of segments that hardly a bit a weight was spent on: weights that were coded and are zero, and that came back as zero.
  std::uint64_t zeros_coded = 0, zeros_restored = 0;

  void add(const ErrorSums& other);
};

// Both spans hold units of the type. For types that are not quantized only `exact` is told.
[[nodiscard]] ErrorSums measure_error(DType dtype, std::span<const std::byte> original,
                                      std::span<const std::byte> decoded);

}  // namespace weft::engine
