// What encodes trellis blocks on the emulated device. Apart from host_device.cpp because there are many instances.
#pragma once

#include "backends/cuda/device.hpp"

namespace weft::testing {

void encode_trellis_on_host(cuda::TrellisPass pass, cuda::TrellisEncodeOp op, const cuda::TrellisEncodeArrays& arrays);

}  // namespace weft::testing
