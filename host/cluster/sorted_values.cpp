#include "cluster/sorted_values.hpp"

#include <algorithm>
#include <cmath>

#include "cluster/radix_sort.hpp"
#include "engine/workers.hpp"

namespace weft::cluster {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 16;

std::uint32_t key_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  return bits >> 31 ? 0x80000000u - magnitude : 0x80000000u + magnitude;
}

// Calls body(begin, end) for pieces of fixed size.
template <class F>
void for_pieces(std::uint32_t threads, std::size_t n, F body) {
  engine::run_parallel(threads, (n + kPiece - 1) / kPiece, nullptr, [&](std::uint32_t, std::size_t piece) {
    body(piece * kPiece, std::min(n, (piece + 1) * kPiece));
  });
}

// The power of two above x > 0 is 2^(the result).
int exponent_above(double x) {
  int exponent = 0;
  (void)std::frexp(x, &exponent);
  return exponent;
}

}  // namespace

SortedValues::SortedValues(std::span<const float> values, std::span<const float> weights, std::uint32_t threads)
    : n_(values.size()) {
  const float heaviest = weights.empty() ? 0 : *std::max_element(weights.begin(), weights.end());
  if (heaviest > 0) {
    sort_weighted(values, weights, threads);
  } else {
    sort_plain(values, threads);
    if (!weights.empty()) weight_unit_ = 0;  // all of them weigh nothing: placed as if they did, at no cost
  }
  choose_value_unit();
  sum_up(threads);
}

void SortedValues::sort_plain(std::span<const float> values, std::uint32_t threads) {
  keys_ = std::make_unique_for_overwrite<std::uint32_t[]>(n_);
  for_pieces(threads, n_, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; i++) keys_[i] = key_of(values[i]);
  });
  radix_sort(keys_, n_, threads);
}

void SortedValues::sort_weighted(std::span<const float> values, std::span<const float> weights, std::uint32_t threads) {
  const int bits = std::min(31, 62 - static_cast<int>(std::bit_width(n_)));
  const int exponent = exponent_above(*std::max_element(weights.begin(), weights.end())) - bits;
  const double units = std::ldexp(1.0, -exponent);
  weight_unit_ = std::ldexp(1.0, exponent);
  auto items = std::make_unique_for_overwrite<std::uint64_t[]>(n_);
  for_pieces(threads, n_, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; i++)
      items[i] = static_cast<std::uint64_t>(static_cast<double>(weights[i]) * units) << 32 | key_of(values[i]);
  });
  radix_sort(items, n_, threads);
  keys_ = std::make_unique_for_overwrite<std::uint32_t[]>(n_);
  weights_ = std::make_unique_for_overwrite<std::uint32_t[]>(n_);
  for_pieces(threads, n_, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; i++) {
      keys_[i] = static_cast<std::uint32_t>(items[i]);
      weights_[i] = static_cast<std::uint32_t>(items[i] >> 32);
    }
  });
}

void SortedValues::choose_value_unit() {
  const float largest = std::max(std::abs(value(0)), std::abs(value(n_ - 1)));
  if (largest == 0) return;
  const int exponent = exponent_above(largest) - 56;
  value_unit_ = std::ldexp(1.0, exponent);
  units_per_value_ = std::ldexp(1.0, -exponent);
}

Sums SortedValues::sums_between(std::size_t begin, std::size_t end) const {
  const auto units = [&](std::size_t i) {
    return static_cast<std::int64_t>(static_cast<double>(value(i)) * units_per_value_);
  };
  Sums sums;
  if (weights_) {
    for (std::size_t i = begin; i < end; i++) {
      sums.weight += weights_[i];
      sums.moment += Int128{weights_[i]} * units(i);
    }
  } else {
    std::int64_t moment = 0;  // of at most 64 values below 2^56
    for (std::size_t i = begin; i < end; i++) moment += units(i);
    sums = {static_cast<std::int64_t>(end - begin), moment};
  }
  return sums;
}

void SortedValues::sum_up(std::uint32_t threads) {
  static_assert(kPiece % kStride == 0);
  prefix_.resize(n_ / kStride + 1);
  for_pieces(threads, n_, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i + kStride <= end; i += kStride)
      prefix_[i / kStride + 1] = sums_between(i, i + kStride);
  });
  for (std::size_t i = 1; i < prefix_.size(); i++) {
    prefix_[i].weight += prefix_[i - 1].weight;
    prefix_[i].moment += prefix_[i - 1].moment;
  }
}

Sums SortedValues::sums(std::size_t count) const {
  const Sums& before = prefix_[count / kStride];
  const Sums rest = sums_between(count / kStride * kStride, count);
  return {before.weight + rest.weight, before.moment + rest.moment};
}

std::size_t SortedValues::count_up_to(double threshold, std::size_t low, std::size_t high) const {
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (static_cast<double>(value(middle)) <= threshold) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::size_t SortedValues::run_end(std::size_t begin) const {
  std::size_t reach = 1;
  while (begin + reach < n_ && keys_[begin + reach] == keys_[begin]) reach *= 2;
  const auto* keys = keys_.get();
  return static_cast<std::size_t>(
      std::upper_bound(keys + begin + reach / 2, keys + std::min(n_, begin + reach), keys[begin]) - keys);
}

double SortedValues::squared_distances(std::span<const std::size_t> edges, std::span<const double> centroids,
                                       std::uint32_t threads) const {
  std::vector<double> pieces((n_ + kPiece - 1) / kPiece);
  for_pieces(threads, n_, [&](std::size_t begin, std::size_t end) {
    auto cluster = static_cast<std::size_t>(std::upper_bound(edges.begin(), edges.end(), begin) - edges.begin()) - 1;
    double sum = 0;
    for (std::size_t at = begin; at < end; cluster++) {
      const std::size_t stop = std::min(end, edges[cluster + 1]);
      for (; at < stop; at++) {
        const double distance = static_cast<double>(value(at)) - centroids[cluster];
        sum += static_cast<double>(weight(at)) * (distance * distance);
      }
    }
    pieces[begin / kPiece] = sum;
  });
  double sum = 0;
  for (const double piece : pieces) sum += piece;
  return sum;
}

}  // namespace weft::cluster
