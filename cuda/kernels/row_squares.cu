// The kernel around core/row_squares.hpp: a warp takes a part of a row.
#include "kernels/threads.cuh"

namespace weft::cuda {
namespace {

template <core::FloatType kType>
__global__ __launch_bounds__(kThreads) void row_squares_kernel(core::RowJob job, std::uint64_t parts) {
  fold_pieces(parts, job.parts,
              [&](std::uint64_t part, std::uint32_t lane) { return core::part_of_lane<kType>(job, part, lane); });
}

template <core::FloatType kType>
cudaError_t launch_type(Launch launch, const core::RowJob& job) {
  const std::uint64_t parts = job.run.parts();
  return launch_persistent(row_squares_kernel<kType>, launch, blocks_for(parts * core::kLanes, kThreads), job, parts);
}

}  // namespace

cudaError_t launch_square_rows(Launch launch, const core::RowJob& job) {
  switch (job.type) {
    case core::FloatType::kBF16:
      return launch_type<core::FloatType::kBF16>(launch, job);
    case core::FloatType::kF16:
      return launch_type<core::FloatType::kF16>(launch, job);
    case core::FloatType::kF32:
      return launch_type<core::FloatType::kF32>(launch, job);
    case core::FloatType::kF64:
      return launch_type<core::FloatType::kF64>(launch, job);
  }
  return cudaErrorInvalidValue;
}

}  // namespace weft::cuda
