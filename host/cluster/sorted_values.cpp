#include "cluster/sorted_values.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "cluster/pieces.hpp"
#include "weft/core/index_choice.hpp"

namespace weft::cluster {
namespace {

constexpr std::size_t kWeightsPiece = std::size_t{1} << 16;

// The power of two above x > 0 is 2^(the result).
int exponent_above(double x) {
  int exponent = 0;
  (void)std::frexp(x, &exponent);
  return exponent;
}

}  // namespace

std::vector<std::uint32_t> SortedValues::take_weights(std::span<const float> weights, std::uint32_t threads) {
  if (weights.empty()) return {};
  const float heaviest = *std::max_element(weights.begin(), weights.end());
  weight_unit_ = 0;
  if (!(heaviest > 0)) return {};
  const int bits = std::min(31, 62 - static_cast<int>(std::bit_width(n_)));
  const int exponent = exponent_above(static_cast<double>(heaviest)) - bits;
  const double units = std::ldexp(1.0, -exponent);
  weight_unit_ = std::ldexp(1.0, exponent);
  std::vector<std::uint32_t> integers(weights.size());
  for_pieces(threads, weights.size(), kWeightsPiece, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; i++)
      integers[i] = static_cast<std::uint32_t>(static_cast<double>(weights[i]) * units);
  });
  return integers;
}

double SortedValues::take_range(float least, float greatest) {
  const float largest = std::max(std::abs(least), std::abs(greatest));
  if (largest == 0) return 1;
  const int exponent = exponent_above(static_cast<double>(largest)) - 56;
  value_unit_ = std::ldexp(1.0, exponent);
  return std::ldexp(1.0, -exponent);
}

std::vector<Place> SortedValues::ask(std::span<const core::PlaceQuestion> questions) const {
  std::vector<core::Place> found(questions.size());
  find(questions, found);
  std::vector<Place> places;
  places.reserve(found.size());
  for (const core::Place& place : found)
    places.push_back({place.index, place.before.sums(), static_cast<double>(core::value_of_key(place.key))});
  return places;
}

std::vector<Place> SortedValues::after(std::span<const double> thresholds) const {
  std::vector<core::PlaceQuestion> questions;
  for (const double threshold : thresholds)
    questions.push_back({0, core::key_of(core::largest_float_up_to(threshold)), core::PlaceKind::kUpToKey});
  return ask(questions);
}

std::vector<Place> SortedValues::before(std::span<const std::uint64_t> indices) const {
  std::vector<core::PlaceQuestion> questions;
  for (const std::uint64_t index : indices) questions.push_back({index, 0, core::PlaceKind::kIndex});
  return ask(questions);
}

std::vector<Place> SortedValues::run_ends(std::span<const std::uint64_t> indices) const {
  std::vector<core::PlaceQuestion> questions;
  for (const std::uint64_t index : indices) questions.push_back({index, 0, core::PlaceKind::kRunEnd});
  return ask(questions);
}

double SortedValues::squared_distances(std::span<const std::uint64_t> edges, std::span<const double> centroids) const {
  double sum = 0;
  for (const double piece : squares(edges, centroids)) sum += piece;
  return sum;
}

}  // namespace weft::cluster
