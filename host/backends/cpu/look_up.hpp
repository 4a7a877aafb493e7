// Decoding by table: a block with at most 256 different weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/cpu/kernels.hpp"

namespace weft::cpu {

// Unit i becomes values[symbols[i]], rounded to the element type; every symbol has a value.
void look_up(const Kernels& kernels, DType dtype, std::span<const float> values, const std::uint8_t* symbols,
             std::size_t n, std::byte* units);

}  // namespace weft::cpu
