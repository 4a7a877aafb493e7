// The part of launch_encode_trellis that is compiled on its own.
#pragma once

#include "kernels/kernels.hpp"

namespace weft::cuda {

cudaError_t launch_search_trellis(Launch launch, TrellisEncodeOp op, const TrellisEncodeArrays& arrays);

}  // namespace weft::cuda
