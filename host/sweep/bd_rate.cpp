#include <algorithm>
#include <cmath>

#include "sweep/curves.hpp"

namespace weft::sweep {
namespace {

constexpr int kSlices = 400;  // of the common range, for the integral

// Monotone piecewise-cubic interpolation of y over ascending x, two points or more.
class Interpolation {
 public:
  Interpolation(std::vector<double> x, std::vector<double> y) : x_(std::move(x)), y_(std::move(y)), slopes_(x_.size()) {
    const std::size_t n = x_.size();
    std::vector<double> widths, rises;
    for (std::size_t i = 0; i + 1 < n; i++) {
      widths.push_back(x_[i + 1] - x_[i]);
      rises.push_back((y_[i + 1] - y_[i]) / widths[i]);
    }
    slopes_.front() = rises.front();
    slopes_.back() = rises.back();
    for (std::size_t i = 1; i + 1 < n; i++) {
      if (rises[i - 1] * rises[i] <= 0) continue;
      const double before = 2 * widths[i] + widths[i - 1], after = widths[i] + 2 * widths[i - 1];
      slopes_[i] = (before + after) / (before / rises[i - 1] + after / rises[i]);
    }
  }

  double operator()(double at) const {
    std::size_t i = 0;
    while (i + 2 < x_.size() && at > x_[i + 1]) i++;
    const double width = x_[i + 1] - x_[i], s = (at - x_[i]) / width, rest = 1 - s;
    return (1 + 2 * s) * rest * rest * y_[i] + s * rest * rest * width * slopes_[i] + s * s * (3 - 2 * s) * y_[i + 1] +
           s * s * (s - 1) * width * slopes_[i + 1];
  }

  [[nodiscard]] double first() const { return x_.front(); }
  [[nodiscard]] double last() const { return x_.back(); }

 private:
  std::vector<double> x_, y_, slopes_;
};

std::optional<Interpolation> log_rate_over_sqnr(Curve curve) {
  if (curve.size() < 3) return {};
  std::sort(curve.begin(), curve.end(), [](const auto& a, const auto& b) { return a.sqnr_db < b.sqnr_db; });
  std::vector<double> x, y;
  for (const RatePoint& point : curve) {
    if (!(point.bits_per_weight > 0) || (!x.empty() && point.sqnr_db <= x.back())) return {};
    x.push_back(point.sqnr_db);
    y.push_back(std::log(point.bits_per_weight));
  }
  return Interpolation(std::move(x), std::move(y));
}

}  // namespace

std::optional<double> bd_rate(const Curve& reference, const Curve& test) {
  const auto f = log_rate_over_sqnr(reference), g = log_rate_over_sqnr(test);
  if (!f || !g) return {};
  const double low = std::max(f->first(), g->first()), high = std::min(f->last(), g->last());
  if (high <= low) return {};
  double sum = 0;
  for (int i = 0; i < kSlices; i++) {
    const double at = low + (high - low) * (i + 0.5) / kSlices;
    sum += (*g)(at) - (*f)(at);
  }
  return 100 * (std::exp(sum / kSlices) - 1);
}

}  // namespace weft::sweep
