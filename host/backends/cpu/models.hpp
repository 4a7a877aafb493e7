// Which model of a warp the CPU backend uses, for reports and `weft doctor`.
#pragma once

#include <string_view>

namespace weft::cpu {

// "portable" or "avx2".
[[nodiscard]] std::string_view active_model_name() noexcept;

}  // namespace weft::cpu
