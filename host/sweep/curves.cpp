#include "sweep/curves.hpp"

#include <fmt/format.h>

#include <cmath>

#include "io/file.hpp"
#include "json/strict_json.hpp"
#include "text/utf8.hpp"
#include "weft/error.hpp"

namespace weft::sweep {
namespace {

constexpr std::uint64_t kMaxFileBytes = 64u << 20;

// The number of that name; nothing if it is null.
std::optional<double> number(const nlohmann::json& point, const char* name) {
  if (!point.is_object() || !point.contains(name)) throw json::JsonError(fmt::format("it has no \"{}\"", name));
  const nlohmann::json& value = point[name];
  if (value.is_null()) return {};
  if (!value.is_number() || !std::isfinite(value.get<double>()))
    throw json::JsonError(fmt::format("its \"{}\" is not a number", name));
  return value.get<double>();
}

}  // namespace

Curves read_curves(const std::filesystem::path& path) {
  Curves curves;
  std::string place;
  try {
    const auto root = json::parse_strict(io::read_text(path, kMaxFileBytes));
    if (!root.is_object()) throw json::JsonError("expected an object with a list of points for each network");
    for (const auto& [network, points] : root.items()) {
      place = fmt::format("{}: ", text::printable(text::shorten_middle(network, 80)));
      if (!points.is_array()) throw json::JsonError("expected a list of points");
      Curve& curve = curves[network];
      for (std::size_t i = 0; i < points.size(); i++) {
        place = fmt::format("{}, point {}: ", text::printable(text::shorten_middle(network, 80)), i);
        const auto bits = number(points[i], "bits_per_weight"), sqnr = number(points[i], "sqnr_db");
        if (bits && sqnr) curve.push_back({*bits, *sqnr});
      }
    }
  } catch (const json::JsonError& error) {
    throw Error(ErrorKind::kConfig, fmt::format("{}: not rate-distortion points as weft sweep writes them: {}{}",
                                                path.string(), place, error.what()));
  } catch (const Error& error) {
    throw Error(ErrorKind::kConfig, fmt::format("cannot use the reference: {}", error.what()));
  }
  return curves;
}

}  // namespace weft::sweep
