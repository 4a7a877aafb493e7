#include "text/units.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <regex>
#include <span>

namespace weft::text {
namespace {

// Of a unit that kSizePattern lets through. Two letters, such as MB, are the decimal ones.
double factor(std::string_view unit) {
  constexpr std::string_view kPrefixes = "KkMmGgTt";
  const auto prefix = kPrefixes.find(unit[0]);
  if (prefix == std::string_view::npos) return 1;
  const auto letter = prefix / 2;
  const double power = static_cast<double>(letter) + 1;
  return unit.size() == 2 ? std::round(std::pow(10.0, 3 * power)) : std::exp2(10 * power);
}

// Three digits, and never "1000 kB".
std::string scaled(std::uint64_t bytes, double base, std::span<const std::string_view> units) {
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (unit + 1 < units.size() && value >= (unit == 0 ? base : base - 0.5)) value /= base, unit++;
  if (unit == 0) return fmt::format("{} {}", bytes, units[0]);
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, units[unit]);
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  static const std::regex pattern(kSizePattern);
  std::cmatch parts;
  if (text.size() > 64 || !std::regex_match(text.data(), text.data() + text.size(), parts, pattern)) return {};
  const double bytes = std::round(std::stod(parts[1].str()) * factor(parts[3].str()));
  if (bytes >= 9223372036854775808.0) return {};
  return static_cast<std::uint64_t>(bytes);
}

std::string decimal_bytes(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 7> kUnits{"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  return scaled(bytes, 1000, kUnits);
}

std::string binary_bytes(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 7> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  return scaled(bytes, 1024, kUnits);
}

std::string grouped(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "-";
  if (seconds < 9.995) return fmt::format("{:.2f} s", seconds);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

}  // namespace weft::text
