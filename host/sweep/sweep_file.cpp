#include "sweep/sweep_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <glob.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "config/source.hpp"
#include "config/suggest.hpp"
#include "config/value_type.hpp"
#include "io/file.hpp"
#include "json/strict_json.hpp"
#include "text/utf8.hpp"
#include "weft/error.hpp"

namespace weft::sweep {
namespace fs = std::filesystem;
namespace {

using config::Json;
using Pointer = Json::json_pointer;

constexpr std::uint64_t kMaxFileBytes = 4u << 20;
constexpr std::size_t kMostPoints = 10'000;

const std::vector<std::string_view> kKeys{"version", "networks", "config", "grid", "settings", "baseline", "reference"};

// Runs f and puts the place in the sweep before what it complains about.
template <class F>
auto at(const config::Source& source, const Pointer& place, F f) {
  try {
    return f();
  } catch (const Error& error) {
    source.fail(place, error.what());
  }
}

std::vector<fs::path> expand(const std::string& pattern) {
  glob_t found{};
  std::vector<fs::path> paths;
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0)
    for (std::size_t i = 0; i < found.gl_pathc; i++) paths.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  return paths;
}

// "ckpt/" is called "ckpt".
std::string name_of_network(const fs::path& path) {
  std::error_code error;
  const fs::path whole = path.has_filename() ? path : path.parent_path();
  return (fs::is_directory(whole, error) ? whole.filename() : whole.stem()).string();
}

class Reader {
 public:
  Reader(const fs::path& path, const SweepOverrides& overrides)
      : folder_(path.parent_path()),
        overrides_(overrides),
        source_(at_path(path, [&] { return io::read_text(path, kMaxFileBytes); }), path.string()) {}

  SweepFile read() {
    for (const auto& item : source_.root().items())
      if (std::find(kKeys.begin(), kKeys.end(), item.key()) == kKeys.end())
        source_.fail(Pointer() / item.key(), fmt::format("unknown key {}; known here: {}",
                                                         json::quote_brief(item.key()), fmt::join(kKeys, ", ")));
    SweepFile sweep;
    read_networks(sweep);
    read_settings(sweep);
    sweep.baseline = sweep.settings.front().name;
    if (const Json* baseline = find("baseline")) {
      sweep.baseline = text_of(*baseline, Pointer() / "baseline");
      if (std::none_of(sweep.settings.begin(), sweep.settings.end(),
                       [&](const Setting& setting) { return setting.name == sweep.baseline; }))
        source_.fail(Pointer() / "baseline", fmt::format("there is no setting {}", json::quote_brief(sweep.baseline)));
    }
    if (const Json* reference = find("reference"))
      sweep.reference = folder_ / text_of(*reference, Pointer() / "reference");
    if (!overrides_.reference.empty()) sweep.reference = overrides_.reference;
    return sweep;
  }

 private:
  template <class F>
  static std::string at_path(const fs::path& path, F f) {
    try {
      return f();
    } catch (const Error& error) {
      throw Error(ErrorKind::kConfig, fmt::format("cannot use the sweep {}: {}", path.string(), error.what()));
    }
  }

  [[nodiscard]] const Json* find(const char* key) const {
    const auto found = source_.root().find(key);
    return found == source_.root().end() ? nullptr : &*found;
  }

  [[nodiscard]] std::string text_of(const Json& value, const Pointer& place) const {
    if (!value.is_string() || value.get_ref<const std::string&>().empty())
      source_.fail(place, fmt::format("expected a string; found {}", config::shown(value)));
    return value.get<std::string>();
  }

  void read_networks(SweepFile& sweep) const {
    std::map<std::string, fs::path> networks;
    const auto add = [&](const std::string& pattern, const Pointer& place) {
      const std::vector<fs::path> found = expand(pattern);
      if (found.empty()) source_.fail(place, fmt::format("there is no network {}", json::quote_brief(pattern)));
      for (const fs::path& path : found) {
        const auto [known, is_new] = networks.try_emplace(name_of_network(path), path);
        std::error_code error;
        if (!is_new && !fs::equivalent(known->second, path, error))
          source_.fail(place, fmt::format("two networks are called {}: {} and {}", known->first, known->second.string(),
                                          path.string()));
      }
    };
    if (!overrides_.networks.empty()) {
      for (const std::string& pattern : overrides_.networks) add(pattern, Pointer());
    } else {
      const Json* list = find("networks");
      if (list == nullptr || !list->is_array() || list->empty())
        source_.fail(Pointer() / "networks", "expected a list of paths or globs");
      for (std::size_t i = 0; i < list->size(); i++) {
        const Pointer place = Pointer() / "networks" / i;
        add((folder_ / text_of((*list)[i], place)).string(), place);
      }
    }
    sweep.networks.assign(networks.begin(), networks.end());
  }

