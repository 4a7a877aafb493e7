#include "config/rule_use.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "config/match.hpp"
#include "config/source.hpp"
#include "config/suggest.hpp"
#include "json/strict_json.hpp"
#include "text/utf8.hpp"

namespace weft::config {
namespace {

constexpr std::size_t kShown = 60;
constexpr std::size_t kSuggested = 3;  // rules and globs for which a name is looked for: each is held against all names

bool takes_what_is_left(const Rule& rule) { return rule == Rule{.match = {"*"}, .dtypes = {}, .spec = rule.spec}; }

std::string matches_nothing(const Rule& rule, const std::vector<std::string_view>& names, bool suggests) {
  std::string_view near;
  for (std::size_t i = 0; suggests && near.empty() && i < std::min(rule.match.size(), kSuggested); i++)
    near = nearest_to_glob(rule.match[i], names);
  return near.empty() ? "matches no tensor; `weft inspect` lists the names"
                      : fmt::format("matches no tensor; nearest name: {}", near);
}

}  // namespace

std::vector<RuleUse> uses_of_rules(const Config& config, const std::vector<TensorInfo>& tensors) {
  std::vector<RuleUse> uses(config.rules.size() + 1);
  for (const TensorInfo& tensor : tensors) {
    int rule = -1;
    (void)spec_for(config, tensor.name, tensor.dtype, tensor.elements, tensor.shape.size(), &rule);
    RuleUse& use = rule < 0 ? uses.back() : uses[static_cast<std::size_t>(rule)];
    use.tensors++;
    use.weights += tensor.elements;
  }
  return uses;
}

std::vector<bool> rules_with_intent(const Config& config, const std::string& path_or_preset,
                                    const std::vector<std::string>& overrides) {
  std::vector<bool> with_intent(config.rules.size(), is_path(path_or_preset));
  for (std::size_t i = 0; i < with_intent.size(); i++)
    if (override_sets(overrides, i, "match")) with_intent[i] = true;
  return with_intent;
}

std::vector<std::string> unused_rules(const Config& config, const std::vector<TensorInfo>& tensors,
                                      const std::vector<bool>& with_intent) {
  const std::vector<RuleUse> uses = uses_of_rules(config, tensors);
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) names.push_back(tensor.name);
  std::vector<std::string> sentences;
  for (std::size_t i = 0; i < config.rules.size(); i++) {
    const Rule& rule = config.rules[i];
    if (!with_intent[i] || uses[i].tensors > 0 || takes_what_is_left(rule)) continue;
    Config alone;
    alone.rules = {rule};
    const std::uint64_t could_take = uses_of_rules(alone, tensors).front().tensors;
    const auto matching = std::count_if(names.begin(), names.end(),
                                        [&](const std::string_view name) { return matches_name(rule, name); });
    const std::string why =
        could_take > 0 ? fmt::format("takes no tensor: earlier rules take all {} that it matches", could_take)
        : matching > 0
            ? fmt::format("takes no tensor: min_elements, min_rank or dtypes leave out all {} that it matches",
                          matching)
            : matches_nothing(rule, names, sentences.size() < kSuggested);
    const std::string globs = text::shorten_middle(fmt::format("{}", fmt::join(rule.match, " ")), kShown);
    sentences.push_back(fmt::format("rule {} ({}) {}", i, json::quote(globs), why));
  }
  return sentences;
}

}  // namespace weft::config
