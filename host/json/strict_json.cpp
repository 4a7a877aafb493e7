#include "json/strict_json.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace weft::json {
namespace {

using Json = nlohmann::json;

// Builds a tree; the stack holds pointers to the open containers, whose addresses are stable while they are open
// because only the innermost one grows.
class TreeBuilder final : public Json::json_sax_t {
 public:
  TreeBuilder(std::string_view text, std::size_t max_depth) : text_(text), max_depth_(max_depth) {}
  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (open_.back()->contains(name))
      throw JsonError(fmt::format("the key {} occurs twice in one object", quote_brief(name)));
    key_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    throw JsonError(syntax_message(text_, position, error));
  }

 private:
  Json* place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json container) {
    if (open_.size() == max_depth_) throw JsonError(fmt::format("it is nested deeper than {} levels", max_depth_));
    open_.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view text_;
  std::size_t max_depth_;
  Json root_;
  std::vector<Json*> open_;
  std::string key_;
};

}  // namespace

Json parse_strict(std::string_view text, std::size_t max_depth) {
  TreeBuilder builder(text, max_depth);
  parse_sax(text, builder);
  return builder.take();
}

void parse_sax(std::string_view text, Json::json_sax_t& handler) {
  if (const auto nul = text.find('\0'); nul != text.npos)
    throw JsonError(fmt::format("{}: a NUL byte", place_of(text, nul + 1)));
  Json::sax_parse(text.begin(), text.end(), &handler);
}

std::string place_of(std::string_view text, std::size_t byte) {
  std::size_t line = 1, column = 1;
  for (std::size_t i = 0; i + 1 < byte && i < text.size(); i++) {
    if (text[i] == '\n')
      line++, column = 1;
    else
      column++;
  }
  return fmt::format("line {}, column {}", line, column);
}

// nlohmann's own messages begin with an identifier in brackets and, most of them, the position, which we give in our
// own words. They may quote the whole text.
std::string syntax_message(std::string_view text, std::size_t position, const std::exception& error) {
  constexpr std::size_t kLongest = 300;
  std::string_view what = error.what();
  if (const auto bracket = what.find("] "); bracket != what.npos) what.remove_prefix(bracket + 2);
  if (const auto colon = what.find(": "); what.starts_with("parse error") && colon != what.npos)
    what.remove_prefix(colon + 2);
  std::string message = fmt::format("{}: {}", place_of(text, position), what.substr(0, kLongest));
  if (what.size() > kLongest) message += "...";
  for (char& c : message)
    if (static_cast<unsigned char>(c) >= 128) c = '?';
  return message;
}

std::string quote(std::string_view text) {
  return Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string quote_brief(std::string_view text) {
  constexpr std::size_t kLongest = 200;
  return text.size() <= kLongest ? quote(text) : quote(text.substr(0, kLongest)) + "...";
}

}  // namespace weft::json
