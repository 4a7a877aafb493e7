// The kernels around core/sorted_keys.hpp. A thread takes a value, a stride or a question, a warp a piece of squares.
#include "kernels/threads.cuh"

namespace weft::cuda {
namespace {

constexpr std::uint32_t kFewThreads =
    64;  // questions are few and wait for memory: over as many multiprocessors as may be

__global__ __launch_bounds__(kThreads) void keys_kernel(ScalarArrays arrays) {
  for (std::uint64_t i = thread_number(); i < arrays.sorted.n; i += thread_total())
    arrays.keys[i] = core::key_of(arrays.values[i]);
}

__global__ __launch_bounds__(kThreads) void stride_sums_kernel(ScalarArrays arrays) {
  if (thread_number() == 0) arrays.prefix[0] = {};
  for (std::uint64_t i = thread_number(); i < arrays.sorted.n / core::kPrefixStride; i += thread_total())
    arrays.prefix[i + 1] = core::sum_of_stride(arrays.sorted, i);
}

__global__ __launch_bounds__(kFewThreads, 1) void places_kernel(ScalarArrays arrays) {
  for (std::uint64_t i = thread_number(); i < arrays.question_count; i += thread_total())
    arrays.places[i] = core::find_place(arrays.sorted, arrays.questions[i]);
}

__global__ __launch_bounds__(kThreads) void runs_kernel(ScalarArrays arrays) {
  for (std::uint64_t i = thread_number(); i * core::kPrefixStride < arrays.sorted.n; i += thread_total())
    core::list_runs(arrays.sorted, arrays.runs, i);
}

__global__ __launch_bounds__(kThreads) void squares_kernel(ScalarArrays arrays) {
  fold_pieces(core::squares_pieces(arrays.sorted.n), arrays.squares.pieces,
              [&](std::uint64_t piece, std::uint32_t lane) {
                return core::squares_of_lane(arrays.sorted, arrays.squares, piece, lane);
              });
}

}  // namespace

cudaError_t launch_cluster_scalars(Launch launch, ScalarPass pass, const ScalarArrays& arrays) {
  const std::uint64_t n = arrays.sorted.n, strides = core::prefix_count(n);
  switch (pass) {
    case ScalarPass::kKeys:
      return launch_persistent(keys_kernel, launch, blocks_for(n, kThreads), arrays);
    case ScalarPass::kSort:
      return launch_sort(launch, arrays);
    case ScalarPass::kSums: {
      const cudaError_t status = launch_persistent(stride_sums_kernel, launch, blocks_for(strides, kThreads), arrays);
      return status != cudaSuccess ? status : launch_add_up(launch, arrays);
    }
    case ScalarPass::kPlaces:
      return launch_persistent(places_kernel, launch, BlockShape{kFewThreads},
                               blocks_for(arrays.question_count, kFewThreads), arrays);
    case ScalarPass::kRuns:
      return launch_persistent(runs_kernel, launch, blocks_for(strides, kThreads), arrays);
    case ScalarPass::kSquares:
      return launch_persistent(squares_kernel, launch, blocks_for(core::squares_pieces(n) * core::kLanes, kThreads),
                               arrays);
  }
  return cudaErrorInvalidValue;
}

}  // namespace weft::cuda
