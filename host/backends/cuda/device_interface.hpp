// A queue on a caller's stream, where there is a CUDA toolkit: what weft/device.hpp stands on.
#pragma once

#include <memory>

#include "backends/cuda/device.hpp"
#include "weft/device.hpp"

namespace weft::cuda {

// In cuda/. For the GPU that is current in the calling thread.
[[nodiscard]] std::unique_ptr<Queue> queue_on(DeviceStream stream, const DeviceOptions& options);

}  // namespace weft::cuda
