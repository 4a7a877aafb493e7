#include "backends/cuda/device_interface.hpp"
#include "cuda_queue.hpp"

namespace weft::cuda {

std::unique_ptr<Queue> queue_on(DeviceStream stream, const DeviceOptions& options) {
  return make_cuda_queue(stream, options.max_processors);
}

}  // namespace weft::cuda
