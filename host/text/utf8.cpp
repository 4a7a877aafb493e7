#include "text/utf8.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <vector>

namespace weft::text {
namespace {

constexpr char32_t kInvalid = 0x110000;

// Neither a control character nor one that hides itself or reorders its neighbours.
bool is_visible(char32_t c) noexcept {
  const auto in = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
  const bool control = c < 0x20 || in(0x7F, 0x9F);
  const bool hidden = c == 0xAD || c == 0x61C || in(0x200B, 0x200F) || in(0x2028, 0x202E) || in(0x2060, 0x206F) ||
                      c == 0xFEFF || in(0xFFF0, 0xFFFB) || in(0xE0000, 0xE0FFF);
  return !control && !hidden;
}

}  // namespace

char32_t next_char(std::string_view text, std::size_t& at) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  const int more = first < 0x80 ? 0 : first >= 0xC2 && first < 0xE0 ? 1 : (first & 0xF0) == 0xE0 ? 2 : 3;
  if (more == 0) {
    at++;
    return first;
  }
  char32_t value = first & (0x3Fu >> more);
  bool valid = first >= 0xC2 && first < 0xF5 && text.size() - at > static_cast<std::size_t>(more);
  for (int i = 1; valid && i <= more; i++) {
    const unsigned char next = byte(at + i);
    valid = (next & 0xC0) == 0x80;
    value = value << 6 | (next & 0x3F);
  }
  const char32_t smallest[] = {0, 0x80, 0x800, 0x10000};
  if (!valid || value < smallest[more] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
    at++;
    return kInvalid + first;
  }
  at += static_cast<std::size_t>(more) + 1;
  return value;
}

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();)
    if (next_char(text, at) >= 0x110000) return false;
  return true;
}

std::size_t columns(std::string_view text) noexcept {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); count++) (void)next_char(text, at);
  return count;
}

std::string printable(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = next_char(text, at);
    if (c >= kInvalid)
      result += fmt::format("\\x{:02x}", static_cast<std::uint32_t>(c - kInvalid));
    else if (c == U'\n')
      result += "\\n";
    else if (is_visible(c))
      result += text.substr(begin, at - begin);
    else
      result += fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(c));
  }
  return result;
}

std::string shorten_middle(std::string_view text, std::size_t width) {
  std::vector<std::size_t> begins;
  for (std::size_t at = 0; at < text.size();) {
    begins.push_back(at);
    (void)next_char(text, at);
  }
  if (begins.size() <= width) return std::string(text);
  const std::size_t tail = (width - 3) / 2, head = width - 3 - tail;
  return std::string(text.substr(0, begins[head])) + "..." + std::string(text.substr(begins[begins.size() - tail]));
}

}  // namespace weft::text
