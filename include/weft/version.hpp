// The version of the program and library. The archive format has its own (weft/archive.hpp).
#pragma once

#include <string_view>

namespace weft {

[[nodiscard]] constexpr std::string_view version_string() noexcept { return "0.1.0"; }

}  // namespace weft
