#include "text/utf8.hpp"

#include <gtest/gtest.h>

namespace weft::text {
namespace {

char32_t first(std::string_view text, std::size_t* length = nullptr) {
  std::size_t at = 0;
  const char32_t c = next_char(text, at);
  if (length) *length = at;
  return c;
}

TEST(Utf8, DecodesEveryLength) {
  std::size_t length = 0;
  EXPECT_EQ(first("a", &length), U'a');
  EXPECT_EQ(length, 1u);
  EXPECT_EQ(first("\u00e9x", &length), U'\u00e9');
  EXPECT_EQ(length, 2u);
  EXPECT_EQ(first("\u20acx", &length), U'\u20ac');
  EXPECT_EQ(length, 3u);
  EXPECT_EQ(first("\U0001F600x", &length), U'\U0001F600');
  EXPECT_EQ(length, 4u);
  EXPECT_EQ(first("\xF4\x8F\xBF\xBF"), 0x10FFFFu);
}

TEST(Utf8, TakesInvalidBytesOneByOne) {
  for (const std::string_view text :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x80\x80", "\xE2\x82", "\xED\xA0\x80",
        "\xF0\x80\x80\x80", "\xF0\x9F\x98", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    std::size_t length = 0;
    EXPECT_EQ(first(text, &length), 0x110000u + static_cast<unsigned char>(text[0]));
    EXPECT_EQ(length, 1u);
  }
}

TEST(Utf8, CountsColumns) {
  EXPECT_EQ(columns(""), 0u);
  EXPECT_EQ(columns("a\u00e9\u20ac\xFF"), 4u);
}

TEST(Utf8, MakesTextSafeForTerminals) {
  EXPECT_EQ(printable("blk.0\u00e9"), "blk.0\u00e9");
  EXPECT_EQ(printable("\x1b[2J\n\x7f\xc2\x9b\xff"), "\\u{1b}[2J\\n\\u{7f}\\u{9b}\\xff");
  EXPECT_EQ(printable("a\u202egnp\u200b"), "a\\u{202e}gnp\\u{200b}");
}

TEST(Utf8, ShortensInTheMiddle) {
  EXPECT_EQ(shorten_middle("abcdefghij", 10), "abcdefghij");
  EXPECT_EQ(shorten_middle("abcdefghijk", 10), "abcd...ijk");
  EXPECT_EQ(shorten_middle("abcdefghijk", 5), "a...k");
  EXPECT_EQ(shorten_middle("\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac", 5), "\u20ac...\u20ac");
}

}  // namespace
}  // namespace weft::text
