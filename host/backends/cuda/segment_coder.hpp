// A coder that works on a GPU, and on the CPU where the GPU cannot.
#pragma once

#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cuda/memory.hpp"
#include "backends/cuda/notes.hpp"

namespace weft::cuda {

// Borrows all of them.
[[nodiscard]] std::unique_ptr<SegmentCoder> make_segment_coder(Heap& heap, Notes& notes);

// On these devices, coders taking turns; limit: bytes on each device, 0 for most of what is free.
[[nodiscard]] std::unique_ptr<Backend> make_device_backend(std::vector<std::shared_ptr<Device>> devices,
                                                           std::uint64_t limit);

}  // namespace weft::cuda
