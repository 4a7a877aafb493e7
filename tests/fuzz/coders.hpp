// The coders that fuzz targets compare with each other.
#pragma once

#include <memory>
#include <vector>

#include "backends/cpu/cpu_codec.hpp"
#include "backends/cuda/find_devices.hpp"
#include "backends/cuda/segment_coder.hpp"

namespace weft::fuzz {

// One for each kernel set, the portable one first, and the CUDA backend on an
// emulated device; made once, because they own a good deal of memory.
inline const std::vector<std::unique_ptr<SegmentCoder>>& coders() {
  static const auto all = [] {
    std::vector<std::unique_ptr<SegmentCoder>> list;
    for (const cpu::Kernels* kernels : cpu::available_kernels()) list.push_back(cpu::make_segment_coder(*kernels));
    static const auto emulated = cuda::make_device_backend(cuda::find_devices().devices, 0);
    list.push_back(emulated->make_coder());
    return list;
  }();
  return all;
}

}  // namespace weft::fuzz
