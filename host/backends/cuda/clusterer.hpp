// A clusterer that works on a GPU, and on the CPU where the GPU cannot.
#pragma once

#include <memory>

#include "backends/clusterer.hpp"
#include "backends/cuda/memory.hpp"
#include "backends/cuda/notes.hpp"

namespace weft::cuda {

// Borrows both.
[[nodiscard]] std::unique_ptr<Clusterer> make_device_clusterer(Heap& heap, Notes& notes);

}  // namespace weft::cuda
