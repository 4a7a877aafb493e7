#include <fmt/format.h>

#include <algorithm>

#include "archive/codebook_index.hpp"
#include "config/fields.hpp"
#include "weft/config.hpp"

namespace weft {
namespace {

using Schema = nlohmann::ordered_json;

template <class Owner>
Schema property(const config::Field<Owner>& field) {
  Schema schema = field.type.schema();
  schema["description"] = field.doc;
  if (const config::Json standard = field.get(Owner{}); !standard.is_null()) schema["default"] = standard;
  return schema;
}

Schema reference(std::string_view name) { return {{"$ref", fmt::format("#/$defs/{}", name)}}; }

// A key that several codecs have, each with its own meaning, has a definition for each of them.
std::string definition_of(const config::Parameter& parameter) {
  for (const auto& other : config::codec_parameters())
    if (&other != &parameter && other.field.name == parameter.field.name)
      return fmt::format("{}_{}", name_of(parameter.codecs.front()), parameter.field.name);
  return std::string(parameter.field.name);
}

// The rules of one codec.
Schema rule_schema(const config::CodecEntry& codec) {
  Schema properties = Schema::object();
  for (const auto& field : config::rule_fields())
    if (field.name != config::kCodecKey) properties[std::string(field.name)] = reference(field.name);
  properties[std::string(config::kPruneKey)] = reference(config::kPruneKey);
  properties[std::string(config::kCodecKey)] = {{"const", name_of(codec.id)}, {"description", codec.doc}};
  for (const auto& parameter : config::codec_parameters())
    if (config::has_parameter(parameter, codec.id))
      properties[std::string(parameter.field.name)] = reference(definition_of(parameter));
  Schema schema{{"type", "object"},
                {"properties", std::move(properties)},
                {"required", Schema::array({config::kCodecKey})},
                {"additionalProperties", false}};
  Schema forbidden = Schema::array();
  if (!codec.at_most_one_of.empty()) forbidden.push_back({{"required", codec.at_most_one_of}});
  // What would not give pruned weights back as zeros.
  const auto forbid = [&](const char* name, const Schema& value) {
    forbidden.push_back(
        {{"required", Schema::array({config::kPruneKey, name})}, {"properties", {{name, {{"const", value}}}}}});
  };
  if (codec.id == CodecId::kTrellis) forbid("labelling", "natural");
  if (codec.id == CodecId::kCodebook) {
    forbid("pin_zero", false);
    // Several weights in an entry: no zero for one of them, and more entries.
    const Schema several{{"dimension", {{"enum", {2, 4, 8}}}}};
    Schema pinned = several, scalar{{"clusters", {{"minimum", archive::kMaxScalarEntries + 1}}}};
    pinned["pin_zero"] = {{"const", true}};
    scalar["dimension"] = {{"const", 1}};
    forbidden.push_back({{"required", {"dimension", config::kPruneKey}}, {"properties", several}});
    forbidden.push_back({{"required", {"dimension", "pin_zero"}}, {"properties", pinned}});
    forbidden.push_back({{"required", {"clusters"}}, {"properties", scalar}});
    forbidden.push_back(
        {{"required", {"shared", "channel_group"}}, {"properties", {{"channel_group", {{"minimum", 1}}}}}});
  }
  if (!forbidden.empty()) schema["not"] = {{"anyOf", std::move(forbidden)}};
  return schema;
}

Schema prune_schema() {
  Schema schema{{"type", "object"}, {"properties", Schema::object()}, {"additionalProperties", false}};
  for (const auto& field : config::prune_fields()) schema["properties"][std::string(field.name)] = property(field);
  for (const std::string_view name : config::prune_kinds())
    schema["oneOf"].push_back({{"required", Schema::array({name})}});
  for (const auto& detail : config::prune_details())
    schema["not"]["anyOf"].push_back(
        {{"required", Schema::array({detail.name})}, {"not", {{"required", Schema::array({detail.kind})}}}});
  schema["description"] = "Weights that become zero before the tensor is coded, and come back as zeros.";
  return schema;
}

Schema target_schema() {
  Schema schema{{"type", "object"}, {"properties", Schema::object()}, {"additionalProperties", false}};
  for (const auto& field : config::target_fields()) {
    schema["properties"][std::string(field.name)] = property(field);
    if (field.name != config::kDistortionKey) schema["oneOf"].push_back({{"required", Schema::array({field.name})}});
  }
  schema["not"] = {{"required", Schema::array({"max_abs_error", config::kDistortionKey})},
                   {"properties", {{config::kDistortionKey, {{"not", {{"const", "auto"}}}}}}}};
  schema["description"] =
      "What the archive as a whole shall be; met within 1 % by choosing the steps that no rule gives.";
  return schema;
}

// Either there is a target and a rule that takes its step from it, or every rule that needs a step gives one.
Schema target_or_steps() {
  Schema with_step = Schema::array(), without_step = Schema::array(), of_step = Schema::array();
  for (const auto& codec : config::codecs()) {
    (codec.at_most_one_of.empty() ? without_step : of_step).push_back(name_of(codec.id));
    for (const std::string_view name : codec.at_most_one_of)
      if (const Schema one{{"required", Schema::array({name})}};
          std::find(with_step.begin(), with_step.end(), one) == with_step.end())
        with_step.push_back(one);
  }
  const Schema open{{"properties", {{config::kCodecKey, {{"enum", of_step}}}}}, {"not", {{"anyOf", with_step}}}};
  with_step.push_back({{"properties", {{config::kCodecKey, {{"enum", without_step}}}}}});
  return Schema::array({{{"required", Schema::array({config::kTargetKey, config::kRulesKey})},
                         {"properties", {{config::kRulesKey, {{"contains", open}}}}}},
                        {{"not", {{"required", Schema::array({config::kTargetKey})}}},
                         {"properties", {{config::kRulesKey, {{"items", {{"anyOf", with_step}}}}}}}}});
}

}  // namespace

std::string config_schema() {
  Schema properties = Schema::object(), definitions = Schema::object(), any_rule = Schema::array();
  for (const auto& field : config::config_fields()) properties[std::string(field.name)] = property(field);
  for (const auto& field : config::rule_fields())
    if (field.name != config::kCodecKey) definitions[std::string(field.name)] = property(field);
  for (const auto& parameter : config::codec_parameters())
    definitions[definition_of(parameter)] = property(parameter.field);
  definitions[std::string(config::kPruneKey)] = prune_schema();
  for (const auto& codec : config::codecs()) {
    const std::string name = fmt::format("{}_rule", name_of(codec.id));
    definitions[name] = rule_schema(codec);
    any_rule.push_back(reference(name));
  }
  properties[std::string(config::kTargetKey)] = target_schema();
  properties[std::string(config::kRulesKey)] = {
      {"type", "array"},
      {"maxItems", config::kMaxRules},
      {"items", {{"oneOf", std::move(any_rule)}}},
      {"description", "The first rule that matches a tensor says what happens to it; without one it is lossless."},
      {"default", Schema::array()}};
  const Schema schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                      {"title", "weft config"},
                      {"type", "object"},
                      {"properties", std::move(properties)},
                      {"additionalProperties", false},
                      {"anyOf", target_or_steps()},
                      {"$defs", std::move(definitions)}};
  return schema.dump(2) + "\n";
}

}  // namespace weft
