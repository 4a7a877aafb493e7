#include "config/source.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>

#include "config/fields.hpp"
#include "config/suggest.hpp"
#include "json/strict_json.hpp"
#include "text/utf8.hpp"
#include "weft/error.hpp"

namespace weft::config {
namespace {

constexpr std::size_t kShown = 60;

std::vector<std::string_view> keys_of(const Json& object) {
  std::vector<std::string_view> keys;
  for (const auto& item : object.items()) keys.push_back(item.key());
  return keys;
}

// A place in an array; only its plain decimal form counts, so "-1", "01" and "1e3" are none.
std::optional<std::size_t> index_of(std::string_view part) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  if (error != std::errc() || end != part.data() + part.size()) return {};
  if (part.size() > 1 && part.front() == '0') return {};
  return index;
}

}  // namespace

Json parse_value(const std::string& text) {
  try {
    return json::parse_strict(text);
  } catch (const json::JsonError&) {
    return text;
  }
}

std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return value.empty() ? "an empty array" : "an array";
  if (!value.is_string()) return value.dump();
  return "the string " + json::quote(text::shorten_middle(value.get_ref<const std::string&>(), kShown));
}

Source::Source(std::string_view text, std::string where) : where_(std::move(where)) {
  try {
    root_ = json::parse_strict(text);
  } catch (const json::JsonError& error) {
    throw Error(ErrorKind::kConfig, fmt::format("{}: not valid JSON: {}", where_,
                                                text::printable(text::shorten_middle(error.what(), 300))));
  }
  if (!root_.is_object())
    fail(Json::json_pointer(), fmt::format("expected an object with the config; found {}", shown(root_)));
}

void Source::fail(const Json::json_pointer& at, const std::string& message) const {
  const std::string pointer = at.to_string();
  std::string from = where_;
  for (const auto& [target, text] : overrides_)
    if (pointer == target || pointer.starts_with(target + "/"))
      from = "--set " + text::printable(text::shorten_middle(text, 2 * kShown));
  const std::string place = pointer.empty() ? "" : text::shorten_middle(pointer, 4 * kShown) + ": ";
  throw Error(ErrorKind::kConfig, fmt::format("{}: {}{}", from, place, message));
}

void Source::apply(const std::string& override_text) {
  const auto refuse = [&](const std::string& message) {
    const std::string text = text::printable(text::shorten_middle(override_text, 2 * kShown));
    throw Error(ErrorKind::kConfig, fmt::format("--set {}: {}", text, message));
  };
  if (!text::is_utf8(override_text)) refuse("it is not valid UTF-8");
  const auto equals = override_text.find('=');
  if (equals == std::string::npos || equals == 0)
    refuse("expected path.to.key=value, such as rules.0.relative_step=0.5");
  std::string_view path = std::string_view(override_text).substr(0, equals);
  Json value = parse_value(override_text.substr(equals + 1));

  Json* parent = &root_;
  Json::json_pointer pointer;
  for (bool last = false; !last;) {
    const auto dot = path.find('.');
    last = dot == std::string_view::npos;
    const std::string part(path.substr(0, dot));
    if (!last) path.remove_prefix(dot + 1);
    if (part.empty()) refuse("its path has an empty part");

    const std::string of = pointer.empty() ? "the config" : pointer.to_string();
    Json* child = nullptr;
    if (parent->is_array()) {
      const auto index = index_of(part);
      const std::size_t size = parent->size();
      if (!index || *index >= size)
        refuse(fmt::format("{} has {} entries{}: there is no {}", of, size,
                           size > 0 ? fmt::format(", 0 to {}", size - 1) : "", json::quote(part)));
      child = &(*parent)[*index];
      pointer /= *index;
    } else if (parent->is_object()) {
      // So that --set target.bits_per_weight=3 does for a config without a target.
      const bool is_section = pointer.empty() ? part == kTargetKey : part == kPruneKey;
      if (is_section && !last && !value.is_null() && !parent->contains(part)) (*parent)[part] = Json::object();
      const bool exists = parent->contains(part);
      if (!exists && (!last || value.is_null()))
        refuse(fmt::format("{} has no {}{}", of, json::quote(part), did_you_mean(part, keys_of(*parent))));
      pointer /= part;
      if (last && value.is_null()) {
        parent->erase(part);
        return;
      }
      child = &(*parent)[part];
    } else {
      refuse(fmt::format("{} is {}, which has no {}", of, shown(*parent), json::quote(part)));
    }
    parent = child;
  }
  *parent = std::move(value);
  overrides_.emplace_back(pointer.to_string(), override_text);
}

}  // namespace weft::config
