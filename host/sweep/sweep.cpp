#include "sweep/sweep.hpp"

#include <fmt/format.h>

#include <optional>

#include "io/file.hpp"
#include "sweep/curves.hpp"
#include "sweep/plot.hpp"
#include "sweep/point.hpp"
#include "sweep/point_store.hpp"
#include "sweep/tables.hpp"
#include "weft/error.hpp"

namespace weft::sweep {
namespace {

using Json = nlohmann::ordered_json;

std::string words_of(const Json& values) {
  std::string words;
  for (const auto& item : values.items())
    words += fmt::format(", {} {}", item.key(), item.value().dump(-1, ' ', false, Json::error_handler_t::replace));
  return words;
}

std::optional<Curves> reference_of(const SweepFile& file) {
  if (file.reference.empty()) return {};
  return read_curves(file.reference);
}

class Sweep {
 public:
  Sweep(const SweepFile& file, const SweepOptions& options)
      : file_(file),
        options_(options),
        reference_(reference_of(file)),
        store_(options.folder),
        results_(file.settings.size()) {
    for (const Setting& setting : file.settings) total_ += setting.points.size() * file.networks.size();
  }

  std::string run() {
    try {
      for (const auto& [name, path] : file_.networks) measure(name, path);
    } catch (const Error& error) {
      (void)write_results();
      if (error.kind() != ErrorKind::kInterrupted) throw;
      throw Error(ErrorKind::kInterrupted, fmt::format("interrupted; what was measured is kept in {}: the same command "
                                                       "goes on from there",
                                                       options_.folder.string()));
    }
    std::string tables = write_results();
    if (failures_ > 0)
      throw Error(ErrorKind::kConfig, fmt::format("{} of {} points could not be measured; the first: {}", failures_,
                                                  total_, first_failure_));
    return tables;
  }

 private:
  void measure(const std::string& name, const std::filesystem::path& path) {
    const auto network = open_network(path);
    const std::string id = content_id(*network);
    for (std::size_t s = 0; s < file_.settings.size(); s++)
      for (const GridPoint& point : file_.settings[s].points) {
        const std::string label =
            fmt::format("[{}/{}] {}, {}{}", ++done_, total_, name, file_.settings[s].name, words_of(point.values));
        const std::string key = point_key(id, point.config, options_.program);
        Json figures = store_.find(key);
        if (!figures.is_null()) {
          options_.say(label + ": kept");
        } else {
          figures = measure_anew(*network, point, key, label);
          if (figures.is_null()) continue;
        }
        Json whole = point.values;
        whole.update(figures);
        results_[s][name].push_back(std::move(whole));
      }
  }

  // Null when config and network do not suit each other.
  Json measure_anew(const Network& network, const GridPoint& point, const std::string& key, const std::string& label) {
    Config config = point.config;
    const RunOptions run = options_.run_options(config);
    try {
      const PointFigures figures = measure_point(network, config, options_.folder / "point.weft.tmp", run);
      Json json = to_json(figures);
      store_.add(key, json);
      options_.say(fmt::format("{}: {:.4f} bits/weight, {}, {:.2f} s", label, figures.bits_per_weight,
                               figures.sqnr_db ? fmt::format("{:.3f} dB", *figures.sqnr_db) : "no error",
                               figures.compress_seconds + figures.verify_seconds));
      return json;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kConfig) throw;
      if (failures_++ == 0) first_failure_ = error.what();
      options_.say(fmt::format("{}: {}", label, error.what()));
      return {};
    }
  }

  [[nodiscard]] Curves curves_of(std::size_t setting) const {
    Curves curves;
    for (const auto& [network, points] : results_[setting]) {
      Curve& curve = curves[network];
      for (const Json& point : points)
        if (point.at("sqnr_db").is_number() && point.at("weights") > 0)
          curve.push_back({point.at("bits_per_weight"), point.at("sqnr_db")});
    }
    return curves;
  }

  [[nodiscard]] std::string write_results() const {
    std::vector<std::pair<std::string, Curves>> settings;
    for (std::size_t s = 0; s < file_.settings.size(); s++) {
      settings.emplace_back(file_.settings[s].name, curves_of(s));
      Json json = Json::object();
      for (const auto& [network, points] : results_[s]) json[network] = points;
      io::write_text(options_.folder / (file_.settings[s].name + ".json"), json.dump(1) + '\n', true);
    }
    std::vector<BdTable> tables;
    if (reference_) tables.push_back(bd_table(file_.reference.stem().string(), *reference_, settings));
    for (const auto& [name, curves] : settings)
      if (name == file_.baseline && settings.size() > 1) tables.push_back(bd_table(name, curves, settings));
    Json all = Json::array();
    std::string text, markdown;
    for (const BdTable& table : tables) {
      all.push_back(to_json(table));
      text += to_text(table) + '\n';
      markdown += to_markdown(table) + '\n';
    }
    io::write_text(options_.folder / "bd.json", all.dump(1) + '\n', true);
    io::write_text(options_.folder / "BD.md", markdown, true);
    for (const auto& network : file_.networks) write_plot(network.first, settings);
    return text;
  }

  void write_plot(const std::string& network, const std::vector<std::pair<std::string, Curves>>& settings) const {
    std::vector<NamedCurve> curves;
    const auto add = [&](const std::string& name, const Curves& of) {
      if (const auto found = of.find(network); found != of.end()) curves.push_back({name, found->second});
    };
    for (const auto& [name, mine] : settings) add(name, mine);
    if (reference_) add(file_.reference.stem().string(), *reference_);
    if (!curves.empty()) io::write_text(options_.folder / (network + ".svg"), plot_svg(network, curves), true);
  }

  const SweepFile& file_;
  const SweepOptions& options_;
  std::optional<Curves> reference_;
  PointStore store_;
  std::vector<std::map<std::string, std::vector<Json>>> results_;  // per setting and network
  std::size_t done_ = 0, total_ = 0, failures_ = 0;
  std::string first_failure_;
};

}  // namespace

std::string run_sweep(const SweepFile& sweep, const SweepOptions& options) { return Sweep(sweep, options).run(); }

}  // namespace weft::sweep
