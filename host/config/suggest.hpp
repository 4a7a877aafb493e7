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

// The name that the glob would match after the fewest such changes, upper and lower case, '-' and '_' being equal; empty
// when none is near enough to be meant. A set counts as one character, whichever.
[[nodiscard]] std::string_view nearest_to_glob(std::string_view glob, const std::vector<std::string_view>& names);

// "; did you mean "lambda"?", or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view name, const std::vector<std::string_view>& candidates);

}  // namespace weft::config
