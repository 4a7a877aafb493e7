#include "config/fields.hpp"
#include "weft/config.hpp"

namespace weft {
namespace {

using Ordered = nlohmann::ordered_json;

template <class Owner>
void write(const config::Field<Owner>& field, const Owner& owner, Ordered& object) {
  if (const config::Json value = field.get(owner); !value.is_null()) object[std::string(field.name)] = value;
}

// Details of another kind of pruning are left out, as the parser wants them to be.
void write_prune(const Prune& prune, Ordered& object) {
  for (const auto& field : config::prune_fields()) write(field, prune, object);
  for (const auto& detail : config::prune_details())
    if (!object.contains(detail.kind)) object.erase(std::string(detail.name));
}

}  // namespace

std::string to_json(const Config& config) {
  Ordered root = Ordered::object();
  for (const auto& field : config::config_fields()) write(field, config, root);
  if (config.target) {
    Ordered& target = root[std::string(config::kTargetKey)] = Ordered::object();
    for (const auto& field : config::target_fields()) write(field, *config.target, target);
  }
  Ordered& rules = root[std::string(config::kRulesKey)] = Ordered::array();
  for (const Rule& rule : config.rules) {
    Ordered object = Ordered::object();
    for (const auto& field : config::rule_fields()) write(field, rule, object);
    for (const auto& parameter : config::codec_parameters())
      if (config::has_parameter(parameter, rule.spec.codec)) write(parameter.field, rule.spec, object);
    if (rule.spec.prune) write_prune(*rule.spec.prune, object[std::string(config::kPruneKey)]);
    rules.push_back(std::move(object));
  }
  return root.dump(2, ' ', false, Ordered::error_handler_t::replace) + "\n";
}

}  // namespace weft
