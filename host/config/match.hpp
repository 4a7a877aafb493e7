// What a rule matches, in parts; spec_for() puts them together.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "weft/config.hpp"

namespace weft::config {

// Where the first set of a glob begins that no ']' closes.
[[nodiscard]] std::optional<std::size_t> open_set(std::string_view glob) noexcept;

[[nodiscard]] bool matches_name(const Rule& rule, std::string_view name) noexcept;

}  // namespace weft::config
