// The presets: the files configs/<name>.json, embedded so that the program is one file (presets.cmake).
#pragma once

#include <span>
#include <string_view>

namespace weft::config {

struct Preset {
  std::string_view name;
  std::string_view text;
};

// In the order of their effect, the gentlest first.
[[nodiscard]] std::span<const Preset> presets() noexcept;

}  // namespace weft::config
