#include "kernels/encode_group.cuh"
#include "kernels/encode_ops.hpp"

namespace weft::cuda {
namespace {

template <class Unit>
cudaError_t launch_pass(Launch launch, EncodePass pass, const EncodeArrays& arrays) {
  switch (pass) {
    case EncodePass::kWindow:
      return launch_persistent(window_of_units_kernel<Unit>, launch, BlockShape{core::kLanes}, arrays.group_count,
                               arrays);
    case EncodePass::kSurvey:
      return launch_persistent(survey_units_kernel<Unit>, launch, BlockShape{kThreads, kCounterBytes<sizeof(Unit)>},
                               arrays.group_count, arrays);
    case EncodePass::kCode:
      return launch_persistent(code_planes_kernel<Unit>, launch, arrays.group_count, arrays);
    case EncodePass::kWrite:
      return launch_write(write_units_kernel<Unit>, launch, arrays);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

cudaError_t launch_encode_units(Launch launch, EncodePass pass, EncodeOp op, const EncodeArrays& arrays) {
  switch (op) {
    case EncodeOp::kUnits1:
      return launch_pass<std::uint8_t>(launch, pass, arrays);
    case EncodeOp::kUnits2:
      return launch_pass<std::uint16_t>(launch, pass, arrays);
    case EncodeOp::kUnits4:
      return launch_pass<std::uint32_t>(launch, pass, arrays);
    case EncodeOp::kUnits8:
      return launch_pass<std::uint64_t>(launch, pass, arrays);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace weft::cuda
