#include "json/strict_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::json {
namespace {

using ::testing::HasSubstr;

std::string fault_of(std::string_view text) {
  try {
    (void)parse_strict(text);
  } catch (const JsonError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(StrictJson, ParsesWhatIsValid) {
  const auto value = parse_strict("{\"a\": [1, -2, 3.5, true, null, {\"b\": \"\\u00e9\\n\"}], \"c\": {}} ");
  EXPECT_EQ(value["a"].size(), 6u);
  EXPECT_EQ(value["a"][0], 1);
  EXPECT_EQ(value["a"][5]["b"], "\xc3\xa9\n");
  EXPECT_TRUE(value["c"].is_object());
  EXPECT_EQ(parse_strict("[]").size(), 0u);
  EXPECT_EQ(parse_strict("7"), 7);
}

TEST(StrictJson, RefusesDuplicateKeys) {
  EXPECT_THAT(fault_of(R"({"a": 1, "b": 2, "a": 3})"), HasSubstr("\"a\" occurs twice"));
  EXPECT_THAT(fault_of(R"([{"x": {"a": 1, "\u0061": 1}}])"), HasSubstr("\"a\" occurs twice"));
  EXPECT_EQ(fault_of(R"({"a": {"a": 1}, "b": {"a": 2}})"), "accepted");
}

TEST(StrictJson, BoundsNesting) {
  const std::string open(kMaxDepth, '['), close(kMaxDepth, ']');
  EXPECT_EQ(fault_of(open + close), "accepted");
  EXPECT_THAT(fault_of("[" + open + close + "]"), HasSubstr("nested deeper than 8"));
  EXPECT_THAT(fault_of(std::string(1'000'000, '[')), HasSubstr("nested deeper than 8"));
}

TEST(StrictJson, SaysWhere) {
  EXPECT_THAT(fault_of("{\n  \"a\": 1,\n  \"b\" 2\n}"), HasSubstr("line 3, column 7: "));
  EXPECT_THAT(fault_of("[1, 2"), HasSubstr("unexpected end of input"));
  EXPECT_THAT(fault_of("[1e999]"), HasSubstr("column 6: number overflow"));
}

TEST(StrictJson, RefusesWhatTheLibraryOverlooks) {
  using namespace std::string_view_literals;
  EXPECT_THAT(fault_of("{}\0 anything"sv), HasSubstr("column 3: a NUL byte"));
  EXPECT_THAT(fault_of("[\0]"sv), HasSubstr("NUL"));
  EXPECT_THAT(fault_of("[\"\xff\"]"), HasSubstr("UTF-8"));
  EXPECT_THAT(fault_of("[\"\\ud800\"]"), HasSubstr("surrogate"));
  EXPECT_THAT(fault_of("[1] [2]"), HasSubstr("end of input"));
  EXPECT_NE(fault_of(""), "accepted");
  EXPECT_NE(fault_of("[1,]"), "accepted");
  EXPECT_NE(fault_of("[NaN]"), "accepted");
  EXPECT_NE(fault_of("[01]"), "accepted");
  EXPECT_NE(fault_of("// no comments\n[]"), "accepted");
}

TEST(StrictJson, MessagesStayShortAndPrintable) {
  EXPECT_LT(fault_of("[\"" + std::string(1'000'000, 'x')).size(), 500u);
  EXPECT_LT(fault_of("{\"" + std::string(100'000, 'x') + "\":1,\"" + std::string(100'000, 'x') + "\":1}").size(), 500u);
  for (const char c : fault_of("[\"\xff\"]")) EXPECT_TRUE(c >= 32 && c < 127);
  EXPECT_EQ(quote_brief("short"), "\"short\"");
  EXPECT_LT(quote_brief(std::string(100'000, 'x')).size(), 300u);
}

TEST(StrictJson, PlacesAndQuotes) {
  EXPECT_EQ(place_of("ab\ncd", 1), "line 1, column 1");
  EXPECT_EQ(place_of("ab\ncd", 5), "line 2, column 2");
  EXPECT_EQ(quote("a\"b\\\n\x01"), R"("a\"b\\\n\u0001")");
  EXPECT_EQ(quote("\xff"), "\"\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace weft::json
