// Options that several commands share, and what they mean to the engine.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "weft/config.hpp"
#include "weft/engine.hpp"

namespace weft::cli {

struct TextOptions {
  bool quiet = false;
  bool verbose = false;
};
void add_text_options(CLI::App& command, TextOptions& options);

// How a run uses the machine. What is given here wins over the config.
struct MachineOptions {
  std::optional<std::int64_t> threads;
  std::optional<std::string> device;
  std::optional<std::string> memory_limit;
  std::optional<std::string> device_memory;
  bool no_progress = false;
};
void add_machine_options(CLI::App& command, MachineOptions& options);

// Puts the options into the config. Throws Error(kUsage) for a value that makes no sense.
void apply(const MachineOptions& options, Config& config);
// What the config says of the machine, and the flag that SIGINT sets.
[[nodiscard]] RunOptions run_options(const Config& config);

struct ConfigOptions {
  std::string source = "lossless";  // a path or the name of a preset
  std::vector<std::string> overrides;
  std::string target;
};
// --set and --target: what is changed of the config.
void add_change_options(CLI::App& command, ConfigOptions& options);
void add_config_options(CLI::App& command, ConfigOptions& options);

// The network that a command reads.
void add_network_option(CLI::App& command, std::filesystem::path& input);
// Throws Error(kUsage) for "-": networks and archives are read at many places at once.
void check_input(const std::filesystem::path& input);

struct OutputOptions {
  std::filesystem::path output;  // empty: a default beside the input
  bool overwrite = false;
  std::string report;  // empty: none; "-": standard output
};
void add_output_options(CLI::App& command, OutputOptions& options, const std::string& what);

}  // namespace weft::cli
