#include "kernels/decode_group.cuh"
#include "kernels/decode_ops.hpp"

namespace weft::cuda {

cudaError_t launch_dequantize_table(Launch launch, DecodeOp op, const core::BlockGroup* groups, std::uint32_t count,
                                    const core::BlockJob* jobs, std::uint8_t* out, std::uint32_t* status) {
  using enum core::FloatType;
  switch (op) {
    case DecodeOp::kTableBF16:
      return launch_persistent(dequantize_kernel<kBF16, true>, launch, kDecodeShape, count, groups, count, jobs, out,
                               status);
    case DecodeOp::kTableF16:
      return launch_persistent(dequantize_kernel<kF16, true>, launch, kDecodeShape, count, groups, count, jobs, out,
                               status);
    case DecodeOp::kTableF32:
      return launch_persistent(dequantize_kernel<kF32, true>, launch, kDecodeShape, count, groups, count, jobs, out,
                               status);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace weft::cuda
