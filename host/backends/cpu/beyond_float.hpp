// F64 tensors go through float32 where they are quantized; some of their values do not survive that.
#pragma once

#include <cstddef>
#include <span>

#include "weft/dtype.hpp"

namespace weft::cpu {

// Whether an F64 value is finite and not zero, but as a float32 (values: the units converted) it is not. False for other types.
[[nodiscard]] bool beyond_float(DType dtype, std::span<const std::byte> units, std::span<const float> values) noexcept;

}  // namespace weft::cpu
