// The kernels around core/sorted_keys.hpp. A thread takes a value, a stride or a question, a warp a piece of squares.
#include "kernels/launch.cuh"

namespace weft::cuda {
namespace {

constexpr std::uint32_t kFewThreads =
    64;  // questions are few and wait for memory: over as many multiprocessors as may be

__device__ __forceinline__ std::uint64_t thread_number() {
  return std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ std::uint64_t thread_total() { return std::uint64_t{gridDim.x} * blockDim.x; }

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
  __shared__ double sums[kThreads];
  double* lanes = sums + warp_index() * core::kSquaresLanes;
  const std::uint64_t pieces = core::squares_pieces(arrays.sorted.n);
  const std::uint32_t lane = threadIdx.x % core::kLanes;
  for (std::uint64_t piece = thread_number() / core::kLanes; piece < pieces; piece += thread_total() / core::kLanes) {
    lanes[lane] = core::squares_of_lane(arrays.sorted, arrays.squares, piece, lane);
    __syncwarp();
    if (lane == 0) arrays.squares.pieces[piece] = core::fold_lanes(lanes);
    __syncwarp();
  }
}
static_assert(core::kSquaresLanes == core::kLanes);

// Enough thread blocks for so many threads; more than any device holds at once count as many.
std::uint32_t blocks_for(std::uint64_t threads, std::uint32_t each) {
  const std::uint64_t blocks = (threads + each - 1) / each;
  return blocks < INT32_MAX ? static_cast<std::uint32_t>(blocks) : INT32_MAX;
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
