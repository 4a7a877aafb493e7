#include "config/source.hpp"

#include <fmt/format.h>

#include <algorithm>
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

bool is_within(const std::string& pointer, const std::string& place) {
  return pointer == place || pointer.starts_with(place + "/");
}

std::string words_of(const char* option, const std::string& text) {
  return fmt::format("{} {}", option, text::printable(text::shorten_middle(text, 2 * kShown)));
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
  for (const auto& [target, words] : overrides_)
    if (is_within(pointer, target)) from = words;
  const std::string place = pointer.empty() ? "" : text::shorten_middle(pointer, 4 * kShown) + ": ";
  throw Error(ErrorKind::kConfig, fmt::format("{}: {}{}", from, place, message));
}

bool Source::is_overridden(const Json::json_pointer& at) const {
  const std::string pointer = at.to_string();
  return std::any_of(overrides_.begin(), overrides_.end(),
                     [&](const auto& one) { return is_within(pointer, one.first); });
}

void Source::apply(const std::string& override_text) {
  const std::string words = words_of("--set", override_text);
  const auto refuse = [&](const std::string& message) {
    throw Error(ErrorKind::kConfig, fmt::format("{}: {}", words, message));
  };
  if (!text::is_utf8(override_text)) refuse("it is not valid UTF-8");
  const auto equals = override_text.find('=');
  if (equals == std::string::npos || equals == 0)
    refuse("expected path.to.key=value, such as rules.0.relative_step=0.5");
  std::string_view path = std::string_view(override_text).substr(0, equals);
  if (path.front() == '/') {
    std::string dotted(path.substr(1));
    std::replace(dotted.begin(), dotted.end(), '/', '.');
    refuse(fmt::format("use dots: {}", dotted));
  }
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
  overrides_.emplace_back(pointer.to_string(), words);
}

void Source::apply_target(const std::string& text) {
  const std::string words = words_of("--target", text);
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || !text::is_utf8(text))
    throw Error(ErrorKind::kConfig,
                fmt::format("{}: expected a figure and its value, such as bits_per_weight=3", words));
  root_[std::string(kTargetKey)] = {{text.substr(0, equals), parse_value(text.substr(equals + 1))}};
  overrides_.emplace_back((Json::json_pointer() / std::string(kTargetKey)).to_string(), words);
  const auto rules = root_.find(kRulesKey);
  if (rules == root_.end() || !rules->is_array()) return;
  for (Json& rule : *rules)
    for (const CodecEntry& codec : codecs())
      for (const std::string_view step : codec.at_most_one_of)
        if (rule.is_object()) rule.erase(std::string(step));
}

bool override_sets(const std::vector<std::string>& overrides, std::size_t rule, std::string_view key) {
  const std::string place = fmt::format("{}.{}.{}.", kRulesKey, rule, key);
  return std::any_of(overrides.begin(), overrides.end(), [&](const std::string& text) {
    const std::string path = text.substr(0, text.find('=')) + '.';
    return place.starts_with(path) || path.starts_with(place);
  });
}

}  // namespace weft::config
