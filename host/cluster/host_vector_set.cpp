#include "cluster/host_vector_set.hpp"

#include <algorithm>

#include "backends/cpu/warp_portable.hpp"
#include "engine/workers.hpp"

namespace weft::cluster {

HostVectorSet::HostVectorSet(std::span<const float> values, std::span<const float> weights, std::size_t dimension,
                             std::uint32_t threads)
    : VectorSet(values, weights, dimension), threads_(std::max(1u, threads)) {
  nearest_.distances.assign(vectors().size(), kFirstDistance);
}

core::VectorSums HostVectorSet::sums() const {
  return {.vectors = vectors().values.data(),
          .weights = weights().empty() ? nullptr : weights().data(),
          .n = vectors().size(),
          .dimension = static_cast<std::uint32_t>(vectors().dimension),
          .nearest = nearest_.entries.data(),
          .distances = nearest_.distances.data()};
}

void HostVectorSet::assign(std::span<const float> entries, std::span<const float> biases) {
  find_nearest(vectors(), entries, biases, threads_, nearest_);
}

void HostVectorSet::approach(std::span<const float> entries, std::span<const float> biases) {
  find_nearest(vectors(), entries, biases, threads_, to_new_);
  for (std::size_t i = 0; i < to_new_.distances.size(); i++)
    nearest_.distances[i] = std::min(nearest_.distances[i], to_new_.distances[i]);
}

EntryTotals HostVectorSet::totals(std::size_t entries) {
  const core::VectorSums all = sums();
  const std::uint32_t width = core::totals_width(all.dimension);
  const std::size_t pieces = (all.n + core::kTotalsPiece - 1) / core::kTotalsPiece;
  std::vector<double> errors(pieces);
  // Each thread counts for itself, and there are only so many that their counts take no more memory than the vectors.
  const std::uint64_t numbers_each = entries * width, worth = all.n * all.dimension / (2 * numbers_each);
  const auto threads = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(worth, 1, threads_));
  std::vector<std::vector<std::uint64_t>> counts(threads);
  engine::run_parallel(threads, pieces, nullptr, [&](std::uint32_t thread, std::size_t piece) {
    counts[thread].resize(numbers_each);
    double lanes[core::kSquaresLanes];
    for (std::uint32_t lane = 0; lane < core::kSquaresLanes; lane++)
      lanes[lane] = core::add_to_totals<cpu::PortableWarp>(all, piece, lane, counts[thread].data());
    errors[piece] = core::fold_lanes(lanes);
  });
  std::vector<std::uint64_t> numbers(numbers_each);
  for (const auto& some : counts)
    for (std::size_t i = 0; i < some.size(); i++) numbers[i] += some[i];
  return join_totals(numbers, errors);
}

std::uint64_t HostVectorSet::chances() {
  const core::VectorSums all = sums();
  std::uint64_t sum = 0;
  chances_.resize(all.n);
  for (std::size_t i = 0; i < all.n; i++) chances_[i] = sum += core::draw_units(all, i);
  return sum;
}

std::vector<std::uint64_t> HostVectorSet::drawn(std::span<const std::uint64_t> points) {
  std::vector<std::uint64_t> vectors;
  for (const std::uint64_t point : points)
    vectors.push_back(
        static_cast<std::uint64_t>(std::upper_bound(chances_.begin(), chances_.end(), point) - chances_.begin()));
  return vectors;
}

}  // namespace weft::cluster
