// Clustering on the GPU: scalars beside a sort of the same keys, the assignment of vectors beside what registers allow.
#pragma once

#include <memory>

#include "backends/cuda/device.hpp"
#include "results.hpp"

namespace weft::bench {

void cluster_section(Results& results, const std::shared_ptr<cuda::Device>& device);

}  // namespace weft::bench
