#include "cli/options.hpp"

#include <fmt/format.h>

#include <CLI/Option.hpp>

#include "cli/signals.hpp"
#include "config/fields.hpp"
#include "config/source.hpp"
#include "weft/error.hpp"

namespace weft::cli {
namespace {

// Sets one field of the config by the rules that hold for it there.
void set_field(Config& config, std::string_view option, std::string_view key, config::Json value) {
  for (const auto& field : config::config_fields()) {
    if (field.name != key) continue;
    const std::string given = value.dump(-1, ' ', false, config::Json::error_handler_t::replace);
    if (const auto complaint = field.type.normalise(value))
      throw Error(ErrorKind::kUsage, fmt::format("{} {}: expected {}", option, given, complaint->expected));
    return field.set(config, value);
  }
  throw Error(ErrorKind::kInternal, fmt::format("the config has no field {} for {}", key, option));
}

}  // namespace

void add_text_options(CLI::App& command, TextOptions& options) {
  auto* quiet = command.add_flag("-q,--quiet", options.quiet, "Only errors and warnings");
  command.add_flag("-v,--verbose", options.verbose, "A line for every tensor")->excludes(quiet);
}

void add_machine_options(CLI::App& command, MachineOptions& options) {
  command.add_option("-T,--threads", options.threads, "Threads; 0: all cores")->type_name("N");
  command.add_option("--device", options.device, "auto, cpu, cuda, cuda:N or cuda:all")->type_name("DEVICE");
  command.add_option("--memory-limit", options.memory_limit, "Working buffers, such as 512M (MiB) or 1GB")
      ->type_name("SIZE");
  command.add_option("--device-memory", options.device_memory, "Memory on each GPU; 0: most of what is free")
      ->type_name("SIZE");
  command.add_flag("--no-progress", options.no_progress, "No progress line");
}

void apply(const MachineOptions& options, Config& config) {
  if (options.threads) set_field(config, "--threads", "threads", *options.threads);
  if (options.device) set_field(config, "--device", "device", *options.device);
  if (options.memory_limit)
    set_field(config, "--memory-limit", "memory_limit", config::parse_value(*options.memory_limit));
  if (options.device_memory)
    set_field(config, "--device-memory", "device_memory", config::parse_value(*options.device_memory));
}

RunOptions run_options(const Config& config) {
  RunOptions run;
  run.threads = config.threads;
  run.memory_limit = config.memory_limit;
  run.device = config.device;
  run.device_memory = config.device_memory;
  run.cancel = catch_signals();
  return run;
}

void add_change_options(CLI::App& command, ConfigOptions& options) {
  command.add_option("--set", options.overrides, "Overrides one value of the config, such as rules.0.lambda=0.05")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false)
      ->take_all();
  command
      .add_option("--target", options.target,
                  "What the archive shall be, such as bits_per_weight=3, instead of the steps that the config gives")
      ->type_name("FIGURE=VALUE");
}

void add_config_options(CLI::App& command, ConfigOptions& options) {
  command
      .add_option("-c,--config", options.source,
                  "Config file, or a preset: lossless, near-lossless, balanced, small, lut4, deep-compression")
      ->type_name("CONFIG")
      ->capture_default_str();
  add_change_options(command, options);
}

void add_network_option(CLI::App& command, std::filesystem::path& input) {
  command.add_option("input", input, "A .safetensors file, or a folder with a sharded checkpoint")
      ->required()
      ->type_name("INPUT");
}

void check_input(const std::filesystem::path& input) {
  if (input == "-")
    throw Error(ErrorKind::kUsage, "what weft reads is a file or a folder, not standard input; ./- is a file named -");
}

void add_output_options(CLI::App& command, OutputOptions& options, const std::string& what) {
  command.add_option("-o,--output", options.output, what)->type_name("OUT");
  command.add_flag("-f,--force", options.overwrite, "Replace existing output");
  command.add_option("--report", options.report, "JSON report to FILE; -: standard output")->type_name("FILE");
}

}  // namespace weft::cli
