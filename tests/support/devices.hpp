// What tests of the CUDA backend run on: the emulated device, and every GPU of this machine.
#pragma once

#include <memory>
#include <vector>

#include "backends/cuda/find_devices.hpp"
#include "support/host_device.hpp"

namespace weft::testing {

inline std::vector<std::shared_ptr<cuda::Device>> devices() {
  std::vector<std::shared_ptr<cuda::Device>> found = cuda::find_devices().devices;
  found.insert(found.begin(), std::make_shared<HostDevice>());
  return found;
}

// For INSTANTIATE_TEST_SUITE_P.
inline constexpr auto name_of_device = [](const auto& device) {
  return device.index == 0 ? std::string("emulated") : "gpu" + std::to_string(device.index - 1);
};

}  // namespace weft::testing
