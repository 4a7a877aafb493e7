#include "kernels/decode_ops.hpp"
#include "kernels/encode_ops.hpp"

namespace weft::cuda {

cudaError_t launch_decode(Launch launch, DecodeOp op, const core::BlockGroup* groups, std::uint32_t count,
                          const core::BlockJob* jobs, std::uint8_t* out, std::uint32_t* status) {
  const auto part = op <= DecodeOp::kMerge8     ? launch_merge
                    : op <= DecodeOp::kTableF64 ? launch_dequantize_table
                    : op <= DecodeOp::kStepsF64 ? launch_dequantize_steps
                                                : launch_pairs;
  return part(launch, op, groups, count, jobs, out, status);
}

cudaError_t launch_encode(Launch launch, EncodePass pass, EncodeOp op, const EncodeArrays& arrays) {
  switch (pass) {
    case EncodePass::kThresholds:
    case EncodePass::kRateThresholds:
    case EncodePass::kTables:
    case EncodePass::kLayout:
      return launch_encode_segments(launch, pass, arrays);
    default:
      if (op <= EncodeOp::kUnits8) return launch_encode_units(launch, pass, op, arrays);
      if (op <= EncodeOp::kF64) return launch_encode_weights(launch, pass, op, arrays);
      return op <= EncodeOp::kIndicesF64 ? launch_encode_indices(launch, pass, op, arrays)
                                         : launch_encode_codebooks(launch, pass, op, arrays);
  }
}

}  // namespace weft::cuda
