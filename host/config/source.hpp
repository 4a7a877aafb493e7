// A config as JSON, with what is needed to say where each of its values came from: the file or an override.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/value_type.hpp"

namespace weft::config {

class Source {
 public:
  // Parses the text. Throws Error(kConfig) with line and column, also for duplicate keys and deep nesting.
  Source(std::string_view text, std::string where);

  // Applies "path.to.key=value". The path leads through what exists; its last key may be new. The value null removes
  // a key. Throws Error(kConfig).
  void apply(const std::string& override_text);

  [[nodiscard]] const Json& root() const noexcept { return root_; }
  // Throws Error(kConfig): "<where>: <pointer>: <message>", where "--set ..." stands for what an override has set.
  [[noreturn]] void fail(const Json::json_pointer& at, const std::string& message) const;

 private:
  std::string where_;
  Json root_;
  std::vector<std::pair<std::string, std::string>> overrides_;  // pointer of what it set, text
};

// A value as people type it: JSON, or else a string.
[[nodiscard]] Json parse_value(const std::string& text);

// A value for messages: "the string \"abc\"", "-3", "an array".
[[nodiscard]] std::string shown(const Json& value);

}  // namespace weft::config
