// The parts of launch_encode, one for each source file that is compiled on its own.
#pragma once

#include "kernels/kernels.hpp"

namespace weft::cuda {

cudaError_t launch_encode_segments(Launch launch, EncodePass pass, const EncodeArrays& arrays);
cudaError_t launch_encode_units(Launch launch, EncodePass pass, EncodeOp op, const EncodeArrays& arrays);
cudaError_t launch_encode_indices(Launch launch, EncodePass pass, EncodeOp op, const EncodeArrays& arrays);
cudaError_t launch_encode_codebooks(Launch launch, EncodePass pass, EncodeOp op, const EncodeArrays& arrays);
cudaError_t launch_encode_weights(Launch launch, EncodePass pass, EncodeOp op, const EncodeArrays& arrays);

}  // namespace weft::cuda
