// Globs, and which rule a tensor falls under.
#include "config/match.hpp"

#include <algorithm>

#include "text/utf8.hpp"

namespace weft {
namespace {

using text::next_char;

// Whether c is in the set that begins behind the '[' at `at`, which moves behind the ']'. Nothing when the set is never
// closed: '[' then stands for itself. As in a shell, ']' in the first place is a member.
std::optional<bool> in_set(std::string_view pattern, std::size_t& at, char32_t c) noexcept {
  std::size_t i = at;
  const bool negated = i < pattern.size() && pattern[i] == '!';
  if (negated) i++;
  bool found = false;
  for (bool first = true; i < pattern.size(); first = false) {
    if (pattern[i] == ']' && !first) {
      at = i + 1;
      return found != negated;
    }
    const char32_t low = next_char(pattern, i);
    char32_t high = low;
    if (i + 1 < pattern.size() && pattern[i] == '-' && pattern[i + 1] != ']') {
      i++;
      high = next_char(pattern, i);
    }
    found = found || (low <= c && c <= high);
  }
  return {};
}

// Whether one character matches the pattern's piece at `at`, which is not '*' and which `at` moves behind.
bool matches_one(std::string_view pattern, std::size_t& at, char32_t c) noexcept {
  const char32_t piece = next_char(pattern, at);
  if (piece == '?') return true;
  if (piece == '[')
    if (const auto in = in_set(pattern, at, c)) return *in;
  return piece == c;
}

}  // namespace

// When a piece does not match, only the last '*' may take one character more: earlier ones need not be tried again,
// which bounds the work by the product of the lengths.
bool glob_match(std::string_view pattern, std::string_view name) noexcept {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t p = 0, n = 0, behind_star = kNone, star_end = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      behind_star = ++p;
      star_end = n;
      continue;
    }
    if (p < pattern.size()) {
      std::size_t next_p = p, next_n = n;
      const char32_t c = next_char(name, next_n);
      if (matches_one(pattern, next_p, c)) {
        p = next_p;
        n = next_n;
        continue;
      }
    }
    if (behind_star == kNone) return false;
    (void)next_char(name, star_end);
    p = behind_star;
    n = star_end;
  }
  while (p < pattern.size() && pattern[p] == '*') p++;
  return p == pattern.size();
}

std::optional<std::size_t> config::open_set(std::string_view glob) noexcept {
  for (std::size_t at = 0; at < glob.size();) {
    const std::size_t begin = at;
    if (next_char(glob, at) == '[' && !in_set(glob, at, 0)) return begin;
  }
  return {};
}

bool config::matches_name(const Rule& rule, std::string_view name) noexcept {
  return std::any_of(rule.match.begin(), rule.match.end(),
                     [&](const std::string& glob) { return glob_match(glob, name); });
}

CodecSpec spec_for(const Config& config, std::string_view name, DType dtype, std::uint64_t elements, std::uint64_t rank,
                   int* rule_index) {
  const auto applies = [&](const Rule& rule) {
    if (elements < rule.min_elements || rank < rule.min_rank) return false;
    if (!rule.dtypes.empty() && std::find(rule.dtypes.begin(), rule.dtypes.end(), dtype) == rule.dtypes.end())
      return false;
    return config::matches_name(rule, name);
  };
  const auto found = std::find_if(config.rules.begin(), config.rules.end(), applies);
  const bool matched = found != config.rules.end();
  if (rule_index) *rule_index = matched ? static_cast<int>(found - config.rules.begin()) : -1;
  return matched ? found->spec : CodecSpec{};
}

}  // namespace weft
