// "Did you mean": the known name that is nearest to a misspelt one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weft::config {

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`, at most one per place.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest candidate, upper and lower case, '-' and '_' being equal; empty when none is near enough to be meant.
[[nodiscard]] std::string_view nearest(std::string_view name, const std::vector<std::string_view>& candidates);

// "; did you mean "lambda"?", or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view name, const std::vector<std::string_view>& candidates);

}  // namespace weft::config
