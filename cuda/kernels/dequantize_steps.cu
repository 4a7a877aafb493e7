#include "kernels/decode_group.cuh"
#include "kernels/decode_ops.hpp"

namespace weft::cuda {

cudaError_t launch_dequantize_steps(Launch launch, DecodeOp op, const core::BlockGroup* groups, std::uint32_t count,
                                    const core::BlockJob* jobs, std::uint8_t* out, std::uint32_t* status) {
  using enum core::FloatType;
  switch (op) {
    case DecodeOp::kStepsBF16:
      return launch_persistent(dequantize_kernel<kBF16, false>, launch, kDecodeShape, count, groups, count, jobs, out,
                               status);
    case DecodeOp::kStepsF16:
      return launch_persistent(dequantize_kernel<kF16, false>, launch, kDecodeShape, count, groups, count, jobs, out,
                               status);
    case DecodeOp::kStepsF32:
      return launch_persistent(dequantize_kernel<kF32, false>, launch, kDecodeShape, count, groups, count, jobs, out,
                               status);
    case DecodeOp::kStepsF64:
      return launch_persistent(dequantize_kernel<kF64, false>, launch, kDecodeShape, count, groups, count, jobs, out,
                               status);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace weft::cuda
