// What clusters on the emulated device: the bodies of the kernels, and a sort of the standard library.
#pragma once

#include "backends/cuda/device.hpp"

namespace weft::testing {

void cluster_scalars_on_host(cuda::ScalarPass pass, const cuda::ScalarArrays& arrays);
void cluster_vectors_on_host(cuda::VectorPass pass, const cuda::VectorArrays& arrays);

}  // namespace weft::testing
