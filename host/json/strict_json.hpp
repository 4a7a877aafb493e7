// JSON as weft accepts it from strangers: nlohmann/json with the doors closed that it leaves open.
//
// * Duplicate keys are errors (the library keeps the last one silently).
// * Nesting is bounded: the library parses any depth, but copying or destroying a deep value overflows the stack.
// * A NUL byte is an error (the library takes it for the end of the text and would ignore what follows).
// * Errors say line and column.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weft::json {

// What is wrong and where ("line 3, column 7: ..."); callers turn it into a weft::Error that names the file.
class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr std::size_t kMaxDepth = 8;

// Parses one JSON text. Objects keep no order. Throws JsonError.
[[nodiscard]] nlohmann::json parse_strict(std::string_view text, std::size_t max_depth = kMaxDepth);

// Feeds one JSON text to a SAX handler of the caller's (nlohmann's interface, key and value callbacks), for input whose
// order matters or that is too large for a tree. The handler returns false to stop, and reports syntax errors itself,
// with syntax_message. Throws JsonError for a NUL byte.
void parse_sax(std::string_view text, nlohmann::json::json_sax_t& handler);

// "line 3, column 7" of a byte in a text; bytes count from 1 as in nlohmann's positions.
[[nodiscard]] std::string place_of(std::string_view text, std::size_t byte);

// "line 3, column 7: ..." of an error that parse_sax reports; of bounded length and ASCII whatever the text holds.
[[nodiscard]] std::string syntax_message(std::string_view text, std::size_t position, const std::exception& error);

// The string as a JSON string literal, quotes included, for messages and hand-written JSON.
[[nodiscard]] std::string quote(std::string_view text);
// The same for messages: cut after some hundred bytes, because names in hostile input have any length.
[[nodiscard]] std::string quote_brief(std::string_view text);

}  // namespace weft::json
