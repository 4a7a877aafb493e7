// A config as JSON, with what is needed to say where each of its values came from: the file or an override.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/value_type.hpp"
#include "weft/config.hpp"

namespace weft::config {

class Source {
 public:
  // Parses the text. Throws Error(kConfig) with line and column, also for duplicate keys and deep nesting.
  Source(std::string_view text, std::string where);

  // Applies "path.to.key=value". The path leads through what exists; its last key may be new. The value null removes
  // a key. Throws Error(kConfig).
  void apply(const std::string& override_text);
  // Makes "bits_per_weight=3" the target instead of another one, and removes the steps of all rules, so that they take theirs
  // from it. Throws Error(kConfig).
  void apply_target(const std::string& text);

  [[nodiscard]] const Json& root() const noexcept { return root_; }
  // Throws Error(kConfig): "<where>: <pointer>: <message>", where "--set ..." stands for what an override has set.
  [[noreturn]] void fail(const Json::json_pointer& at, const std::string& message) const;
  // Whether an override has set the value at this place, or one around it.
  [[nodiscard]] bool is_overridden(const Json::json_pointer& at) const;

 private:
  std::string where_;
  Json root_;
  std::vector<std::pair<std::string, std::string>> overrides_;  // pointer of what it set, words of the command line
};

// Whether one of the overrides sets this key of a rule, something in it or all of the rule.
[[nodiscard]] bool override_sets(const std::vector<std::string>& overrides, std::size_t rule, std::string_view key);

// Whether the name of a config is a path; else it is that of a preset, whatever files there are.
[[nodiscard]] bool is_path(std::string_view name);

// Makes relative paths in rules, for which `concerns` holds, paths from this folder.
void place_files(Config& config, const std::filesystem::path& folder,
                 const std::function<bool(std::size_t rule)>& concerns);

// A value as people type it: JSON, or else a string.
[[nodiscard]] Json parse_value(const std::string& text);

// A value for messages: "the string \"abc\"", "-3", "an array".
[[nodiscard]] std::string shown(const Json& value);

}  // namespace weft::config
