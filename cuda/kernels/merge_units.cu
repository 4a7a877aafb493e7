#include "kernels/decode_group.cuh"
#include "kernels/decode_ops.hpp"

namespace weft::cuda {

cudaError_t launch_merge(Launch launch, DecodeOp op, const core::BlockGroup* groups, std::uint32_t count,
                         const core::BlockJob* jobs, std::uint8_t* out, std::uint32_t* status) {
  switch (op) {
    case DecodeOp::kMerge1:
      return launch_persistent(merge_units_kernel<std::uint8_t>, launch, kDecodeShape, count, groups, count, jobs, out,
                               status);
    case DecodeOp::kMerge2:
      return launch_persistent(merge_units_kernel<std::uint16_t>, launch, kDecodeShape, count, groups, count, jobs, out,
                               status);
    case DecodeOp::kMerge4:
      return launch_persistent(merge_units_kernel<std::uint32_t>, launch, kDecodeShape, count, groups, count, jobs, out,
                               status);
    case DecodeOp::kMerge8:
      return launch_persistent(merge_units_kernel<std::uint64_t>, launch, kDecodeShape, count, groups, count, jobs, out,
                               status);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace weft::cuda
