// Sums of squares of rows on the GPU: the kernel alone, and a meter that reads the weights from host memory.
#pragma once

#include <memory>

#include "measure.hpp"

namespace weft::bench {

[[nodiscard]] Json rows_report(std::shared_ptr<cuda::Device> device);

}  // namespace weft::bench
