// weft bench: how fast this machine compresses and restores a network.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/options.hpp"
#include "cli/words.hpp"
#include "report/figures.hpp"
#include "text/table.hpp"
#include "text/units.hpp"
#include "text/utf8.hpp"
#include "weft/error.hpp"
#include "weft/version.hpp"

namespace weft::cli {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  fs::path input, folder;
  ConfigOptions config;
  MachineOptions machine;
  std::int64_t runs = 5;
  bool json = false, quiet = false, no_verify = false;
};

// What a direction took, run by run: the whole, and its stages in the order in which they were first seen.
struct Series {
  std::vector<double> seconds;
  std::vector<std::string> stages;
  std::map<std::string, std::vector<double>> stage_speeds;  // GB/s of a thread

  void add(const Report& report) {
    seconds.push_back(report.wall_seconds);
    for (const StageReport& stage : report.stages) {
      const auto speed = report::gb_per_s(stage);
      if (!speed) continue;
      std::vector<double>& speeds = stage_speeds[stage.name];
      if (speeds.empty()) stages.push_back(stage.name);
      speeds.push_back(*speed);
    }
  }
};

struct Spread {
  double least = 0, median = 0, most = 0;
};
Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return {values.front(), (values[(n - 1) / 2] + values[n / 2]) / 2, values.back()};
}
Spread speeds_of(const Series& series, std::uint64_t bytes) {
  std::vector<double> speeds;
  for (const double seconds : series.seconds) speeds.push_back(static_cast<double>(bytes) / 1e9 / seconds);
  return spread_of(std::move(speeds));
}

// A folder of this run's own, which goes with it.
class WorkFolder {
 public:
  explicit WorkFolder(const fs::path& parent) {
    std::string name = (parent / "weft-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      throw Error(ErrorKind::kIo, fmt::format("{}: cannot make a folder here: {}; give another --folder",
                                              parent.string(), std::generic_category().message(errno)));
    path_ = name;
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

Json json_of(const Spread& spread) {
  return {{"median", spread.median}, {"least", spread.least}, {"most", spread.most}};
}
Json json_of(const Series& series, std::uint64_t bytes) {
  Json stages = Json::object();
  for (const std::string& stage : series.stages) stages[stage] = json_of(spread_of(series.stage_speeds.at(stage)));
  return {{"seconds", series.seconds}, {"gb_per_s", json_of(speeds_of(series, bytes))}, {"stage_gb_per_s", stages}};
}

void add_rows(text::Table& table, const std::string& name, const Series& series, std::uint64_t bytes) {
  const auto row = [&](const std::string& what, const Spread& speed, const std::string& seconds) {
    table.add({what, seconds, fmt::format("{:.3f}", speed.median), fmt::format("{:.3f}", speed.least),
               fmt::format("{:.3f}", speed.most)});
  };
  row(name, speeds_of(series, bytes), fmt::format("{:.3f}", spread_of(series.seconds).median));
  for (const std::string& stage : series.stages) row("  " + stage, spread_of(series.stage_speeds.at(stage)), "");
}

void run(const Options& options) {
  Config config = load_config(options.config.source, options.config.overrides, options.config.target);
  apply(options.machine, config);
  if (options.runs < 1) throw Error(ErrorKind::kUsage, fmt::format("--runs {}: expected at least 1", options.runs));
  const auto network = open_network(options.input);
  const WorkFolder folder(options.folder.empty() ? fs::temp_directory_path() : options.folder);
  const fs::path archive = folder.path() / "network.weft", restored = folder.path() / "restored";
  RunOptions run = run_options(config);
  run.overwrite = true;
  run.verify = !options.no_verify;
  Series forth, back;
  Report report;
  for (std::int64_t i = 0; i < options.runs; i++) {
    report = compress(*network, config, archive, run);
    forth.add(report);
    back.add(decompress(Archive::open(archive), restored, {}, run));
    if (network->is_folder()) fs::remove_all(restored);
  }
  const report::Sums sums = report::total_of(report);
  if (options.json) {
    Json json{{"command", "bench"},
              {"version", version_string()},
              {"device", report.device},
              {"threads", report.threads},
              {"input", options.input.string()},
              {"config", Json::parse(report.config_json)},
              {"bytes_in", report.bytes_in},
              {"bytes_out", report.bytes_out},
              {"ratio", report::ratio(sums).value_or(0)},
              {"runs", options.runs},
              {"compress", json_of(forth, report.bytes_in)},
              {"decompress", json_of(back, report.bytes_in)}};
    put_json(json);
  }
  if (options.quiet) return;
  text::Table table("lrrrr");
  table.add({"", "seconds", "GB/s", "slowest", "fastest"});
  table.add_rule();
  add_rows(table, "compress", forth, report.bytes_in);
  add_rows(table, "decompress", back, report.bytes_in);
  put_text(
      fmt::format("{}, {}, config {}\n\n{}\n{}: {} -> {}, medians of {}; whole runs: GB/s of the network's files, "
                  "reading and writing included; stages: GB/s of a thread\n",
                  report.device, counted(report.threads, "thread"), text::printable(options.config.source),
                  table.render(), text::printable(options.input.string()), text::decimal_bytes(report.bytes_in),
                  text::decimal_bytes(report.bytes_out), counted(static_cast<std::uint64_t>(options.runs), "run")));
}

}  // namespace

void add_bench(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *program.add_subcommand("bench", "Time compressing and restoring a network on this machine");
  add_network_option(command, options->input);
  add_config_options(command, options->config);
  command.add_option("--runs", options->runs, "How often each direction is timed")
      ->type_name("N")
      ->capture_default_str();
  command
      .add_option("--folder", options->folder,
                  "Where archive and restored network go, and are removed; default: TMPDIR")
      ->type_name("FOLDER");
  command.add_flag("--no-verify", options->no_verify, "Do not decode each archive before it gets its name");
  command.add_flag("--json", options->json, "Figures as JSON on standard output");
  command.add_flag("-q,--quiet", options->quiet, "No table");
  add_machine_options(command, options->machine);
  command.callback([options] { run(*options); });
}

}  // namespace weft::cli
