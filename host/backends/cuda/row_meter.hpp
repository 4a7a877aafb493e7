// A meter of rows that works on a GPU, and on the CPU where the GPU cannot or would not pay.
//
// A run that fits the device's memory stays there until the next one, so that it need not be read again to be weighed.
#pragma once

#include "backends/cuda/memory.hpp"
#include "backends/cuda/notes.hpp"
#include "backends/row_meter.hpp"

namespace weft::cuda {

// Borrows both.
[[nodiscard]] std::unique_ptr<RowMeter> make_device_row_meter(Heap& heap, Notes& notes);

}  // namespace weft::cuda
