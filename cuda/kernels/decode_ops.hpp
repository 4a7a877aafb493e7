// The parts of launch_decode, one for each source file that is compiled on its own.
#pragma once

#include "kernels/kernels.hpp"

namespace weft::cuda {

cudaError_t launch_merge(Launch launch, DecodeOp op, const core::BlockGroup* groups, std::uint32_t count,
                         const core::BlockJob* jobs, std::uint8_t* out, std::uint32_t* status);
cudaError_t launch_dequantize_table(Launch launch, DecodeOp op, const core::BlockGroup* groups, std::uint32_t count,
                                    const core::BlockJob* jobs, std::uint8_t* out, std::uint32_t* status);
cudaError_t launch_pairs(Launch launch, DecodeOp op, const core::BlockGroup* groups, std::uint32_t count,
                         const core::BlockJob* jobs, std::uint8_t* out, std::uint32_t* status);
cudaError_t launch_dequantize_steps(Launch launch, DecodeOp op, const core::BlockGroup* groups, std::uint32_t count,
                                    const core::BlockJob* jobs, std::uint8_t* out, std::uint32_t* status);

}  // namespace weft::cuda
