#include "sweep/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "text/utf8.hpp"
#include "text/xml.hpp"

namespace weft::sweep {
namespace {

constexpr double kWidth = 760, kLeft = 64, kRight = 24, kTop = 48, kPlotHeight = 400, kBottom = 56, kLegendLine = 20;
constexpr std::size_t kLegendColumns = 3;

// Told apart by people who see fewer colours, on white and on black (Okabe and Ito, without their yellow and black).
constexpr std::array<const char*, 6> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
constexpr std::array<const char*, 3> kDashes = {"none", "7 4", "2 3"};

// An axis with round marks: 1, 2 or 5 times a power of ten apart.
struct Axis {
  double low = 0, high = 1, mark = 0.5;

  void fit(double smallest, double largest) {
    const double span = std::max(largest - smallest, 1e-3 * std::max(1.0, std::abs(largest)));
    const double rough = span / 6, power = std::pow(10, std::floor(std::log10(rough)));
    mark = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough / power > 1 ? 2 : 1);
    low = std::floor(smallest / mark) * mark;
    high = std::ceil(largest / mark) * mark;
    if (high <= low) high = low + mark;
  }
  [[nodiscard]] double part(double value) const { return (value - low) / (high - low); }
  [[nodiscard]] int marks() const { return static_cast<int>(std::lround((high - low) / mark)); }
  [[nodiscard]] std::string label(int i) const {
    const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(mark) + 1e-9)));
    const double value = low + i * mark;
    return fmt::format("{:.{}f}", std::abs(value) < mark / 2 ? 0.0 : value, decimals);
  }
};

class Plot {
 public:
  explicit Plot(const std::vector<NamedCurve>& curves) : curves_(curves) {
    double low_x = INFINITY, high_x = -INFINITY, low_y = INFINITY, high_y = -INFINITY;
    for (const NamedCurve& named : curves)
      for (const RatePoint& point : named.curve) {
        low_x = std::min(low_x, point.bits_per_weight), high_x = std::max(high_x, point.bits_per_weight);
        low_y = std::min(low_y, point.sqnr_db), high_y = std::max(high_y, point.sqnr_db);
      }
    if (low_x > high_x) return;
    x_.fit(low_x, high_x);
    y_.fit(low_y, high_y);
  }

  std::string render(const std::string& title) {
    const std::size_t legend_rows = (curves_.size() + kLegendColumns - 1) / kLegendColumns;
    const double height = kTop + kPlotHeight + kBottom + kLegendLine * static_cast<double>(legend_rows);
    svg_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"13\">\n"
        "<style>:root{{--ink:#333;--grid:#bbb}}@media (prefers-color-scheme:dark){{:root{{--ink:#ddd;--grid:#666}}}}"
        "text{{fill:#777;fill:var(--ink)}}.g{{stroke:#999;stroke:var(--grid);stroke-width:.6}}</style>\n",
        kWidth, height);
    text(kLeft, 26, "start", "<tspan font-size=\"16\" font-weight=\"bold\">" + text::xml_escaped(title) + "</tspan>");
    axes();
    for (std::size_t c = 0; c < curves_.size(); c++) curve(c);
    return svg_ + "</svg>\n";
  }

 private:
  [[nodiscard]] double place_x(double part) const { return kLeft + part * (kWidth - kLeft - kRight); }
  [[nodiscard]] double place_y(double part) const { return kTop + (1 - part) * kPlotHeight; }

  void text(double x, double y, const char* anchor, const std::string& content) {
    svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, content);
  }

  void axes() {
    for (int i = 0; i <= x_.marks(); i++) {
      const double x = place_x(x_.part(x_.low + i * x_.mark));
      svg_ += fmt::format("<path class=\"g\" d=\"M{0:.1f} {1:.1f}V{2:.1f}\"/>\n", x, place_y(0), place_y(1));
      text(x, place_y(0) + 18, "middle", x_.label(i));
    }
    for (int i = 0; i <= y_.marks(); i++) {
      const double y = place_y(y_.part(y_.low + i * y_.mark));
      svg_ += fmt::format("<path class=\"g\" d=\"M{0:.1f} {2:.1f}H{1:.1f}\"/>\n", place_x(0), place_x(1), y);
      text(kLeft - 8, y + 4, "end", y_.label(i));
    }
    text(place_x(0.5), place_y(0) + 40, "middle", "bits per weight, all side information included");
    svg_ += fmt::format("<text transform=\"translate(18 {:.1f}) rotate(-90)\" text-anchor=\"middle\">SQNR, dB</text>\n",
                        place_y(0.5));
  }

  void curve(std::size_t c) {
    const char* colour = kColours[c % kColours.size()];
    const char* dash = kDashes[c / kColours.size() % kDashes.size()];
    const auto line = [&](const std::string& path) {
      svg_ += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"{}\"/>\n",
                          path, colour, dash);
    };
    Curve points = curves_[c].curve;
    std::sort(points.begin(), points.end(),
              [](const auto& a, const auto& b) { return a.bits_per_weight < b.bits_per_weight; });
    std::string path, marks;
    for (const RatePoint& point : points) {
      const double x = place_x(x_.part(point.bits_per_weight)), y = place_y(y_.part(point.sqnr_db));
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x, y);
      marks += fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" fill=\"{}\"><title>{}: {:.3f} bits/weight, "
          "{:.2f} dB</title></circle>\n",
          x, y, colour, text::xml_escaped(curves_[c].name), point.bits_per_weight, point.sqnr_db);
    }
    if (!path.empty()) line(path);
    svg_ += marks;
    const double column = static_cast<double>(c % kLegendColumns) * (kWidth - kLeft - kRight) / kLegendColumns;
    const std::size_t row = c / kLegendColumns;
    const double y = kTop + kPlotHeight + kBottom + kLegendLine * static_cast<double>(row);
    line(fmt::format("M{:.1f} {:.1f}h24", kLeft + column, y - 4));
    text(kLeft + column + 32, y, "start", text::xml_escaped(text::shorten_middle(curves_[c].name, 26)));
  }

  const std::vector<NamedCurve>& curves_;
  Axis x_, y_;
  std::string svg_;
};

}  // namespace

std::string plot_svg(const std::string& title, const std::vector<NamedCurve>& curves) {
  return Plot(curves).render(title);
}

}  // namespace weft::sweep
