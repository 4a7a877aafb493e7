// Version of the program and of the archives it reads and writes.
#pragma once

#include <fmt/format.h>

#include <string>

#include "weft/archive.hpp"

namespace weft::cli {

[[nodiscard]] inline std::string format_version() { return fmt::format("{}.{}", kFormatMajor, kFormatMinor); }
[[nodiscard]] inline std::string version_line() {
  return fmt::format("weft {} (archive format {})", WEFT_VERSION, format_version());
}

}  // namespace weft::cli
