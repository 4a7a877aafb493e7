#include "report/histogram.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "text/units.hpp"
#include "text/utf8.hpp"
#include "text/xml.hpp"

namespace weft::report {
namespace {

constexpr std::size_t kLines = 12;  // of bars in a terminal
constexpr std::array<const char*, 9> kEighths{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr double kWidth = 760, kMargin = 32, kTop = 64, kPlotHeight = 300, kMarkHeight = 14, kBottom = 52;

std::uint64_t largest_count(const Histogram& histogram) {
  return histogram.counts.empty() ? 0 : *std::max_element(histogram.counts.begin(), histogram.counts.end());
}

std::string summary(const Histogram& histogram) {
  std::string line = fmt::format("{} weights", text::grouped(histogram.values));
  if (histogram.zeros > 0)
    line += fmt::format(", {} of them zero ({:.2f} %, not in the bars)", text::grouped(histogram.zeros),
                        100 * static_cast<double>(histogram.zeros) / static_cast<double>(histogram.values));
  if (histogram.not_finite > 0) line += fmt::format(", {} not finite", text::grouped(histogram.not_finite));
  if (!histogram.marks.empty()) line += fmt::format("; codebook of {}", histogram.marks.size());
  return line;
}

// Where a value is in the range, 0 to 1. Halves, for the whole range of doubles is wider than any double.
double part_of(const Histogram& histogram, double value) {
  const double span = histogram.high / 2 - histogram.low / 2;
  return span > 0 ? std::clamp((value / 2 - histogram.low / 2) / span, 0.0, 1.0) : 0.5;
}

}  // namespace

std::size_t bar_of(const Histogram& histogram, double value) {
  const std::size_t bars = histogram.counts.size();
  return std::min(bars - 1, static_cast<std::size_t>(part_of(histogram, value) * static_cast<double>(bars)));
}

Histogram make_histogram(const ValueWalk& walk, std::size_t bars, std::vector<double> marks) {
  Histogram histogram;
  histogram.marks = std::move(marks);
  histogram.counts.resize(std::max<std::size_t>(1, bars));
  double low = std::numeric_limits<double>::infinity(), high = -low;
  const auto widen = [&](double value) { low = std::min(low, value), high = std::max(high, value); };
  walk([&](std::span<const double> values) {
    histogram.values += values.size();
    for (const double value : values) {
      if (std::isfinite(value))
        widen(value);
      else
        histogram.not_finite++;
    }
  });
  for (const double mark : histogram.marks) widen(mark);
  if (low > high) return histogram;
  histogram.low = low;
  histogram.high = high;
  walk([&](std::span<const double> values) {
    for (const double value : values) {
      if (value == 0)
        histogram.zeros++;
      else if (std::isfinite(value))
        histogram.counts[bar_of(histogram, value)]++;
    }
  });
  return histogram;
}

std::string histogram_text(const Histogram& histogram, const std::string& title) {
  const std::size_t bars = histogram.counts.size();
  const double largest = static_cast<double>(std::max<std::uint64_t>(1, largest_count(histogram)));
  std::string result = fmt::format("{}: {}\n\n", text::printable(title), summary(histogram));
  for (std::size_t line = kLines; line-- > 0;) {
    std::string row;
    for (const std::uint64_t count : histogram.counts) {
      // What is there is seen, however little.
      const double eighths = std::ceil(static_cast<double>(count) / largest * kLines * 8);
      const double here = std::clamp(eighths - 8 * static_cast<double>(line), 0.0, 8.0);
      row += kEighths[static_cast<std::size_t>(here)];
    }
    row.erase(row.find_last_not_of(' ') + 1);
    result += row + '\n';
  }
  for (std::size_t i = 0; i < bars; i++) result += "─";
  result += '\n';
  if (!histogram.marks.empty()) {
    std::string row(bars, ' ');
    for (const double mark : histogram.marks) row[bar_of(histogram, mark)] = '^';
    row.erase(row.find_last_not_of(' ') + 1);
    result += row + '\n';
  }
  const std::string low = fmt::format("{:.4g}", histogram.low), high = fmt::format("{:.4g}", histogram.high);
  return result +
         fmt::format("{}{:>{}}\n", low, high, bars > low.size() + high.size() ? bars - low.size() : high.size() + 1);
}

std::string histogram_svg(const Histogram& histogram, const std::string& title) {
  const double largest = static_cast<double>(std::max<std::uint64_t>(1, largest_count(histogram)));
  const double width = kWidth - 2 * kMargin, bar = width / static_cast<double>(histogram.counts.size());
  const double base = kTop + kPlotHeight;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"13\">\n<style>text{{fill:#777}}.b{{fill:#0072b2}}.m{{stroke:#d55e00;"
      "stroke-width:2}}</style>\n",
      kWidth, base + kBottom);
  const auto put = [&](double x, double y, const char* anchor, const std::string& content) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                       text::xml_escaped(content));
  };
  put(kMargin, 24, "start", text::printable(title));
  put(kMargin, 44, "start", summary(histogram));
  for (std::size_t i = 0; i < histogram.counts.size(); i++) {
    if (histogram.counts[i] == 0) continue;
    const double height = std::max(1.0, static_cast<double>(histogram.counts[i]) / largest * kPlotHeight);
    svg += fmt::format("<rect class=\"b\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.1f}\"/>\n",
                       kMargin + bar * static_cast<double>(i), base - height, bar * 0.9, height);
  }
  for (const double mark : histogram.marks)
    svg += fmt::format("<path class=\"m\" d=\"M{:.2f} {:.1f}v{}\"><title>{:.6g}</title></path>\n",
                       kMargin + width * part_of(histogram, mark), base + 4, kMarkHeight, mark);
  put(kMargin, base + 40, "start", fmt::format("{:.4g}", histogram.low));
  put(kWidth - kMargin, base + 40, "end", fmt::format("{:.4g}", histogram.high));
  return svg + "</svg>\n";
}

}  // namespace weft::report
