// The kernels around core/nearest_vectors.hpp and core/vector_sums.hpp. The search is a matrix product that keeps the
// least of each row: thread blocks share tiles of entries, threads hold vectors in registers.
#include "kernels/threads.cuh"
#include "warp_cuda.cuh"

namespace weft::cuda {
namespace {

constexpr std::uint32_t kSearchThreads = 128;

template <int kDim, bool kExact>
__global__ __launch_bounds__(kSearchThreads) void nearest_kernel(VectorArrays arrays) {
  using Search = core::NearestSearch<kDim, kExact>;
  constexpr std::uint32_t kVectors = kSearchThreads * Search::kWidth;
  alignas(16) __shared__ float values[core::kEntryTile * kDim];
  alignas(16) __shared__ float biases[core::kEntryTile];
  const std::uint64_t n = kExact ? *arrays.unsettled_count : arrays.vectors.n;
  const core::Entries entries = arrays.entries;
  const auto vector = [&](std::uint64_t i) { return kExact ? std::uint64_t{arrays.unsettled[i]} : i; };
  bool is_staged = false;
  for (std::uint64_t base = std::uint64_t{blockIdx.x} * kVectors; base < n;
       base += std::uint64_t{gridDim.x} * kVectors) {
    const auto number = [&](std::uint32_t v) { return base + v * kSearchThreads + threadIdx.x; };
    Search search;
    search.begin();
#pragma unroll
    for (std::uint32_t v = 0; v < Search::kWidth; v++)
      search.set(v, arrays.vectors.vectors + vector(number(v) < n ? number(v) : n - 1) * kDim);
    for (std::uint32_t first = 0; first < entries.count; first += core::kEntryTile) {
      if (!is_staged) {
        __syncthreads();  // the tile before is in use until here
        core::stage_entries<kDim>(entries, first, values, biases, threadIdx.x, kSearchThreads);
        __syncthreads();
        is_staged = entries.count <= core::kEntryTile;
      }
      search.search(values, biases, first, core::tile_entries(entries, first));
    }
#pragma unroll
    for (std::uint32_t v = 0; v < Search::kWidth; v++) {
      if (number(v) >= n) continue;
      const std::uint64_t i = vector(number(v));
      if (search.is_settled(v, entries)) {
        core::write_answer(search, v, i, entries, arrays.answers);
      } else {
        arrays.unsettled[atomicAdd(arrays.unsettled_count, 1u)] = static_cast<std::uint32_t>(i);
      }
    }
  }
}

__global__ __launch_bounds__(kThreads) void totals_kernel(VectorArrays arrays) {
  fold_pieces((arrays.vectors.n + core::kTotalsPiece - 1) / core::kTotalsPiece, arrays.pieces,
              [&](std::uint64_t piece, std::uint32_t lane) {
                return core::add_to_totals<CudaWarp>(arrays.vectors, piece, lane, arrays.totals);
              });
}

__global__ __launch_bounds__(kThreads) void draw_sums_kernel(VectorArrays arrays) {
  for (std::uint64_t piece = thread_number(); piece * core::kDrawPiece < arrays.vectors.n; piece += thread_total())
    arrays.draw_sums[piece] = core::draw_units_of_piece(arrays.vectors, piece);
}

__global__ __launch_bounds__(kThreads) void draw_places_kernel(VectorArrays arrays) {
  for (std::uint64_t i = thread_number(); i < arrays.point_count; i += thread_total())
    arrays.drawn[i] = core::find_drawn(arrays.vectors, arrays.points[i]);
}

template <int kDim>
cudaError_t launch_nearest(Launch launch, const VectorArrays& arrays) {
  const std::uint32_t blocks = blocks_for(arrays.vectors.n, kSearchThreads * core::nearest_width(kDim));
  cudaError_t status = cudaMemsetAsync(arrays.unsettled_count, 0, sizeof *arrays.unsettled_count, launch.stream);
  if (status == cudaSuccess)
    status = launch_persistent(nearest_kernel<kDim, false>, launch, BlockShape{kSearchThreads}, blocks, arrays);
  if (status == cudaSuccess)
    status = launch_persistent(nearest_kernel<kDim, true>, launch, BlockShape{kSearchThreads}, blocks, arrays);
  return status;
}

}  // namespace

cudaError_t launch_cluster_vectors(Launch launch, VectorPass pass, const VectorArrays& arrays) {
  const std::uint64_t n = arrays.vectors.n;
  switch (pass) {
    case VectorPass::kNearest:
      return arrays.vectors.dimension == 2   ? launch_nearest<2>(launch, arrays)
             : arrays.vectors.dimension == 4 ? launch_nearest<4>(launch, arrays)
                                             : launch_nearest<8>(launch, arrays);
    case VectorPass::kTotals: {
      const std::size_t numbers = std::size_t{arrays.entries.count} * core::totals_width(arrays.vectors.dimension);
      const cudaError_t status = cudaMemsetAsync(arrays.totals, 0, numbers * sizeof *arrays.totals, launch.stream);
      if (status != cudaSuccess) return status;
      return launch_persistent(totals_kernel, launch, blocks_for(n, core::kTotalsPiece * kThreads / core::kLanes),
                               arrays);
    }
    case VectorPass::kDrawSums:
      return launch_persistent(draw_sums_kernel, launch, blocks_for(n, core::kDrawPiece * kThreads), arrays);
    case VectorPass::kDrawPlaces:
      return launch_persistent(draw_places_kernel, launch, blocks_for(arrays.point_count, kThreads), arrays);
  }
  return cudaErrorInvalidValue;
}

}  // namespace weft::cuda
