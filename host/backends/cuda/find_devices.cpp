#include "backends/cuda/find_devices.hpp"

#include <mutex>

namespace weft::cuda {
namespace {

std::mutex mutex;
std::optional<DeviceList> instead;

}  // namespace

DeviceList find_devices() {
  {
    const std::lock_guard lock(mutex);
    if (instead) return *instead;
  }
#if defined(WEFT_HAVE_CUDA)
  return cuda_devices();
#else
  return {{}, kNoToolkit, false};
#endif
}

void use_devices(std::optional<DeviceList> devices) {
  const std::lock_guard lock(mutex);
  instead = std::move(devices);
}

}  // namespace weft::cuda
