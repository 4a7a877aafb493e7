#include "cluster/host_sorted_values.hpp"

#include <algorithm>

#include "cluster/pieces.hpp"
#include "cluster/radix_sort.hpp"

namespace weft::cluster {
namespace {

constexpr std::uint64_t kPiece = std::uint64_t{1} << 16;
static_assert(kPiece % core::kPrefixStride == 0);

}  // namespace

HostSortedValues::HostSortedValues(std::span<const float> values, std::span<const float> weights, std::uint32_t threads)
    : SortedValues(values.size()), threads_(threads) {
  const std::vector<std::uint32_t> integers = take_weights(weights, threads);
  if (integers.empty()) {
    sort_plain(values);
  } else {
    sort_weighted(values, integers);
  }
  sorted_ = {.keys = keys_.get(), .weights = weights_.get(), .n = size()};
  sorted_.units_per_value = take_range(core::value_of_key(keys_[0]), core::value_of_key(keys_[size() - 1]));
  sum_up();
}

void HostSortedValues::sort_plain(std::span<const float> values) {
  keys_ = std::make_unique_for_overwrite<std::uint32_t[]>(size());
  for_pieces(threads_, size(), kPiece, [&](std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t i = begin; i < end; i++) keys_[i] = core::key_of(values[i]);
  });
  radix_sort(keys_, size(), threads_);
}

void HostSortedValues::sort_weighted(std::span<const float> values, std::span<const std::uint32_t> weights) {
  auto items = std::make_unique_for_overwrite<std::uint64_t[]>(size());
  for_pieces(threads_, size(), kPiece, [&](std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t i = begin; i < end; i++) items[i] = std::uint64_t{weights[i]} << 32 | core::key_of(values[i]);
  });
  radix_sort(items, size(), threads_);
  keys_ = std::make_unique_for_overwrite<std::uint32_t[]>(size());
  weights_ = std::make_unique_for_overwrite<std::uint32_t[]>(size());
  for_pieces(threads_, size(), kPiece, [&](std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t i = begin; i < end; i++) {
      keys_[i] = static_cast<std::uint32_t>(items[i]);
      weights_[i] = static_cast<std::uint32_t>(items[i] >> 32);
    }
  });
}

void HostSortedValues::sum_up() {
  prefix_.resize(core::prefix_count(size()));
  for_pieces(threads_, prefix_.size() - 1, kPiece / core::kPrefixStride, [&](std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t i = begin; i < end; i++) prefix_[i + 1] = core::sum_of_stride(sorted_, i);
  });
  for (std::size_t i = 1; i < prefix_.size(); i++) prefix_[i] = prefix_[i - 1] + prefix_[i];
  sorted_.prefix = prefix_.data();
}

std::vector<std::uint64_t> HostSortedValues::run_edges(std::uint64_t most) const {
  const std::uint64_t runs = core::sum_before(sorted_, size()).runs;
  if (runs > most) return {};
  std::vector<std::uint64_t> edges(runs + 1, size());
  for (std::uint64_t stride = 0; stride * core::kPrefixStride < size(); stride++)
    core::list_runs(sorted_, {0, runs, edges.data()}, stride);
  return edges;
}

void HostSortedValues::find(std::span<const core::PlaceQuestion> questions, std::span<core::Place> places) const {
  for (std::size_t i = 0; i < questions.size(); i++) places[i] = core::find_place(sorted_, questions[i]);
}

std::vector<double> HostSortedValues::squares(std::span<const std::uint64_t> edges,
                                              std::span<const double> centroids) const {
  const core::SquaresJob job{edges.data(), centroids.data(), static_cast<std::uint32_t>(centroids.size())};
  std::vector<double> pieces(core::squares_pieces(size()));
  for_pieces(threads_, size(), core::kSquaresPiece, [&](std::uint64_t begin, std::uint64_t end) {
    // As core::squares_of_lane, with the lanes inside: values are read in their order.
    double lanes[core::kSquaresLanes] = {};
    std::uint32_t cluster = core::cluster_at(job, begin);
    for (std::uint64_t at = begin; at < end; cluster++)
      for (const std::uint64_t stop = std::min(end, edges[cluster + 1]); at < stop; at++)
        lanes[at % core::kSquaresLanes] += core::weighted_square(sorted_, at, centroids[cluster]);
    pieces[begin / core::kSquaresPiece] = core::fold_lanes(lanes);
  });
  return pieces;
}

}  // namespace weft::cluster
