// Rate-distortion curves, and how far two of them lie apart.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace weft::sweep {

struct RatePoint {
  double bits_per_weight = 0, sqnr_db = 0;
};
using Curve = std::vector<RatePoint>;
using Curves = std::map<std::string, Curve>;  // by network

// Bjontegaard delta rate: the mean difference of the rate, in percent, at equal SQNR; negative when `test` is smaller.
// Monotone piecewise-cubic (Fritsch-Carlson) interpolation of log(rate) over SQNR, over the range that both have. Nothing
// when a curve has fewer than three points, two with the same SQNR, or when the curves have no range in common.
[[nodiscard]] std::optional<double> bd_rate(const Curve& reference, const Curve& test);

// Reads {network: [{"bits_per_weight": .., "sqnr_db": .., ...}, ...]}; points where either is null are left out.
// Throws Error(kConfig) that names the file and the place.
[[nodiscard]] Curves read_curves(const std::filesystem::path& path);

}  // namespace weft::sweep
