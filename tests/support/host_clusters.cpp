#include "support/host_clusters.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "backends/cpu/warp_portable.hpp"

namespace weft::testing {
namespace {

void sort(const cuda::ScalarArrays& arrays) {
  std::vector<std::uint64_t> order(arrays.sorted.n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint64_t a, std::uint64_t b) { return arrays.keys[a] < arrays.keys[b]; });
  const auto arrange = [&](std::uint32_t* values, std::uint32_t* room) {
    for (std::size_t i = 0; i < order.size(); i++) room[i] = values[order[i]];
    std::copy_n(room, order.size(), values);
  };
  arrange(arrays.keys, arrays.keys_room);
  if (arrays.weights != nullptr) arrange(arrays.weights, arrays.weights_room);
}

// A thread block of the search: some vectors for each of a few threads.
template <int kDim, bool kExact>
void search(const cuda::VectorArrays& arrays) {
  constexpr std::uint32_t kThreads = 3, kWidth = core::nearest_width(kDim);
  using Search = core::NearestSearch<kDim, kExact>;
  const core::Entries& entries = arrays.entries;
  const std::uint64_t n = kExact ? *arrays.unsettled_count : arrays.vectors.n;
  alignas(16) float values[core::kEntryTile * kDim], biases[core::kEntryTile];
  for (std::uint64_t base = 0; base < n; base += kThreads * kWidth) {
    Search searches[kThreads];
    const auto number = [&](std::uint32_t thread, std::uint32_t v) { return base + v * kThreads + thread; };
    const auto vector = [&](std::uint64_t i) { return kExact ? arrays.unsettled[i] : i; };
    for (std::uint32_t t = 0; t < kThreads; t++) {
      searches[t].begin();
      for (std::uint32_t v = 0; v < kWidth; v++)
        searches[t].set(v, arrays.vectors.vectors + vector(std::min(number(t, v), n - 1)) * kDim);
    }
    for (std::uint32_t first = 0; first < entries.count; first += core::kEntryTile) {
      for (std::uint32_t t = 0; t < kThreads; t++)
        core::stage_entries<kDim>(entries, first, values, biases, t, kThreads);
      for (Search& one : searches) one.search(values, biases, first, core::tile_entries(entries, first));
    }
    for (std::uint32_t t = 0; t < kThreads; t++)
      for (std::uint32_t v = 0; v < kWidth && number(t, v) < n; v++) {
        const std::uint64_t i = vector(number(t, v));
        if (searches[t].is_settled(v, entries)) {
          core::write_answer(searches[t], v, i, entries, arrays.answers);
        } else {
          arrays.unsettled[(*arrays.unsettled_count)++] = static_cast<std::uint32_t>(i);
        }
      }
  }
}

template <int kDim>
void find_nearest(const cuda::VectorArrays& arrays) {
  *arrays.unsettled_count = 0;
  search<kDim, false>(arrays);
  search<kDim, true>(arrays);
}

void add_up(const cuda::VectorArrays& arrays) {
  std::fill_n(arrays.totals, std::size_t{arrays.entries.count} * core::totals_width(arrays.vectors.dimension), 0);
  for (std::uint64_t piece = 0; piece * core::kTotalsPiece < arrays.vectors.n; piece++) {
    double lanes[core::kSquaresLanes];
    for (std::uint32_t lane = 0; lane < core::kSquaresLanes; lane++)
      lanes[lane] = core::add_to_totals<cpu::PortableWarp>(arrays.vectors, piece, lane, arrays.totals);
    arrays.pieces[piece] = core::fold_lanes(lanes);
  }
}

}  // namespace

void cluster_vectors_on_host(cuda::VectorPass pass, const cuda::VectorArrays& arrays) {
  const core::VectorSums& vectors = arrays.vectors;
  switch (pass) {
    case cuda::VectorPass::kNearest:
      return vectors.dimension == 2   ? find_nearest<2>(arrays)
             : vectors.dimension == 4 ? find_nearest<4>(arrays)
                                      : find_nearest<8>(arrays);
    case cuda::VectorPass::kTotals:
      return add_up(arrays);
    case cuda::VectorPass::kDrawSums:
      for (std::uint64_t piece = 0; piece * core::kDrawPiece < vectors.n; piece++)
        arrays.draw_sums[piece] = core::draw_units_of_piece(vectors, piece);
      return;
    case cuda::VectorPass::kDrawPlaces:
      for (std::uint32_t i = 0; i < arrays.point_count; i++)
        arrays.drawn[i] = core::find_drawn(vectors, arrays.points[i]);
      return;
  }
}

void cluster_scalars_on_host(cuda::ScalarPass pass, const cuda::ScalarArrays& arrays) {
  const core::SortedKeys& sorted = arrays.sorted;
  const std::uint64_t strides = core::prefix_count(sorted.n);
  switch (pass) {
    case cuda::ScalarPass::kKeys:
      for (std::uint64_t i = 0; i < sorted.n; i++) arrays.keys[i] = core::key_of(arrays.values[i]);
      return;
    case cuda::ScalarPass::kSort:
      return sort(arrays);
    case cuda::ScalarPass::kSums:
      arrays.prefix[0] = {};
      for (std::uint64_t i = 0; i + 1 < strides; i++) arrays.prefix[i + 1] = core::sum_of_stride(sorted, i);
      for (std::uint64_t i = 1; i < strides; i++) arrays.prefix[i] = arrays.prefix[i - 1] + arrays.prefix[i];
      return;
    case cuda::ScalarPass::kPlaces:
      for (std::uint32_t i = 0; i < arrays.question_count; i++)
        arrays.places[i] = core::find_place(sorted, arrays.questions[i]);
      return;
    case cuda::ScalarPass::kRuns:
      for (std::uint64_t i = 0; i * core::kPrefixStride < sorted.n; i++) core::list_runs(sorted, arrays.runs, i);
      return;
    case cuda::ScalarPass::kSquares:
      for (std::uint64_t piece = 0; piece < core::squares_pieces(sorted.n); piece++) {
        double lanes[core::kSquaresLanes];
        for (std::uint32_t lane = 0; lane < core::kSquaresLanes; lane++)
          lanes[lane] = core::squares_of_lane(sorted, arrays.squares, piece, lane);
        arrays.squares.pieces[piece] = core::fold_lanes(lanes);
      }
      return;
  }
}

}  // namespace weft::testing
