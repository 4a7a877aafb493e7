// Sums of squares of rows on the GPU: the kernel alone, and a meter that reads the weights from host memory.
#pragma once

#include <memory>

#include "backends/cuda/device.hpp"
#include "results.hpp"

namespace weft::bench {

void rows_section(Results& results, const std::shared_ptr<cuda::Device>& device);

}  // namespace weft::bench
