// Text for terminals: names from files may hold anything.
//
// A column is one code point; wide and combining characters are not told apart.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weft::text {

// The code point at `at`, which moves behind it. A byte that is no valid UTF-8 counts as a character of its own:
// 0x110000 + its value.
[[nodiscard]] char32_t next_char(std::string_view text, std::size_t& at) noexcept;

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

// The number of code points.
[[nodiscard]] std::size_t columns(std::string_view text) noexcept;

// The text with everything escaped that could steer a terminal or forge a line: control characters, line breaks,
// invalid UTF-8 and what is invisible or changes the direction of text.
[[nodiscard]] std::string printable(std::string_view text);

// At most `width` columns (5 or more): the middle of a longer text becomes "...".
[[nodiscard]] std::string shorten_middle(std::string_view text, std::size_t width);

}  // namespace weft::text
