#include "kernels/encode_group.cuh"
#include "kernels/encode_ops.hpp"

namespace weft::cuda {
namespace {

template <core::FloatType kType>
cudaError_t launch_pass(Launch launch, EncodePass pass, const EncodeArrays& arrays) {
  switch (pass) {
    case EncodePass::kQuantizeTrial:
      return launch_persistent(quantize_kernel<kType, false>, launch, BlockShape{kThreads, kCounterBytes<1>},
                               arrays.group_count, arrays);
    case EncodePass::kWindow:
      return launch_persistent(window_of_weights_kernel<kType>, launch, BlockShape{core::kLanes}, arrays.group_count,
                               arrays);
    case EncodePass::kSurvey:
      return launch_persistent(quantize_kernel<kType, true>, launch, BlockShape{kThreads, kCounterBytes<1>},
                               arrays.group_count, arrays);
    case EncodePass::kWrite:
      return launch_write(write_uniform_kernel<kType>, launch, arrays);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

cudaError_t launch_encode_weights(Launch launch, EncodePass pass, EncodeOp op, const EncodeArrays& arrays) {
  // The symbols are bytes by then, whatever the weights were.
  if (pass == EncodePass::kCode) return launch_encode_units(launch, pass, EncodeOp::kUnits1, arrays);
  switch (op) {
    case EncodeOp::kBF16:
      return launch_pass<core::FloatType::kBF16>(launch, pass, arrays);
    case EncodeOp::kF16:
      return launch_pass<core::FloatType::kF16>(launch, pass, arrays);
    case EncodeOp::kF32:
      return launch_pass<core::FloatType::kF32>(launch, pass, arrays);
    case EncodeOp::kF64:
      return launch_pass<core::FloatType::kF64>(launch, pass, arrays);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace weft::cuda
