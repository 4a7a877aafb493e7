// The GPUs of this machine, or the reason why there is none to use.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/cuda/device.hpp"

namespace weft::cuda {

struct DeviceList {
  std::vector<std::shared_ptr<Device>> devices;
  std::string why_none;   // a sentence's end, such as "no NVIDIA driver is installed"; empty with devices
  bool expected = false;  // none, although there seems to be a GPU: worth telling without being asked
};

inline constexpr const char* kNoToolkit = "this build was made without a CUDA toolkit";

[[nodiscard]] DeviceList find_devices();
// For tests: what find_devices() gives from now on; nothing: the machine's.
void use_devices(std::optional<DeviceList> devices);

// In cuda/, where there is a toolkit.
[[nodiscard]] DeviceList cuda_devices();

}  // namespace weft::cuda
