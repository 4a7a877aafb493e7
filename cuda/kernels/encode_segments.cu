#include "kernels/encode_ops.hpp"
#include "kernels/launch.cuh"
#include "weft/core/encode_block.hpp"

namespace weft::cuda {
namespace {

// Scalar code: one thread for each segment.
__global__ void encode_segments_kernel(core::SegmentPass pass, EncodeArrays arrays) {
  const std::uint32_t stride = gridDim.x * kThreads;
  for (std::uint32_t i = blockIdx.x * kThreads + threadIdx.x; i < arrays.segment_count; i += stride)
    core::encode_segment_pass(pass, arrays.segments[i], arrays.blocks);
}

}  // namespace

cudaError_t launch_encode_segments(Launch launch, EncodePass pass, const EncodeArrays& arrays) {
  const auto segment_pass = pass == EncodePass::kThresholds       ? core::SegmentPass::kThresholds
                            : pass == EncodePass::kRateThresholds ? core::SegmentPass::kRateThresholds
                            : pass == EncodePass::kTables         ? core::SegmentPass::kTables
                                                                  : core::SegmentPass::kLayout;
  return launch_persistent(encode_segments_kernel, launch, (arrays.segment_count + kThreads - 1) / kThreads,
                           segment_pass, arrays);
}

}  // namespace weft::cuda
