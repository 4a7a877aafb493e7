// The passes over blocks whose weights become indices of codebooks of vectors, of groups of channels, or of over 256
// scalars.
#include "kernels/encode_group.cuh"
#include "kernels/encode_ops.hpp"

namespace weft::cuda {
namespace {

constexpr std::uint32_t kSearchThreads = 128;

template <core::FloatType kType>
__global__ __launch_bounds__(kThreads) void gather_vectors_kernel(EncodeArrays arrays) {
  for_groups(arrays, [&](core::SegmentJob& segment, const EncodeGroup& group) {
    if (segment.vector_log2 > 0 && warp_index() < group.block_count)
      core::gather_vectors<CudaWarp, kType>(segment, arrays.blocks[group.first_block + warp_index()]);
  });
}

// A thread block for each block: there may be few of them, and much to search.
__global__ __launch_bounds__(kSearchThreads) void search_groups_kernel(EncodeArrays arrays) {
  for (std::uint32_t i = blockIdx.x; i < arrays.group_count * kGroupBlocks; i += gridDim.x) {
    const EncodeGroup& group = arrays.groups[i / kGroupBlocks];
    const core::SegmentJob& segment = arrays.segments[group.segment];
    if (core::searches_groups(segment) && i % kGroupBlocks < group.block_count)
      core::search_groups(segment, arrays.blocks[group.first_block + i % kGroupBlocks], threadIdx.x, kSearchThreads);
  }
}

// Whether a segment takes part in a trial, if it is one.
__device__ __forceinline__ bool takes_part(const EncodeArrays& arrays, const core::SegmentJob& segment, bool trial) {
  return !trial || arrays.round < segment.price_rounds;
}

template <core::FloatType kType>
__global__ __launch_bounds__(kThreads, 2) void choose_of_codebooks_kernel(EncodeArrays arrays, bool trial) {
  for_groups(arrays, [&](core::SegmentJob& segment, const EncodeGroup& group) {
    if (takes_part(arrays, segment, trial) && warp_index() < group.block_count)
      core::choose_of_codebooks<CudaWarp, kType>(segment, arrays.blocks[group.first_block + warp_index()]);
  });
}

__global__ __launch_bounds__(kThreads, 2) void count_indices_kernel(EncodeArrays arrays, bool trial) {
  for_groups(arrays, [&](core::SegmentJob& segment, const EncodeGroup& group) {
    if (!takes_part(arrays, segment, trial)) return;
    for (std::uint32_t p = 0; p < segment.coded_planes; p++)
      survey_group<1>(segment.planes + p, group, arrays.blocks, [&](core::EncodeBlockJob& block, auto counters) {
        core::count_indices<CudaWarp>(segment, block, p, counters);
      });
  });
}

__global__ __launch_bounds__(core::kLanes) void windows_of_codebooks_kernel(EncodeArrays arrays) {
  for_windows(arrays, [](const core::SegmentJob& segment, const core::EncodeBlockJob&, core::WindowScratch& scratch) {
    core::choose_windows_of_codebooks<CudaWarp>(segment, scratch);
  });
}

cudaError_t launch_count(Launch launch, const EncodeArrays& arrays, bool trial) {
  return launch_persistent(count_indices_kernel, launch, BlockShape{kThreads, kCounterBytes<1>}, arrays.group_count,
                           arrays, trial);
}

template <core::FloatType kType>
cudaError_t launch_choose(Launch launch, const EncodeArrays& arrays, bool trial) {
  return launch_persistent(choose_of_codebooks_kernel<kType>, launch, arrays.group_count, arrays, trial);
}

template <core::FloatType kType>
cudaError_t launch_pass(Launch launch, EncodePass pass, const EncodeArrays& arrays) {
  switch (pass) {
    case EncodePass::kQuantizeTrial: {
      const cudaError_t status = launch_choose<kType>(launch, arrays, true);
      return status == cudaSuccess ? launch_count(launch, arrays, true) : status;
    }
    case EncodePass::kGather:
      return launch_persistent(gather_vectors_kernel<kType>, launch, arrays.group_count, arrays);
    case EncodePass::kSearch:
      return launch_persistent(search_groups_kernel, launch, BlockShape{kSearchThreads},
                               arrays.group_count * kGroupBlocks, arrays);
    case EncodePass::kChoose:
      return launch_choose<kType>(launch, arrays, false);
    case EncodePass::kWindow:
      return launch_persistent(windows_of_codebooks_kernel, launch, BlockShape{core::kLanes}, arrays.group_count,
                               arrays);
    case EncodePass::kSurvey:
      return launch_count(launch, arrays, false);
    case EncodePass::kWrite:
      return launch_encode_indices(launch, pass, encode_op(EncodeOp::kIndicesBF16, kType), arrays);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

cudaError_t launch_encode_codebooks(Launch launch, EncodePass pass, EncodeOp op, const EncodeArrays& arrays) {
  if (pass == EncodePass::kCode) return launch_encode_units(launch, pass, EncodeOp::kUnits1, arrays);
  switch (op) {
    case EncodeOp::kCodebooksBF16:
      return launch_pass<core::FloatType::kBF16>(launch, pass, arrays);
    case EncodeOp::kCodebooksF16:
      return launch_pass<core::FloatType::kF16>(launch, pass, arrays);
    case EncodeOp::kCodebooksF32:
      return launch_pass<core::FloatType::kF32>(launch, pass, arrays);
    case EncodeOp::kCodebooksF64:
      return launch_pass<core::FloatType::kF64>(launch, pass, arrays);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace weft::cuda