  void read_settings(SweepFile& sweep) {
    const Json* settings = find("settings");
    if (settings == nullptr) {
      sweep.settings.push_back(read_setting("weft", Json::object(), Pointer()));
      return;
    }
    const Pointer place = Pointer() / "settings";
    if (!settings->is_object() || settings->empty())
      source_.fail(place, "expected an object with named settings, each an object of \"path.to.key\": value");
    for (const auto& item : settings->items()) {
      static const config::ValueType kName =
          config::ValueType::text("[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "letters, digits, '.', '_' and '-'");
      Json name = item.key();
      if (kName.normalise(name) || item.key() == "points" || item.key() == "bd")
        source_.fail(place / item.key(),
                     "the name of a setting is that of a file: at most 63 letters, digits, '.', '_' "
                     "and '-', and neither points nor bd");
      sweep.settings.push_back(read_setting(item.key(), item.value(), place / item.key()));
    }
  }

  Setting read_setting(const std::string& name, const Json& overrides, const Pointer& place) {
    if (!overrides.is_object())
      source_.fail(place,
                   fmt::format("expected an object of \"path.to.key\": value; found {}", config::shown(overrides)));
    std::vector<std::string> changes;
    for (const auto& item : overrides.items()) changes.push_back(override_of(item.key(), item.value()));
    Setting setting{name, {}};
    add_points(setting, changes, nlohmann::ordered_json::object(), grid().begin(), place);
    return setting;
  }

  static std::string override_of(const std::string& path, const Json& value) { return path + '=' + value.dump(); }

  [[nodiscard]] const Json& grid() const {
    static const Json kNone = Json::object();
    const Json* grid = find("grid");
    if (grid == nullptr) return kNone;
    if (!grid->is_object()) source_.fail(Pointer() / "grid", "expected an object of \"path.to.key\": [values]");
    for (const auto& item : grid->items())
      if (!item.value().is_array() || item.value().empty())
        source_.fail(Pointer() / "grid" / item.key(), "expected a list of values");
    return *grid;
  }

  // "rules.0.relative_step" is called "relative_step", unless another key ends alike.
  [[nodiscard]] std::string short_name(const std::string& key) const {
    const auto last = [](const std::string& path) { return path.substr(path.rfind('.') + 1); };
    std::size_t same = 0;
    for (const auto& item : grid().items()) same += last(item.key()) == last(key) ? 1 : 0;
    return same == 1 ? last(key) : key;
  }

  void add_points(Setting& setting, const std::vector<std::string>& changes, const nlohmann::ordered_json& values,
                  const Json::const_iterator& axis, const Pointer& place) {
    if (axis == grid().end()) {
      if (++points_ > kMostPoints)
        source_.fail(Pointer() / "grid", fmt::format("it has more than {} points", kMostPoints));
      setting.points.push_back({values, at(source_, place, [&] { return base(changes); })});
      return;
    }
    const Json::const_iterator next = std::next(axis);
    for (const Json& value : axis.value()) {
      std::vector<std::string> more = changes;
      more.push_back(override_of(axis.key(), value));
      nlohmann::ordered_json named = values;
      named[short_name(axis.key())] = value;
      add_points(setting, more, named, next, place);
    }
  }

  [[nodiscard]] Config base(const std::vector<std::string>& changes) const {
    const Json* config = find("config");
    if (config == nullptr) return load_config("small", changes);
    if (config->is_object()) {
      Config result = parse_config(config->dump(), "config", changes);
      config::place_files(result, folder_, [](std::size_t) { return true; });
      return result;
    }
    const std::string name = text_of(*config, Pointer() / "config");
    Config result = load_config(config::is_path(name) ? (fs::path(".") / folder_ / name).string() : name, changes);
    config::place_files(result, folder_,
                        [&](std::size_t rule) { return config::override_sets(changes, rule, "importance"); });
    return result;
  }

  fs::path folder_;
  const SweepOverrides& overrides_;
  config::Source source_;
  std::size_t points_ = 0;
};

}  // namespace

SweepFile read_sweep(const fs::path& path, const SweepOverrides& overrides) { return Reader(path, overrides).read(); }

}  // namespace weft::sweep
