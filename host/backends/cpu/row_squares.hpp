// Squares of rows on the CPU.
#pragma once

#include <span>

#include "backends/row_meter.hpp"

namespace weft::cpu {

// Adds the rows of a run, whose units these are, to `sums`: to its last row, where the run does not begin one. weights are
// empty or one for each column.
void add_rows(DType dtype, const core::RowRun& run, std::span<const std::byte> units, std::span<const double> weights,
              float centre, RowSquares& sums);

}  // namespace weft::cpu
