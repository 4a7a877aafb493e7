#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include "archive/codebook_index.hpp"
#include "config/fields.hpp"
#include "config/match.hpp"
#include "config/source.hpp"
#include "config/suggest.hpp"
#include "json/strict_json.hpp"
#include "text/utf8.hpp"
#include "weft/config.hpp"

namespace weft {
namespace config {
namespace {

using Pointer = Json::json_pointer;
using Names = std::vector<std::string_view>;

template <class Owner>
void read(const Field<Owner>& field, const Json& object, const Pointer& at, const Source& source, Owner& owner) {
  const auto found = object.find(field.name);
  if (found == object.end()) return;
  Json value = *found;
  if (const auto complaint = field.type.normalise(value)) {
    const Json& wrong = value.at(complaint->at);
    const std::string hint =
        wrong.is_string() ? did_you_mean(wrong.get_ref<const std::string&>(), field.type.names()) : std::string();
    source.fail(at / std::string(field.name) / complaint->at,
                fmt::format("expected {}; found {}{}", complaint->expected, shown(wrong), hint));
  }
  field.set(owner, value);
}

[[noreturn]] void fail_unknown(const std::string& key, const Pointer& at, const Names& known, const Source& source) {
  const std::string_view near = nearest(key, known);
  source.fail(at / key, fmt::format("unknown key {}; {}", json::quote(text::shorten_middle(key, 60)),
                                    near.empty() ? fmt::format("known here: {}", fmt::join(known, ", "))
                                                 : fmt::format("did you mean \"{}\"?", near)));
}

// What a rule may say; without the name of a codec, what rules of any codec may.
Names keys_of_rules(const Json& codec) {
  const bool is_known = std::any_of(codecs().begin(), codecs().end(),
                                    [&](const CodecEntry& entry) { return codec == name_of(entry.id); });
  Names keys;
  for (const Field<Rule>& field : rule_fields()) keys.push_back(field.name);
  keys.push_back(kPruneKey);
  for (const Parameter& parameter : codec_parameters()) {
    const bool fits = !is_known || std::any_of(parameter.codecs.begin(), parameter.codecs.end(),
                                               [&](const CodecId one) { return codec == name_of(one); });
    if (fits && std::find(keys.begin(), keys.end(), parameter.field.name) == keys.end())
      keys.push_back(parameter.field.name);
  }
  return keys;
}

// A misspelt key of any codec is found: whether it suits the rule's is another question.
void check_rule_keys(const Json& object, const Pointer& at, const Source& source) {
  const Names all = keys_of_rules(Json());
  const Json codec = object.contains(kCodecKey) ? object.at(std::string(kCodecKey)) : Json();
  for (const auto& item : object.items())
    if (std::find(all.begin(), all.end(), item.key()) == all.end())
      fail_unknown(item.key(), at, nearest(item.key(), all).empty() ? keys_of_rules(codec) : all, source);
}

// A set that is not closed would match a '[', which nobody means who writes one.
void check_globs(const Json& object, const Pointer& at, const Rule& rule, const Source& source) {
  for (std::size_t i = 0; i < rule.match.size(); i++) {
    const std::string& glob = rule.match[i];
    const auto open = open_set(glob);
    if (!open) continue;
    const Pointer place = at / "match";
    source.fail(object.at("match").is_array() ? place / i : place,
                fmt::format("expected a glob; found {}, whose {} has no ] (to match a [, write [[])",
                            json::quote(text::shorten_middle(glob, 60)),
                            json::quote(text::shorten_middle(glob.substr(*open), 20))));
  }
}

// The names that the object has; `last` becomes the place of the last one.
Names given(const Names& names, const Json& object, const Pointer& at, Pointer& last) {
  Names found;
  last = at;
  for (const std::string_view name : names)
    if (object.contains(name)) last = at / std::string(name), found.push_back(name);
  return found;
}

constexpr char kHowToRemove[] = "give only one (--set path.to.key=null removes a key)";

void check_step(const CodecEntry& codec, const Json& object, const Pointer& at, bool has_target, const Source& source) {
  const Names& group = codec.at_most_one_of;
  if (group.empty()) return;
  Pointer last;
  const std::size_t count = given(group, object, at, last).size();
  if (count == 0 && !has_target)
    source.fail(at, fmt::format("codec {} has no step: give one of {}, or give the config a \"{}\", such as "
                                "{{\"bits_per_weight\": 3}}, that chooses it",
                                name_of(codec.id), fmt::join(group, ", "), kTargetKey));
  if (count > 1)
    source.fail(last, fmt::format("codec {} takes at most one of {}; {}", name_of(codec.id), fmt::join(group, ", "),
                                  kHowToRemove));
}

Target read_target(const Json& object, const Source& source) {
  const Pointer at = Pointer() / std::string(kTargetKey);
  if (!object.is_object()) source.fail(at, fmt::format("expected an object with the target; found {}", shown(object)));
  Names known, figures;
  for (const Field<Target>& field : target_fields()) known.push_back(field.name);
  for (const auto& item : object.items())
    if (std::find(known.begin(), known.end(), item.key()) == known.end()) fail_unknown(item.key(), at, known, source);
  std::remove_copy(known.begin(), known.end(), std::back_inserter(figures), kDistortionKey);
  Pointer last;
  const std::size_t count = given(figures, object, at, last).size();
  if (count != 1)
    source.fail(last, fmt::format("a target takes exactly one of {}; {}", fmt::join(figures, ", "),
                                  count == 0 ? "give one" : kHowToRemove));
  Target target;
  for (const Field<Target>& field : target_fields()) read(field, object, at, source, target);
  if (target.max_abs_error && target.distortion != Distortion::kAuto)
    source.fail(at / std::string(kDistortionKey),
                "max_abs_error bounds the error of every weight alike; leave distortion out");
  return target;
}

void check_pattern(const Prune& prune, const Pointer& at, const Source& source) {
  if (!prune.pattern) return;
  const std::size_t colon = prune.pattern->find(':');
  if (std::stoi(prune.pattern->substr(0, colon)) >= std::stoi(prune.pattern->substr(colon + 1)))
    source.fail(at / "pattern",
                fmt::format("expected N:M with N below M, such as \"2:4\"; found \"{}\"", *prune.pattern));
}

Prune read_prune(const Json& object, const Pointer& at, const Source& source) {
  if (!object.is_object())
    source.fail(at, fmt::format("expected an object such as {{\"sparsity\": 0.9}}; found {}", shown(object)));
  Names known;
  for (const Field<Prune>& field : prune_fields()) known.push_back(field.name);
  for (const auto& item : object.items())
    if (std::find(known.begin(), known.end(), item.key()) == known.end()) fail_unknown(item.key(), at, known, source);
  Pointer last;
  const std::size_t count = given(prune_kinds(), object, at, last).size();
  if (count != 1)
    source.fail(last, fmt::format("{} takes exactly one of {}; {}", kPruneKey, fmt::join(prune_kinds(), ", "),
                                  count == 0 ? "give one" : kHowToRemove));
  for (const PruneDetail& detail : prune_details())
    if (object.contains(detail.name) && !object.contains(detail.kind))
      source.fail(at / std::string(detail.name), fmt::format("{} goes with {} only", detail.name, detail.kind));
  Prune prune;
  for (const Field<Prune>& field : prune_fields()) read(field, object, at, source, prune);
  check_pattern(prune, at, source);
  return prune;
}

// Pruned weights come back as zeros: codecs that can do so do, and a rule that forbids it is a mistake.
void keep_zeros(const Json& object, const Pointer& at, const Source& source, CodecSpec& spec) {
  if (spec.codec == CodecId::kTrellis && spec.labelling == "natural")
    source.fail(at / "labelling",
                "natural has no zero in every state, and pruned weights must come back as zeros: "
                "expected zero or auto");
  if (spec.codec == CodecId::kCodebook && object.contains("pin_zero") && !spec.pin_zero)
    source.fail(at / "pin_zero", "pruned weights must come back as zeros: expected true; found false");
  if (spec.codec == CodecId::kTrellis || spec.codec == CodecId::kCodebook) spec.keep_zeros();
}

// A model has one step for the tensor, and scales of its channels.
void check_uniform(const Json& object, const Pointer& at, const Source& source, const CodecSpec& spec) {
  if (spec.codec != CodecId::kUniform || spec.uniform_model == "order0" || !spec.per_channel) return;
  source.fail(object.contains("model") ? at / "model" : at,
              fmt::format("model {} finds scales of channels itself and keeps to one step: expected order0, or "
                          "per_channel false",
                          spec.uniform_model));
}

// What one codebook cannot be at once.
void check_codebook(const Json& object, const Pointer& at, const Source& source, const CodecSpec& spec) {
  if (spec.codec != CodecId::kCodebook) return;
  if (spec.dimension == 1 && spec.clusters > archive::kMaxScalarEntries)
    source.fail(at / "clusters", fmt::format("expected at most {} for dimension 1; found {}",
                                             archive::kMaxScalarEntries, spec.clusters));
  if (spec.shared && spec.channel_group > 0)
    source.fail(at / "channel_group", "a shared codebook is one for all channels: leave out shared or channel_group");
  if (spec.dimension > 1 && spec.pin_zero)
    source.fail(at / "pin_zero", "an entry of several weights has no zero for one of them: expected dimension 1");
  if (spec.dimension > 1 && object.contains(kPruneKey))
    source.fail(at / "dimension",
                "pruned weights must come back as zeros, and an entry of several weights has none for one of them: "
                "expected 1");
}

// Where an override has changed the codec, what the config's file says for the old one is in the way.
std::string how_to_remove(const Pointer& at, const std::string& key, const Source& source) {
  if (!source.is_overridden(at / std::string(kCodecKey)) || source.is_overridden(at / key)) return {};
  return fmt::format("; --set {}.{}.{}=null removes it", kRulesKey, at.back(), key);
}

Rule read_rule(const Json& object, const Pointer& at, const Target* target, const Source& source) {
  if (!object.is_object()) source.fail(at, fmt::format("expected an object with a rule; found {}", shown(object)));
  check_rule_keys(object, at, source);
  Rule rule;
  for (const Field<Rule>& field : rule_fields()) {
    if (field.name == kCodecKey && !object.contains(kCodecKey))
      source.fail(at, fmt::format("the rule has no \"{}\": expected {}", kCodecKey, field.type.expected()));
    read(field, object, at, source, rule);
  }
  check_globs(object, at, rule, source);
  const CodecEntry& codec = entry_of(rule.spec.codec);
  for (const Parameter& parameter : codec_parameters()) {
    const std::string name(parameter.field.name);
    if (!object.contains(name)) continue;
    if (!has_parameter(parameter, codec.id)) {
      Names owners;
      bool is_owned = false;
      for (const Parameter& other : codec_parameters()) {
        if (other.field.name != name) continue;
        for (const CodecId owner : other.codecs) owners.push_back(name_of(owner));
        is_owned = is_owned || has_parameter(other, codec.id);
      }
      if (is_owned) continue;
      source.fail(at / name, fmt::format("{} is a parameter of codec {}; the codec of this rule is {}{}", name,
                                         fmt::join(owners, ", "), name_of(codec.id), how_to_remove(at, name, source)));
    }
    read(parameter.field, object, at, source, rule.spec);
  }
  check_step(codec, object, at, target != nullptr, source);
  check_uniform(object, at, source, rule.spec);
  check_codebook(object, at, source, rule.spec);
  if (const auto prune = object.find(kPruneKey); prune != object.end()) {
    const Pointer place = at / std::string(kPruneKey);
    rule.spec.prune = read_prune(*prune, place, source);
    if (target != nullptr && target->max_abs_error)
      source.fail(place, "the target's max_abs_error bounds the error of every weight, which pruning does not");
    keep_zeros(object, at, source, rule.spec);
  }
  return rule;
}

// Rules that share a codebook must want the same one.
void check_shared(const std::vector<Rule>& rules, const Pointer& at, const Source& source) {
  std::map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < rules.size(); i++) {
    const CodecSpec& spec = rules[i].spec;
    if (!spec.shared) continue;
    const CodecSpec& other = rules[first.emplace(*spec.shared, i).first->second].spec;
    const auto wants = [](const CodecSpec& one) {
      return std::tuple(one.clusters, one.dimension, one.centroid_dtype, one.codebook_lambda, one.pin_zero);
    };
    if (wants(spec) != wants(other))
      source.fail(
          at / i / "shared",
          fmt::format("rule {} shares codebook {} and differs in clusters, dimension, centroid_dtype, lambda or "
                      "pin_zero: expected the same",
                      first[*spec.shared], json::quote(*spec.shared)));
  }
}

// A target that chooses no step would change nothing.
void check_target_is_used(const Config& config, const Json& target, const Source& source) {
  const auto takes = [](const Rule& rule) {
    return has_step(rule.spec.codec) && !rule.spec.step && !rule.spec.relative_step;
  };
  if (std::any_of(config.rules.begin(), config.rules.end(), takes)) return;
  std::string figure, removals;
  constexpr std::size_t kShown = 200;
  for (const auto& item : target.items())
    if (item.key() != kDistortionKey)
      figure = item.key() + '=' + (item.value().is_string() ? item.value().get<std::string>() : item.value().dump());
  for (std::size_t i = 0; i < config.rules.size(); i++) {
    const CodecSpec& spec = config.rules[i].spec;
    for (const auto& [name, step] : {std::pair{"relative_step", spec.relative_step}, std::pair{"step", spec.step}})
      if (step) removals += fmt::format(" --set {}.{}.{}=null", kRulesKey, i, name);
  }
  source.fail(
      Pointer() / std::string(kTargetKey),
      removals.empty()
          ? "no rule takes its step from the target: that needs one of codec uniform or trellis, as preset small has"
          : fmt::format("no rule takes its step from the target, as each gives its own: --target {} removes them, "
                        "and so does{}",
                        figure, text::shorten_middle(removals, kShown)));
}

void read_rules(const Json& rules, const Source& source, Config& config) {
  const Pointer at = Pointer() / std::string(kRulesKey);
  if (!rules.is_array()) source.fail(at, fmt::format("expected an array of rules; found {}", shown(rules)));
  if (rules.size() > kMaxRules)
    source.fail(at, fmt::format("expected at most {} rules; found {}", kMaxRules, rules.size()));
  for (std::size_t i = 0; i < rules.size(); i++)
    config.rules.push_back(read_rule(rules[i], at / i, config.target ? &*config.target : nullptr, source));
  check_shared(config.rules, at, source);
}

Config read_config(const Source& source) {
  const Json& root = source.root();
  Names known;
  for (const Field<Config>& field : config_fields()) known.push_back(field.name);
  known.push_back(kTargetKey);
  known.push_back(kRulesKey);
  for (const auto& item : root.items()) {
    bool is_known = false;
    for (const std::string_view name : known) is_known = is_known || name == item.key();
    if (!is_known) fail_unknown(item.key(), Pointer(), known, source);
  }

  Config result;
  for (const Field<Config>& field : config_fields()) read(field, root, Pointer(), source, result);
  if (const auto target = root.find(kTargetKey); target != root.end()) result.target = read_target(*target, source);
  if (const auto rules = root.find(kRulesKey); rules != root.end()) read_rules(*rules, source, result);
  if (result.target) check_target_is_used(result, root.at(kTargetKey), source);
  return result;
}

}  // namespace
}  // namespace config

Config parse_config(std::string_view json, const std::string& where, const std::vector<std::string>& overrides,
                    const std::string& target) {
  config::Source source(json, where);
  if (!target.empty()) source.apply_target(target);
  for (const std::string& text : overrides) source.apply(text);
  return config::read_config(source);
}

}  // namespace weft
