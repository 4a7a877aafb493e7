// Clustering on the GPU: scalars beside a sort of the same keys, the assignment of vectors beside what registers allow.
#pragma once

#include <memory>

#include "measure.hpp"

namespace weft::bench {

[[nodiscard]] Json cluster_report(std::shared_ptr<cuda::Device> device);

}  // namespace weft::bench
