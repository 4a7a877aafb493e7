// The figures that a report derives from what was counted. Absent where undefined or infinite, never NaN.
#pragma once

#include <cstdint>
#include <optional>

#include "weft/report.hpp"

namespace weft::report {

// What was counted of one tensor or of several.
struct Sums {
  std::uint64_t tensors = 0, elements = 0;
  std::uint64_t original = 0, compressed = 0;  // bytes
  double sum_squared_error = 0, sum_squares = 0, max_abs_error = 0;
  bool errors_measured = true;

  void add(const TensorReport& tensor, const Report& report);
};

[[nodiscard]] Sums sums_of(const TensorReport& tensor, const Report& report);
// All tensors' weights and errors, but the bytes of whole files.
[[nodiscard]] Sums total_of(const Report& report);

// Of the pruned tensors together.
struct PruneSums {
  std::uint64_t tensors = 0, elements = 0, zeros = 0, pruned = 0;
};
[[nodiscard]] PruneSums prunes_of(const Report& report);

// Of the archive, what is neither tensors nor assets: header, index and footer, alignment.
[[nodiscard]] std::uint64_t bytes_outside_blocks(const Report& report);

[[nodiscard]] std::optional<double> ratio(const Sums& sums);
[[nodiscard]] std::optional<double> bits_per_weight(const Sums& sums);
[[nodiscard]] std::optional<double> mse(const Sums& sums);
[[nodiscard]] std::optional<double> sqnr_db(const Sums& sums);
[[nodiscard]] std::optional<double> max_abs_error(const Sums& sums);
// Measured, and there is none.
[[nodiscard]] bool is_exact(const Sums& sums);
// 10^9 bytes per second of one thread.
[[nodiscard]] std::optional<double> gb_per_s(const StageReport& stage);

}  // namespace weft::report
