#include "backends/cuda/device_vector_set.hpp"

#include <algorithm>
#include <cmath>

namespace weft::cuda {
namespace {

std::size_t pieces_of(std::uint64_t n, std::uint64_t size) { return (n + size - 1) / size; }

}  // namespace

DeviceVectorSet::Layout::Layout(std::uint64_t n, std::size_t dimension, bool weighted, std::size_t entry_count) {
  Places places;
  const auto numbers = static_cast<std::size_t>(core::totals_width(static_cast<std::uint32_t>(dimension)));
  vectors = places.take(n * dimension * sizeof(float));
  weights = places.take(weighted ? n * sizeof(float) : 0);
  nearest = places.take(n * sizeof(std::uint32_t));
  distances = places.take(n * sizeof(float));
  unsettled = places.take(n * sizeof(std::uint32_t));
  unsettled_count = places.take(sizeof(std::uint32_t));
  entries = places.take(entry_count * dimension * sizeof(float));
  biases = places.take(entry_count * sizeof(float));
  totals = places.take(entry_count * numbers * sizeof(std::uint64_t));
  pieces = places.take(pieces_of(n, core::kTotalsPiece) * sizeof(double));
  draw_sums = places.take(pieces_of(n, core::kDrawPiece) * sizeof(std::uint64_t));
  points = places.take(entry_count * sizeof(core::DrawnPoint));
  drawn = places.take(entry_count * sizeof(std::uint64_t));
  total_bytes = places.bytes();
}

DeviceVectorSet::DeviceVectorSet(Queue& queue, const Layout& layout, std::byte* memory, std::span<const float> values,
                                 std::span<const float> weights_given, std::size_t dimension)
    : VectorSet(values, weights_given, dimension),
      transfers_(queue),
      queue_(queue),
      entries_(reinterpret_cast<float*>(memory + layout.entries)),
      biases_(reinterpret_cast<float*>(memory + layout.biases)),
      points_(memory + layout.points) {
  const std::size_t n = vectors().size();
  arrays_.answers = {reinterpret_cast<std::uint32_t*>(memory + layout.nearest),
                     reinterpret_cast<float*>(memory + layout.distances)};
  arrays_.vectors = {.vectors = reinterpret_cast<const float*>(memory + layout.vectors),
                     .n = n,
                     .dimension = static_cast<std::uint32_t>(dimension),
                     .nearest = arrays_.answers.nearest,
                     .distances = arrays_.answers.distances};
  arrays_.unsettled = reinterpret_cast<std::uint32_t*>(memory + layout.unsettled);
  arrays_.unsettled_count = reinterpret_cast<std::uint32_t*>(memory + layout.unsettled_count);
  arrays_.totals = reinterpret_cast<std::uint64_t*>(memory + layout.totals);
  arrays_.pieces = reinterpret_cast<double*>(memory + layout.pieces);
  arrays_.draw_sums = reinterpret_cast<std::uint64_t*>(memory + layout.draw_sums);
  arrays_.drawn = reinterpret_cast<std::uint64_t*>(memory + layout.drawn);
  transfers_.upload(memory + layout.vectors, vectors().values.data(), n * dimension * sizeof(float));
  if (!weights().empty()) {
    arrays_.vectors.weights = reinterpret_cast<const float*>(memory + layout.weights);
    transfers_.upload(memory + layout.weights, weights().data(), weights().size_bytes());
  }
  const std::vector<float> distances(n, kFirstDistance);
  transfers_.upload(arrays_.answers.distances, distances.data(), n * sizeof(float));
  queue_.wait();
}

void DeviceVectorSet::assign(std::span<const float> entries, std::span<const float> biases) {
  search(entries, biases, false);
}

void DeviceVectorSet::approach(std::span<const float> entries, std::span<const float> biases) {
  search(entries, biases, true);
}

void DeviceVectorSet::search(std::span<const float> entries, std::span<const float> biases, bool keep_lower) {
  transfers_.upload(entries_, entries.data(), entries.size_bytes());
  transfers_.upload(biases_, biases.data(), biases.size_bytes());
  arrays_.entries = {entries_, biases_, static_cast<std::uint32_t>(biases.size()), cluster::largest_magnitude(entries),
                     cluster::largest_magnitude(biases)};
  arrays_.answers.keep_lower = keep_lower;
  queue_.cluster_vectors(VectorPass::kNearest, arrays_);
  queue_.wait();
}

cluster::EntryTotals DeviceVectorSet::totals(std::size_t entries) {
  queue_.cluster_vectors(VectorPass::kTotals, arrays_);
  std::vector<std::uint64_t> numbers(entries * core::totals_width(arrays_.vectors.dimension));
  std::vector<double> errors(pieces_of(arrays_.vectors.n, core::kTotalsPiece));
  transfers_.download(numbers.data(), arrays_.totals, numbers.size() * sizeof(std::uint64_t));
  transfers_.download(errors.data(), arrays_.pieces, errors.size() * sizeof(double));
  return join_totals(numbers, errors);
}

std::uint64_t DeviceVectorSet::chances() {
  queue_.cluster_vectors(VectorPass::kDrawSums, arrays_);
  std::vector<std::uint64_t> sums(pieces_of(arrays_.vectors.n, core::kDrawPiece));
  transfers_.download(sums.data(), arrays_.draw_sums, sums.size() * sizeof(std::uint64_t));
  before_.assign(1, 0);
  for (const std::uint64_t sum : sums) before_.push_back(before_.back() + sum);
  return before_.back();
}

std::vector<std::uint64_t> DeviceVectorSet::drawn(std::span<const std::uint64_t> points) {
  std::vector<core::DrawnPoint> questions;
  for (const std::uint64_t point : points) {
    const auto piece = std::upper_bound(before_.begin(), before_.end(), point) - before_.begin() - 1;
    questions.push_back({static_cast<std::uint64_t>(piece), point - before_[static_cast<std::size_t>(piece)]});
  }
  transfers_.upload(points_, questions.data(), questions.size() * sizeof(core::DrawnPoint));
  VectorArrays arrays = arrays_;
  arrays.points = reinterpret_cast<const core::DrawnPoint*>(points_);
  arrays.point_count = static_cast<std::uint32_t>(questions.size());
  queue_.cluster_vectors(VectorPass::kDrawPlaces, arrays);
  std::vector<std::uint64_t> vectors(points.size());
  transfers_.download(vectors.data(), arrays.drawn, vectors.size() * sizeof(std::uint64_t));
  return vectors;
}

cluster::Nearest DeviceVectorSet::nearest() {
  cluster::Nearest nearest;
  nearest.entries.resize(arrays_.vectors.n);
  nearest.distances.resize(arrays_.vectors.n);
  transfers_.download(nearest.entries.data(), arrays_.answers.nearest, arrays_.vectors.n * sizeof(std::uint32_t));
  transfers_.download(nearest.distances.data(), arrays_.answers.distances, arrays_.vectors.n * sizeof(float));
  return nearest;
}

}  // namespace weft::cuda
