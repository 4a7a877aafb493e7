#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "config/presets.hpp"
#include "config/source.hpp"
#include "config/suggest.hpp"
#include "io/file.hpp"
#include "json/strict_json.hpp"
#include "text/utf8.hpp"
#include "weft/config.hpp"
#include "weft/error.hpp"

namespace weft {
namespace {

constexpr std::uint64_t kMaxFileBytes = 4u << 20;

std::string read_file(const std::string& path) {
  try {
    return io::read_text(path, kMaxFileBytes);
  } catch (const Error& error) {
    throw Error(ErrorKind::kConfig, fmt::format("cannot use the config file: {}", error.what()));
  }
}

[[noreturn]] void fail_unknown(const std::string& name) {
  std::vector<std::string_view> names;
  for (const config::Preset& preset : config::presets()) names.push_back(preset.name);
  std::string hint = config::did_you_mean(name, names);
  std::error_code ignored;
  if (!name.empty() && std::filesystem::is_regular_file(name, ignored))
    hint = "; a file has that name: put ./ before it";
  throw Error(ErrorKind::kConfig,
              fmt::format("there is no preset {}{} (presets: {}; a config file is a path with a '/' "
                          "in it or with the ending .json)",
                          json::quote(text::shorten_middle(name, 60)), hint, fmt::join(names, ", ")));
}

}  // namespace

bool config::is_path(std::string_view name) {
  return name.find('/') != std::string_view::npos || name.ends_with(".json");
}

void config::place_files(Config& config, const std::filesystem::path& folder,
                         const std::function<bool(std::size_t rule)>& concerns) {
  for (std::size_t i = 0; i < config.rules.size(); i++)
    if (auto& file = config.rules[i].spec.importance_file; file && concerns(i)) file = (folder / *file).string();
}

Config load_config(const std::string& path_or_preset, const std::vector<std::string>& overrides,
                   const std::string& target) {
  if (config::is_path(path_or_preset)) {
    Config config = parse_config(read_file(path_or_preset), path_or_preset, overrides, target);
    config::place_files(config, std::filesystem::path(path_or_preset).parent_path(),
                        [&](std::size_t rule) { return !config::override_sets(overrides, rule, "importance"); });
    return config;
  }
  for (const config::Preset& preset : config::presets())
    if (preset.name == path_or_preset)
      return parse_config(preset.text, fmt::format("preset {}", preset.name), overrides, target);
  fail_unknown(path_or_preset);
}

}  // namespace weft
