#include "config/value_type.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <regex>

#include "text/units.hpp"

namespace weft::config {
namespace {

constexpr std::size_t kMaxText = 64;        // std::regex recurses: it only sees short strings
constexpr std::size_t kMaxListed = 4096;    // characters of a glob
constexpr std::size_t kMaxEntries = 65536;  // of a list

std::string digits(double value) {
  return value == std::floor(value) && std::abs(value) < 1e17 ? fmt::format("{:.0f}", value) : fmt::format("{}", value);
}

// Characters, as JSON schema counts them; the parser has let only valid UTF-8 through.
std::size_t length(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string anchored(std::string_view pattern) { return fmt::format("^({})$", pattern); }

}  // namespace

ValueType ValueType::boolean() { return ValueType(Kind::kBoolean); }
ValueType ValueType::number(double min, double max) { return ValueType(Kind::kNumber, min, max); }
ValueType ValueType::integer(double min, double max) { return ValueType(Kind::kInteger, min, max); }
ValueType ValueType::only(double value, std::string_view expected) {
  ValueType type(Kind::kInteger, value, value);
  type.words_ = expected;
  return type;
}
ValueType ValueType::power_of_two(double min, double max) { return ValueType(Kind::kPowerOfTwo, min, max); }
ValueType ValueType::bytes(double min, double max) {
  ValueType type(Kind::kBytes, min, max);
  type.pattern_ = text::kSizePattern;
  return type;
}
ValueType ValueType::text(std::string_view pattern, std::string_view expected) {
  ValueType type(Kind::kText);
  type.pattern_ = pattern;
  type.words_ = expected;
  return type;
}
ValueType ValueType::choice(std::vector<std::string_view> names) {
  ValueType type(Kind::kChoice);
  type.names_ = std::move(names);
  return type;
}
ValueType ValueType::or_auto() && {
  or_auto_ = true;
  return std::move(*this);
}
ValueType ValueType::list(std::vector<std::string_view> names) {
  ValueType type(Kind::kList);
  type.names_ = std::move(names);
  return type;
}

bool ValueType::accepts_number(Json& value) const {
  if (!value.is_number()) return false;
  const double number = value.get<double>();
  if (!(number >= min_ && number <= max_)) return false;
  if (kind_ == Kind::kNumber) return true;
  if (number != std::floor(number)) return false;
  const auto whole = static_cast<std::int64_t>(number);
  if (kind_ == Kind::kPowerOfTwo && (whole & (whole - 1)) != 0) return false;
  value = whole;
  return true;
}

bool ValueType::accepts_string(const Json& value) const {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  if (kind_ == Kind::kText)
    return text.size() <= kMaxText && std::regex_match(text, std::regex(pattern_.begin(), pattern_.end()));
  if (names_.empty()) return !text.empty() && length(text) <= kMaxListed;
  return std::find(names_.begin(), names_.end(), text) != names_.end();
}

std::optional<Complaint> ValueType::normalise(Json& value) const {
  const auto unless = [&](bool accepted) {
    return accepted ? std::optional<Complaint>() : Complaint{Json::json_pointer(), expected()};
  };
  switch (kind_) {
    case Kind::kBoolean:
      return unless(value.is_boolean());
    case Kind::kNumber:
    case Kind::kInteger:
    case Kind::kPowerOfTwo:
      if (or_auto_ && value == "auto") {
        value = nullptr;
        return {};
      }
      return unless(accepts_number(value));
    case Kind::kBytes: {
      if (!value.is_string()) return unless(accepts_number(value));
      const auto size = text::parse_size(value.get_ref<const std::string&>());
      Json number = size.value_or(0);
      if (!size || !accepts_number(number)) return unless(false);
      value = std::move(number);
      return {};
    }
    case Kind::kText:
    case Kind::kChoice:
      return unless(accepts_string(value));
    case Kind::kList:
      if (value.is_string()) {
        if (!accepts_string(value)) return Complaint{Json::json_pointer(), expected_string()};
        value = Json::array({value});
        return {};
      }
      if (!value.is_array() || value.empty() || value.size() > kMaxEntries) return unless(false);
      for (std::size_t i = 0; i < value.size(); i++)
        if (!accepts_string(value[i])) return Complaint{Json::json_pointer() / i, expected_string()};
      return {};
  }
  return {};
}

std::string ValueType::expected_string() const {
  if (names_.empty()) return fmt::format("a string of 1 to {} characters", kMaxListed);
  if (names_.size() == 1) return fmt::format("\"{}\"", names_.front());
  return fmt::format("one of {}", fmt::join(names_, ", "));
}

std::string ValueType::expected() const {
  switch (kind_) {
    case Kind::kBoolean:
      return "true or false";
    case Kind::kNumber:
      return fmt::format("a number from {} to {}{}", digits(min_), digits(max_), or_auto_ ? ", or auto" : "");
    case Kind::kInteger:
      return !words_.empty() ? std::string(words_)
                             : fmt::format("an integer from {} to {}", digits(min_), digits(max_));
    case Kind::kPowerOfTwo:
      return fmt::format("a power of two from {} to {}{}", digits(min_), digits(max_), or_auto_ ? ", or auto" : "");
    case Kind::kBytes:
      return fmt::format("a number of bytes from {} to {}, or {}", digits(min_), digits(max_), text::kSizeExample);
    case Kind::kText:
      return std::string(words_);
    case Kind::kChoice:
      return expected_string();
    case Kind::kList:
      return fmt::format("{}, or a list of 1 to {} of them", expected_string(), kMaxEntries);
  }
  return {};
}

nlohmann::ordered_json ValueType::string_schema() const {
  nlohmann::ordered_json schema{{"type", "string"}};
  if (kind_ == Kind::kText || kind_ == Kind::kBytes) {
    schema["pattern"] = anchored(pattern_);
    schema["maxLength"] = kMaxText;
  } else if (names_.empty()) {
    schema["minLength"] = 1;
    schema["maxLength"] = kMaxListed;
  } else {
    schema["enum"] = names_;
  }
  return schema;
}

nlohmann::ordered_json ValueType::schema() const {
  using Schema = nlohmann::ordered_json;
  const auto whole = [](double value) { return static_cast<std::int64_t>(value); };
  switch (kind_) {
    case Kind::kBoolean:
      return {{"type", "boolean"}};
    case Kind::kNumber:
      if (or_auto_)
        return {{"anyOf", Schema::array({Schema{{"type", "number"}, {"minimum", min_}, {"maximum", max_}},
                                         Schema{{"const", "auto"}}})}};
      return {{"type", "number"}, {"minimum", min_}, {"maximum", max_}};
    case Kind::kInteger:
      if (min_ == max_) return {{"const", whole(min_)}};
      return {{"type", "integer"}, {"minimum", whole(min_)}, {"maximum", whole(max_)}};
    case Kind::kPowerOfTwo: {
      Schema powers = Schema::array();
      for (std::int64_t power = whole(min_); power <= whole(max_); power *= 2) powers.push_back(power);
      if (or_auto_) powers.push_back("auto");
      return {{"enum", std::move(powers)}};
    }
    case Kind::kBytes:
      return {{"anyOf", Schema::array({Schema{{"type", "integer"}, {"minimum", whole(min_)}, {"maximum", whole(max_)}},
                                       string_schema()})}};
    case Kind::kText:
    case Kind::kChoice:
      return string_schema();
    case Kind::kList:
      return {{"anyOf", Schema::array({string_schema(), Schema{{"type", "array"},
                                                               {"items", string_schema()},
                                                               {"minItems", 1},
                                                               {"maxItems", kMaxEntries}}})}};
  }
  return {};
}

}  // namespace weft::config
