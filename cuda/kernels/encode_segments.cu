#include "kernels/encode_ops.hpp"
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"
#include "weft/core/encode_block.hpp"

namespace weft::cuda {
namespace {

constexpr std::uint32_t kWarps = 2;  // what shared memory holds without being asked

// A warp for each plane of a segment. What follows the planes of a segment is idle.
__global__ __launch_bounds__(kWarps* core::kLanes) void encode_segments_kernel(core::SegmentPass pass,
                                                                               EncodeArrays arrays) {
  __shared__ core::SegmentScratch scratch[kWarps];
  const std::uint32_t count = arrays.segment_count * core::kMaxPlanes;
  for (std::uint32_t i = blockIdx.x * kWarps + warp_index(); i < count; i += gridDim.x * kWarps)
    core::encode_segment_pass<CudaWarp>(pass, arrays.round, arrays.segments[i / core::kMaxPlanes], i % core::kMaxPlanes,
                                        arrays.blocks, scratch[warp_index()]);
}

}  // namespace

cudaError_t launch_encode_segments(Launch launch, EncodePass pass, const EncodeArrays& arrays) {
  const auto segment_pass = pass == EncodePass::kThresholds       ? core::SegmentPass::kThresholds
                            : pass == EncodePass::kRateThresholds ? core::SegmentPass::kRateThresholds
                            : pass == EncodePass::kTables         ? core::SegmentPass::kTables
                                                                  : core::SegmentPass::kLayout;
  return launch_persistent(encode_segments_kernel, launch, BlockShape{kWarps * core::kLanes},
                           arrays.segment_count * (core::kMaxPlanes / kWarps), segment_pass, arrays);
}

}  // namespace weft::cuda
