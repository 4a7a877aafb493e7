// SWEEP.json: which networks are coded with which settings (README, "Sweeps").
//
// A setting is one curve: the base config with the setting's overrides. The grid gives each curve its points: every
// combination of its values. All configs are checked before any work begins. Paths are relative to the sweep's folder.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "weft/config.hpp"

namespace weft::sweep {

struct GridPoint {
  nlohmann::ordered_json values;  // short name of each grid key -> value
  Config config;
};

struct Setting {
  std::string name;
  std::vector<GridPoint> points;
};

struct SweepFile {
  std::vector<std::pair<std::string, std::filesystem::path>> networks;  // by name, in that order
  std::vector<Setting> settings;                                        // by name
  std::string baseline;                                                 // a setting
  std::filesystem::path reference;                                      // empty: none
};

// What the command line says instead of the file; relative to the current folder.
struct SweepOverrides {
  std::vector<std::string> networks;
  std::filesystem::path reference;
};

// Throws Error(kConfig) that names the place.
[[nodiscard]] SweepFile read_sweep(const std::filesystem::path& path, const SweepOverrides& overrides = {});

}  // namespace weft::sweep
