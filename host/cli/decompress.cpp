// weft decompress
#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/options.hpp"
#include "cli/outputs.hpp"
#include "cli/progress.hpp"
#include "text/units.hpp"
#include "text/utf8.hpp"

namespace weft::cli {
namespace fs = std::filesystem;
namespace {

struct Options {
  fs::path archive;
  std::vector<std::string> globs;
  OutputOptions output;
  MachineOptions machine;
  TextOptions text;
};

void run(const Options& options) {
  Config machine;
  apply(options.machine, machine);
  check_input(options.archive);
  const Archive archive = Archive::open(options.archive);
  const bool selection = !options.globs.empty();
  const bool to_file = selection || !archive.index().is_folder;
  const fs::path output =
      chosen_or(options.output.output, default_restored(options.archive, archive.index(), selection), to_file);
  check_outputs(output, to_file ? io::TargetKind::kFile : io::TargetKind::kFolder, options.output, {options.archive});

  RunOptions run = run_options(machine);
  run.overwrite = options.output.overwrite;
  const Report report = [&] {
    const auto display = show_progress(run, "decompressing", !options.machine.no_progress && !options.text.quiet);
    return decompress(archive, output, options.globs, run);
  }();
  write_report(options.output.report, report);
  put_summary(report, options.text);
  if (options.text.quiet) return;
  // Of a report, "in" is the network's side, whichever way the run goes.
  put_text(fmt::format("{}: {} -> {}\n", text::printable(output.string()), text::decimal_bytes(report.bytes_out),
                       text::decimal_bytes(report.bytes_in)));
}

}  // namespace

void add_decompress(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *program.add_subcommand("decompress", "Restore a network from an archive");
  command.add_option("archive", options->archive, "A .weft archive")->required()->type_name("ARCHIVE");
  add_output_options(command, options->output, "File or folder; default: beside the archive, under its original name");
  command
      .add_option("--tensors", options->globs,
                  "Only tensors whose names match, as one .safetensors file with their file's metadata")
      ->type_name("GLOB");
  add_machine_options(command, options->machine);
  add_text_options(command, options->text);
  command.callback([options] { run(*options); });
}

}  // namespace weft::cli
