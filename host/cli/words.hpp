// Small pieces of sentences.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "text/units.hpp"
#include "weft/archive.hpp"

namespace weft::cli {

// "1 tensor", "2 tensors".
[[nodiscard]] inline std::string counted(std::uint64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", text::grouped(n), noun, n == 1 ? "" : "s");
}

[[nodiscard]] inline std::string format_version() { return fmt::format("{}.{}", kFormatMajor, kFormatMinor); }

}  // namespace weft::cli
