// weft sweep: real runs over networks x settings x grid, and what they amount to.
//
// FOLDER/points.json receives every point as soon as it is measured; from it the files that people and tools read are
// written at the end, also of a run that was interrupted: SETTING.json (the format of a reference file), bd.json and BD.md
// (BD-rate against the reference and the baseline), NETWORK.svg (curves). They depend on the points and the sweep alone.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "sweep/sweep_file.hpp"
#include "weft/engine.hpp"

namespace weft::sweep {

struct SweepOptions {
  std::filesystem::path folder;
  std::string program;                             // which program measures, for point_key
  std::function<RunOptions(Config&)> run_options;  // fits a config to the machine
  std::function<void(const std::string&)> say;     // a line for people
};

// Returns the BD-rate tables as text. Throws Error(kConfig) at the end when points could not be measured because the config
// does not suit the network, such as a target that cannot be met; all others are there then.
std::string run_sweep(const SweepFile& sweep, const SweepOptions& options);

}  // namespace weft::sweep
