// weft verify
#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/options.hpp"
#include "cli/outputs.hpp"
#include "cli/progress.hpp"
#include "cli/words.hpp"
#include "report/figures.hpp"
#include "text/units.hpp"
#include "text/utf8.hpp"

namespace weft::cli {
namespace {

struct Options {
  std::filesystem::path archive, against;
  bool json = false, pruned = false;
  MachineOptions machine;
  TextOptions text;
};

// How well a network is restored.
std::string nearness(const Report& report) {
  const auto sqnr = report::sqnr_db(report::total_of(report));
  return sqnr ? fmt::format(", to {:.2f} dB", *sqnr) : "";
}

void run(const Options& options) {
  Config machine;
  apply(options.machine, machine);
  check_input(options.archive);
  const Archive archive = Archive::open(options.archive);
  std::unique_ptr<Network> original;
  if (!options.against.empty()) original = open_network(options.against);

  RunOptions run = run_options(machine);
  run.pruned = options.pruned;
  const Report report = [&] {
    const auto display = show_progress(run, "verifying", !options.machine.no_progress && !options.text.quiet);
    return verify(archive, original.get(), run);
  }();
  write_report(options.json ? "-" : "", report);
  if (original || options.text.verbose) put_summary(report, options.text);
  if (options.text.quiet) return;
  const Index& index = archive.index();
  put_text(fmt::format(
      "ok: {}: {}, {}, {}; every checksum holds{}\n", text::printable(options.archive.string()),
      counted(index.tensors.size(), "tensor"), counted(index.blocks.size(), "block"),
      text::decimal_bytes(archive.file_bytes()),
      original ? fmt::format(", and it restores {}{}", text::printable(options.against.string()), nearness(report))
               : ""));
}

}  // namespace

void add_verify(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *program.add_subcommand("verify", "Decode an archive and check every checksum");
  command.add_option("archive", options->archive, "A .weft archive")->required()->type_name("ARCHIVE");
  auto* against =
      command.add_option("--against", options->against, "Also compare with the original network")->type_name("INPUT");
  command
      .add_flag("--pruned", options->pruned,
                "The archive was pruned: lossless tensors may have zeros instead of weights")
      ->needs(against);
  command.add_flag("--json", options->json, "The report as JSON on standard output");
  add_machine_options(command, options->machine);
  add_text_options(command, options->text);
  command.callback([options] { run(*options); });
}

}  // namespace weft::cli
