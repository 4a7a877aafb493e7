#include "report/figures.hpp"

#include <algorithm>
#include <cmath>

namespace weft::report {
namespace {

std::optional<double> finite(double value) {
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

}  // namespace

void Sums::add(const TensorReport& tensor, const Report& report) {
  tensors++;
  elements += tensor.elements;
  original += tensor.bytes_in;
  compressed += tensor.bytes_out;
  sum_squared_error += tensor.sum_squared_error;
  sum_squares += tensor.sum_squares;
  // Once NaN, it stays NaN.
  if (std::isnan(tensor.max_abs_error) || tensor.max_abs_error > max_abs_error) max_abs_error = tensor.max_abs_error;
  errors_measured = report.errors_measured;
}

Sums sums_of(const TensorReport& tensor, const Report& report) {
  Sums sums;
  sums.add(tensor, report);
  return sums;
}

Sums total_of(const Report& report) {
  Sums sums;
  for (const TensorReport& tensor : report.tensors) sums.add(tensor, report);
  sums.errors_measured = report.errors_measured;
  sums.original = report.bytes_in;
  sums.compressed = report.bytes_out;
  return sums;
}

PruneSums prunes_of(const Report& report) {
  PruneSums sums;
  for (const TensorReport& tensor : report.tensors) {
    if (!tensor.prune) continue;
    sums.tensors++;
    sums.elements += tensor.elements;
    sums.zeros += tensor.prune->zeros;
    sums.pruned += tensor.prune->pruned;
  }
  return sums;
}

std::uint64_t bytes_outside_blocks(const Report& report) {
  std::uint64_t blocks = report.asset_bytes_out;
  for (const TensorReport& tensor : report.tensors) blocks += tensor.bytes_out;
  // A dry run rounds what it estimates.
  return report.bytes_out - std::min(report.bytes_out, blocks);
}

std::optional<double> ratio(const Sums& sums) {
  if (sums.compressed == 0) return {};
  return static_cast<double>(sums.original) / static_cast<double>(sums.compressed);
}

std::optional<double> bits_per_weight(const Sums& sums) {
  if (sums.elements == 0) return {};
  return 8 * static_cast<double>(sums.compressed) / static_cast<double>(sums.elements);
}

std::optional<double> mse(const Sums& sums) {
  if (!sums.errors_measured || sums.elements == 0) return {};
  return finite(sums.sum_squared_error / static_cast<double>(sums.elements));
}

std::optional<double> sqnr_db(const Sums& sums) {
  if (!sums.errors_measured || !(sums.sum_squared_error > 0) || !(sums.sum_squares > 0)) return {};
  return finite(10 * (std::log10(sums.sum_squares) - std::log10(sums.sum_squared_error)));
}

std::optional<double> max_abs_error(const Sums& sums) {
  if (!sums.errors_measured || sums.elements == 0) return {};
  return finite(sums.max_abs_error);
}

bool is_exact(const Sums& sums) {
  return sums.errors_measured && sums.sum_squared_error == 0 && sums.max_abs_error == 0;
}

std::optional<double> gb_per_s(const StageReport& stage) {
  if (!(stage.seconds > 0)) return {};
  return finite(static_cast<double>(stage.bytes) / 1e9 / stage.seconds);
}

}  // namespace weft::report
