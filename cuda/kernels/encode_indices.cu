// The passes over blocks whose weights become indices of a codebook of up to 256 scalars.
#include "kernels/encode_group.cuh"
#include "kernels/encode_ops.hpp"

namespace weft::cuda {
namespace {

template <core::FloatType kType>
__global__ __launch_bounds__(core::kLanes) void window_of_indices_kernel(EncodeArrays arrays) {
  for_windows(arrays, [](const core::SegmentJob& segment, const core::EncodeBlockJob&, core::WindowScratch& scratch) {
    core::choose_window_of_indices<CudaWarp, kType>(segment, scratch);
  });
}

template <core::FloatType kType, bool kLast>
__global__ __launch_bounds__(kThreads, 2) void choose_indices_kernel(EncodeArrays arrays) {
  __shared__ float upper[core::kTableSymbols];
  for_groups(arrays, [&](core::SegmentJob& segment, const EncodeGroup& group) {
    if (!kLast && arrays.round >= segment.price_rounds) return;
    __syncthreads();
    const core::IndexChoice& choice = segment.choices[0];
    if (threadIdx.x + 1 < 1u << choice.log2) upper[threadIdx.x] = choice.upper[threadIdx.x];
    survey_group<1>(segment.planes, group, arrays.blocks, [&](core::EncodeBlockJob& block, auto counters) {
      core::choose_block_indices<CudaWarp, kType, kLast>(segment, block, upper, counters);
    });
  });
}

template <core::FloatType kType>
__global__ __launch_bounds__(kWriteThreads, kWriteResident) void write_indices_kernel(EncodeArrays arrays) {
  write_blocks(arrays, [](const auto& segment, const auto& block, const core::CrcTables& tables, auto& scratch) {
    core::write_indices<CudaWarp, kType>(segment, block, tables, scratch);
  });
}

template <core::FloatType kType>
cudaError_t launch_pass(Launch launch, EncodePass pass, const EncodeArrays& arrays) {
  const BlockShape counting{kThreads, kCounterBytes<1>};
  switch (pass) {
    case EncodePass::kQuantizeTrial:
      return launch_persistent(choose_indices_kernel<kType, false>, launch, counting, arrays.group_count, arrays);
    case EncodePass::kWindow:
      return launch_persistent(window_of_indices_kernel<kType>, launch, BlockShape{core::kLanes}, arrays.group_count,
                               arrays);
    case EncodePass::kSurvey:
      return launch_persistent(choose_indices_kernel<kType, true>, launch, counting, arrays.group_count, arrays);
    case EncodePass::kWrite:
      return launch_write(write_indices_kernel<kType>, launch, arrays);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

cudaError_t launch_encode_indices(Launch launch, EncodePass pass, EncodeOp op, const EncodeArrays& arrays) {
  if (pass == EncodePass::kCode) return launch_encode_units(launch, pass, EncodeOp::kUnits1, arrays);
  switch (op) {
    case EncodeOp::kIndicesBF16:
      return launch_pass<core::FloatType::kBF16>(launch, pass, arrays);
    case EncodeOp::kIndicesF16:
      return launch_pass<core::FloatType::kF16>(launch, pass, arrays);
    case EncodeOp::kIndicesF32:
      return launch_pass<core::FloatType::kF32>(launch, pass, arrays);
    case EncodeOp::kIndicesF64:
      return launch_pass<core::FloatType::kF64>(launch, pass, arrays);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace weft::cuda
