// What a value of the config may be. One description checks a value, words the complaint and writes the JSON schema.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::config {

using Json = nlohmann::json;

// What was expected, and where in the value, "" for the value itself.
struct Complaint {
  Json::json_pointer at;
  std::string expected;
};

class ValueType {
 public:
  [[nodiscard]] static ValueType boolean();
  [[nodiscard]] static ValueType number(double min, double max);
  // As in JSON schema, 4.0 is an integer too. Bounds within 2^50, so that doubles hold them and their neighbours.
  [[nodiscard]] static ValueType integer(double min, double max);
  // The one integer there is so far; `expected` says so in words.
  [[nodiscard]] static ValueType only(double value, std::string_view expected);
  [[nodiscard]] static ValueType power_of_two(double min, double max);
  [[nodiscard]] static ValueType bytes(double min, double max);  // an integer or a string such as "512MiB"
  // A string that matches the regular expression as a whole; `expected` says so in words.
  [[nodiscard]] static ValueType text(std::string_view pattern, std::string_view expected);
  [[nodiscard]] static ValueType choice(std::vector<std::string_view> names);
  // One string or a list of one and more. Without names: any that are not empty.
  [[nodiscard]] static ValueType list(std::vector<std::string_view> names = {});

  // The same, or the string "auto", whose one form is null.
  [[nodiscard]] ValueType or_auto() &&;

  // Checks a value and brings it to its one form: integers as integers, sizes in bytes, lists as arrays.
  [[nodiscard]] std::optional<Complaint> normalise(Json& value) const;
  [[nodiscard]] std::string expected() const;
  [[nodiscard]] nlohmann::ordered_json schema() const;
  [[nodiscard]] const std::vector<std::string_view>& names() const noexcept { return names_; }

 private:
  enum class Kind { kBoolean, kNumber, kInteger, kPowerOfTwo, kBytes, kText, kChoice, kList };
  explicit ValueType(Kind kind, double min = 0, double max = 0) : kind_(kind), min_(min), max_(max) {}
  [[nodiscard]] bool accepts_number(Json& value) const;
  [[nodiscard]] bool accepts_string(const Json& value) const;
  [[nodiscard]] std::string expected_string() const;
  [[nodiscard]] nlohmann::ordered_json string_schema() const;

  Kind kind_;
  double min_, max_;
  bool or_auto_ = false;
  std::string_view pattern_, words_;
  std::vector<std::string_view> names_;
};

}  // namespace weft::config
