// weft config check | show | schema
#include "weft/config.hpp"

#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/options.hpp"
#include "cli/words.hpp"
#include "config/fields.hpp"
#include "config/rule_use.hpp"
#include "text/units.hpp"
#include "text/utf8.hpp"

namespace weft::cli {
namespace {

struct Options {
  ConfigOptions config;
  std::filesystem::path network;
};

std::string prune_text(const Prune& prune) {
  if (prune.pattern) return fmt::format("pruning to {}", *prune.pattern);
  if (prune.channels)
    return fmt::format("pruning {:g} % of the channels of axis {}", 100 * *prune.channels, prune.channel_axis);
  return fmt::format("pruning {:g} % of the weights of {}", 100 * *prune.sparsity,
                     prune.scope == "rule" ? "the rule" : "each tensor");
}

// One line per rule: what it matches, and what happens to that.
std::string rule_line(std::size_t number, const Rule& rule) {
  const CodecSpec& spec = rule.spec;
  std::string line = fmt::format("  rule {}: {} -> {}", number, fmt::join(rule.match, " "), name_of(spec.codec));
  if (spec.prune) line += " after " + prune_text(*spec.prune);
  if (spec.relative_step) line += fmt::format(", relative_step {}", *spec.relative_step);
  if (spec.step) line += fmt::format(", step {}", *spec.step);
  if (has_step(spec.codec) && !spec.relative_step && !spec.step) line += ", step from the target";
  if (spec.importance != 1) line += fmt::format(", importance {}", spec.importance);
  if (spec.codec == CodecId::kUniform) line += fmt::format(", lambda {}, model {}", spec.lambda, spec.uniform_model);
  if (spec.codec == CodecId::kTrellis)
    line +=
        fmt::format(", {} states, lambda {}, labelling {}, model {}", spec.states,
                    spec.trellis_lambda ? fmt::format("{}", *spec.trellis_lambda) : "auto", spec.labelling, spec.model);
  if (spec.codec == CodecId::kCodebook)
    line += fmt::format(", {} x {}{}, lambda {}{}{}{}", spec.clusters,
                        spec.dimension > 1 ? fmt::format("{} x ", spec.dimension) : "", name_of(spec.centroid_dtype),
                        spec.codebook_lambda, spec.pin_zero ? ", zero pinned" : "",
                        spec.shared ? fmt::format(", shared as {}", *spec.shared) : "",
                        spec.channel_group > 0
                            ? fmt::format(", for every {} channels of axis {}", spec.channel_group, spec.channel_axis)
                            : "");
  if (spec.symbol_model != "order0") line += ", model " + spec.symbol_model;
  if (spec.per_channel) line += fmt::format(", per channel of axis {}", spec.channel_axis);
  if (rule.min_elements > 0) line += fmt::format("; from {} elements", text::grouped(rule.min_elements));
  if (rule.min_rank > 0) line += fmt::format("; from rank {}", rule.min_rank);
  std::string dtypes;
  for (const DType dtype : rule.dtypes) dtypes += fmt::format(" {}", name_of(dtype));
  if (!dtypes.empty()) line += ";" + dtypes;
  return text::printable(line) + '\n';
}

Config load(const Options& options) {
  return load_config(options.config.source, options.config.overrides, options.config.target);
}

std::string use_line(const config::RuleUse& use) {
  return fmt::format("    {}, {}\n", counted(use.tensors, "tensor"), counted(use.weights, "weight"));
}

void check(const Options& options) {
  const Config config = load(options);
  std::vector<config::RuleUse> uses;
  std::vector<std::string> warnings;
  if (!options.network.empty()) {
    const auto network = open_network(options.network);
    uses = config::uses_of_rules(config, network->tensors());
    warnings = config::unused_rules(config, network->tensors(), std::vector<bool>(config.rules.size(), true));
  }
  std::string text =
      fmt::format("ok: {}: {}\n", text::printable(options.config.source), counted(config.rules.size(), "rule"));
  for (std::size_t i = 0; i < config.rules.size(); i++) {
    text += rule_line(i, config.rules[i]);
    if (!uses.empty()) text += use_line(uses[i]);
  }
  text += "  what no rule matches -> lossless\n";
  if (!uses.empty()) text += use_line(uses.back());
  if (config.target) {
    text += "  target:";
    for (const auto& field : config::target_fields())
      if (const config::Json value = field.get(*config.target); !value.is_null())
        text += fmt::format(" {} {}", field.name, value.is_string() ? value.get<std::string>() : value.dump());
    text += '\n';
  }
  text += fmt::format("  device {}, threads {}, memory_limit {}\n", config.device,
                      config.threads == 0 ? "all" : std::to_string(config.threads),
                      text::binary_bytes(config.memory_limit));
  for (const std::string& warning : warnings) text += fmt::format("warning: {}\n", text::printable(warning));
  put_text(text);
}

void put_line(std::string text) {
  if (!text.ends_with('\n')) text += '\n';
  put_data(text);
}

}  // namespace

void add_config(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *program.add_subcommand("config", "Check and show configs");
  command.require_subcommand(1);
  const auto add = [&](const char* name, const char* what, bool needs_source) {
    CLI::App* action = command.add_subcommand(name, what);
    if (needs_source) {
      action->add_option("file", options->config.source, "Config file, or the name of a preset")
          ->type_name("FILE")
          ->required();
      add_change_options(*action, options->config);
    }
    return action;
  };
  CLI::App* action = add("check", "Say whether a config is valid, and what it does", true);
  action->add_option("--for", options->network, "Also say which rule takes how many tensors of this network")
      ->type_name("INPUT");
  action->callback([options] { check(*options); });
  add("show", "Print the config with every default filled in, as JSON", true)->callback([options] {
    put_line(to_json(load(*options)));
  });
  add("schema", "Print the JSON schema of configs", false)->callback([] { put_line(config_schema()); });
}

}  // namespace weft::cli
