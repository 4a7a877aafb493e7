// weft sweep
#include "sweep/sweep.hpp"

#include <fmt/format.h>

#include <memory>

#include "backends/cpu/kernels.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/options.hpp"
#include "io/file.hpp"
#include "text/utf8.hpp"

namespace weft::cli {
namespace fs = std::filesystem;
namespace {

struct Options {
  fs::path sweep, folder;
  weft::sweep::SweepOverrides overrides;
  MachineOptions machine;
  bool quiet = false;
};

// Changes with every build that changes anything.
std::string this_program() {
  constexpr std::uint64_t kMostBytes = 1u << 30;
  const std::string bytes = io::read_text("/proc/self/exe", kMostBytes);
  return fmt::format("{:08x}",
                     cpu::active_kernels().crc32c(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

void run(const Options& options) {
  weft::sweep::SweepOptions sweep;
  sweep.folder = options.folder;
  sweep.program = this_program();
  sweep.run_options = [&](Config& config) {
    apply(options.machine, config);
    return run_options(config);
  };
  sweep.say = [&](const std::string& line) {
    if (!options.quiet) put_text(text::printable(line) + '\n');
  };
  const weft::sweep::SweepFile file = weft::sweep::read_sweep(options.sweep, options.overrides);
  const std::string tables = run_sweep(file, sweep);
  if (options.quiet) return;
  put_text(fmt::format("\n{}{}: points, curves and tables\n", tables, text::printable(options.folder.string())));
}

}  // namespace

void add_sweep(CLI::App& program) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *program.add_subcommand("sweep", "Measure rate-distortion curves of settings over networks");
  command.add_option("sweep", options->sweep, "What to run: networks, a base config, a grid, named settings")
      ->required()
      ->type_name("SWEEP.json");
  command
      .add_option("-o,--output", options->folder,
                  "Folder for results; one with points of this sweep goes on from there")
      ->required()
      ->type_name("FOLDER");
  command.add_option("--networks", options->overrides.networks, "Paths or globs instead of the file's networks")
      ->type_name("NETWORK");
  command
      .add_option("--reference", options->overrides.reference, "Points to compare with, in the format of SETTING.json")
      ->type_name("FILE");
  add_machine_options(command, options->machine);
  command.add_flag("-q,--quiet", options->quiet, "Only errors");
  command.callback([options] { run(*options); });
}

}  // namespace weft::cli
