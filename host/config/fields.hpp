// The one table of everything a config may say: it drives parsing, messages, to_json() and the JSON schema.
//
// To add a codec parameter, add a member to CodecSpec and a line to codec_parameters().
#pragma once

#include <string_view>
#include <vector>

#include "config/value_type.hpp"
#include "weft/config.hpp"

namespace weft::config {

// One key of an object that becomes an Owner. The default is what `get` finds in Owner{}; null stands for "not given".
template <class Owner>
struct Field {
  std::string_view name;
  ValueType type;
  std::string_view doc;
  void (*set)(Owner&, const Json&);
  Json (*get)(const Owner&);
};

// Codecs may give the same key a meaning, bounds and default of their own: it is then there once for each.
struct Parameter {
  Field<CodecSpec> field;
  std::vector<CodecId> codecs;  // that have it
};

struct CodecEntry {
  CodecId id;
  std::string_view doc;
  std::vector<std::string_view> at_most_one_of;  // parameters; without one of them the config needs a target
};

inline constexpr std::string_view kRulesKey = "rules";
inline constexpr std::string_view kCodecKey = "codec";
inline constexpr std::string_view kTargetKey = "target";
inline constexpr std::string_view kPruneKey = "prune";
inline constexpr std::string_view kDistortionKey = "distortion";
inline constexpr std::size_t kMaxRules = 4096;

[[nodiscard]] const std::vector<Field<Config>>& config_fields();
[[nodiscard]] const std::vector<Field<Target>>&
target_fields();                                              // kDistortionKey, and the figures, of which one is given
[[nodiscard]] const std::vector<Field<Rule>>& rule_fields();  // of every rule; with kCodecKey
[[nodiscard]] const std::vector<Field<Prune>>& prune_fields();  // of a rule's kPruneKey
// Of prune_fields(): exactly one is given. And those that only go with one of these.
[[nodiscard]] const std::vector<std::string_view>& prune_kinds();
struct PruneDetail {
  std::string_view name, kind;
};
[[nodiscard]] const std::vector<PruneDetail>& prune_details();
[[nodiscard]] const std::vector<Parameter>& codec_parameters();
[[nodiscard]] const std::vector<CodecEntry>& codecs();  // that a rule may name

[[nodiscard]] const CodecEntry& entry_of(CodecId codec);
[[nodiscard]] bool has_parameter(const Parameter& parameter, CodecId codec);

}  // namespace weft::config
