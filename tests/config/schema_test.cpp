#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "config/fields.hpp"
#include "config/presets.hpp"
#include "json/strict_json.hpp"
#include "support/places.hpp"
#include "weft/config.hpp"
#include "weft/error.hpp"

namespace weft {
namespace {

using Json = nlohmann::json;

// As much of JSON schema as config_schema() uses; anything else in a schema fails the test.
bool conforms(const Json& root, const Json& schema, const Json& value) {
  for (const auto& [key, rule] : schema.items()) {
    bool holds = false;
    if (key == "description" || key == "default" || key == "$schema" || key == "title" || key == "$defs") {
      holds = true;
    } else if (key == "properties") {
      holds = true;
      if (value.is_object())
        for (const auto& [name, property] : rule.items())
          holds = holds && (!value.contains(name) || conforms(root, property, value.at(name)));
    } else if (key == "not") {
      holds = !conforms(root, rule, value);
    } else if (key == "type") {
      holds = rule == "object"    ? value.is_object()
              : rule == "array"   ? value.is_array()
              : rule == "string"  ? value.is_string()
              : rule == "boolean" ? value.is_boolean()
              : rule == "number"  ? value.is_number()
                                  : value.is_number() && value.get<double>() == std::floor(value.get<double>());
    } else if (key == "$ref") {
      holds = conforms(root, root.at(Json::json_pointer(rule.get<std::string>().substr(1))), value);
    } else if (key == "const") {
      holds = value == rule;
    } else if (key == "enum") {
      for (const Json& one : rule) holds = holds || value == one;
    } else if (key == "minimum") {
      holds = !value.is_number() || value >= rule;
    } else if (key == "maximum") {
      holds = !value.is_number() || value <= rule;
    } else if (key == "pattern") {
      holds = !value.is_string() || std::regex_search(value.get<std::string>(), std::regex(rule.get<std::string>()));
    } else if (key == "minLength") {
      holds = !value.is_string() || value.get<std::string>().size() >= rule.get<std::size_t>();
    } else if (key == "maxLength") {
      holds = !value.is_string() || value.get<std::string>().size() <= rule.get<std::size_t>();
    } else if (key == "minItems") {
      holds = !value.is_array() || value.size() >= rule.get<std::size_t>();
    } else if (key == "maxItems") {
      holds = !value.is_array() || value.size() <= rule.get<std::size_t>();
    } else if (key == "items") {
      holds = true;
      if (value.is_array())
        for (const Json& one : value) holds = holds && conforms(root, rule, one);
    } else if (key == "contains") {
      holds = !value.is_array() || std::any_of(value.begin(), value.end(), [&root, &wanted = rule](const Json& one) {
        return conforms(root, wanted, one);
      });
    } else if (key == "required") {
      holds = true;
      for (const Json& name : rule) holds = holds && value.is_object() && value.contains(name.get<std::string>());
    } else if (key == "additionalProperties") {
      holds = value.is_object();
      if (holds)
        for (const auto& [name, member] : value.items())
          holds = holds && schema.at("properties").contains(name) &&
                  conforms(root, schema.at("properties").at(name), member);
    } else if (key == "anyOf" || key == "oneOf") {
      int count = 0;
      for (const Json& one : rule) count += conforms(root, one, value);
      holds = key == "anyOf" ? count > 0 : count == 1;
    } else {
      ADD_FAILURE() << "the schema uses " << key;
    }
    if (!holds) return false;
  }
  return true;
}

bool conforms(const Json& value) {
  static const Json schema = Json::parse(config_schema());
  return conforms(schema, schema, value);
}

bool parses(const std::string& text) {
  try {
    (void)parse_config(text, "t");
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST(Schema, TheFileIsUpToDate) {
  std::ifstream file(testing::source_folder() / "configs/schema.json", std::ios::binary);
  const std::string stored((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_EQ(stored, config_schema()) << "write it anew: weft config schema > configs/schema.json";
}

TEST(Schema, AcceptsThePresets) {
  for (const config::Preset& preset : config::presets()) {
    EXPECT_TRUE(conforms(Json::parse(preset.text))) << preset.name;
    EXPECT_TRUE(conforms(Json::parse(to_json(parse_config(preset.text, "t"))))) << preset.name;
  }
}

// Puts each of many values at each key of each codec: the schema and the parser must agree on every one.
TEST(Schema, AgreesWithTheParser) {
  const std::string values[] = {"null",        "true",      "-1",
                                "0",           "0.5",       "1",
                                "1.0",         "2",         "17",
                                "33",          "1024",      "2048.0",
                                "1e20",        "1e-40",     "\"\"",
                                "\"*\"",       "\"F32\"",   "\"cpu\"",
                                "\"cuda:3\"",  "\"2 GiB\"", "\"lossless\"",
                                "\"uniform\"", "\"raw\"",   "[]",
                                "[\"a\"]",     "[\"F32\"]", "[\"F32\", \"BF16\"]",
                                "[1]",         "{}",        "\"relative\"",
                                "\"auto\"",    "\"2:4\"",   "\"0:4\"",
                                "\"rule\""};
  int accepted = 0, refused = 0;
  const auto compare = [&](const Json& value) {
    const bool fits = conforms(value);
    EXPECT_EQ(parses(value.dump()), fits) << value.dump();
    (fits ? accepted : refused)++;
  };
  std::vector<std::string> keys{"rules", "nonsense"}, rule_keys{"nonsense", "prune"};
  for (const auto& field : config::config_fields()) keys.emplace_back(field.name);
  for (const auto& field : config::rule_fields()) rule_keys.emplace_back(field.name);
  for (const auto& parameter : config::codec_parameters()) rule_keys.emplace_back(parameter.field.name);
  for (const std::string& text : values) {
    const Json value = Json::parse(text);
    for (const std::string& key : keys) compare({{key, value}});
    for (const std::string& key : rule_keys)
      for (const char* rule : {"{}", R"({"codec": "raw"})", R"({"codec": "lossless"})", R"({"codec": "uniform"})",
                               R"({"codec": "uniform", "step": 1})", R"({"codec": "codebook"})"}) {
        Json object = Json::parse(rule);
        object[key] = value;
        compare({{"rules", Json::array({object})}});
        compare({{"rules", Json::array({object})}, {"target", {{"ratio", 3}}}});
      }
    for (const auto& field : config::prune_fields())
      for (const char* prune : {"{}", R"({"sparsity": 0.5})", R"({"pattern": "2:4"})", R"({"channels": 0.5})",
                                R"({"sparsity": 0.5, "scope": "rule"})", R"({"channels": 1, "channel_axis": -1})"})
        for (const char* rule : {R"({"codec": "raw"})", R"({"codec": "codebook", "pin_zero": false})",
                                 R"({"codec": "codebook", "pin_zero": true})",
                                 R"({"codec": "trellis", "step": 1, "labelling": "natural"})"}) {
          Json object = Json::parse(prune), with = Json::parse(rule);
          object[field.name] = value;
          with["prune"] = object;
          compare({{"rules", Json::array({with})}});
        }
    for (const auto& field : config::target_fields())
      for (const char* target :
           {"{}", R"({"ratio": 3})", R"({"max_abs_error": 1})", R"({"distortion": "relative"})",
            R"({"sqnr_db": 3, "distortion": "relative"})", R"({"max_abs_error": 1, "distortion": "relative"})"}) {
        Json object = Json::parse(target);
        object[field.name] = value;
        compare({{"target", object}});
        compare({{"target", object}, {"rules", Json::array({{{"codec", "uniform"}}})}});
      }
  }
  EXPECT_GT(accepted, 150);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace weft
