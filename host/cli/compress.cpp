// weft compress
#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/options.hpp"
#include "cli/outputs.hpp"
#include "cli/progress.hpp"
#include "config/rule_use.hpp"
#include "text/units.hpp"
#include "text/utf8.hpp"

namespace weft::cli {
namespace fs = std::filesystem;
namespace {

struct Options {
  fs::path input;
  ConfigOptions config;
  OutputOptions output;
  MachineOptions machine;
  TextOptions text;
  bool dry_run = false;
  bool no_verify = false;
};

void run(const Options& options) {
  check_input(options.input);
  Config config = load_config(options.config.source, options.config.overrides, options.config.target);
  apply(options.machine, config);
  const auto network = open_network(options.input);
  const fs::path output = chosen_or(options.output.output, default_archive(options.input, network->is_folder()), true);
  Sources sources = sources_of(*network);
  sources.emplace_back(options.config.source);
  check_outputs(output, io::TargetKind::kFile, options.output, sources, options.dry_run);

  RunOptions run = run_options(config);
  run.overwrite = options.output.overwrite;
  run.verify = !options.no_verify;
  Report report = [&] {
    const auto display = show_progress(run, options.dry_run ? "sampling" : "compressing",
                                       !options.machine.no_progress && !options.text.quiet);
    return options.dry_run ? estimate(*network, config, run) : compress(*network, config, output, run);
  }();
  for (std::string& sentence :
       config::unused_rules(config, network->tensors(),
                            config::rules_with_intent(config, options.config.source, options.config.overrides)))
    report.warnings.push_back(std::move(sentence));
  write_report(options.output.report, report);
  put_summary(report, options.text);
  if (options.text.quiet) return;
  put_text(fmt::format("{}{}: {} -> {}{}\n", text::printable(output.string()), options.dry_run ? " (not written)" : "",
                       text::decimal_bytes(report.bytes_in), options.dry_run ? "about " : "",
                       text::decimal_bytes(report.bytes_out)));
}

}  // namespace

void add_compress(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *program.add_subcommand("compress", "Compress a network into one .weft archive");
  add_network_option(command, options->input);
  add_config_options(command, options->config);
  add_output_options(command, options->output, "Archive; default: beside the input, named after it");
  command.add_flag("--dry-run", options->dry_run, "Expected sizes from a sample; writes no archive");
  command.add_flag("--no-verify", options->no_verify, "Do not decode the archive again before it gets its name");
  add_machine_options(command, options->machine);
  add_text_options(command, options->text);
  command.callback([options] { run(*options); });
}

}  // namespace weft::cli
