#include "cluster/vector_set.hpp"

#include <algorithm>

namespace weft::cluster {

VectorSet::VectorSet(std::span<const float> values, std::span<const float> weights, std::size_t dimension)
    : dimension_(dimension), scale_(values), scaled_(values.begin(), values.end()) {
  scale_.apply(scaled_);
  float largest = 0;
  for (const float weight : weights) largest = std::max(largest, weight);
  if (!(largest > 0)) return;
  for (const float weight : weights) weights_.push_back(weight / largest);
  weight_unit_ = static_cast<double>(largest);
}

EntryTotals VectorSet::join_totals(std::span<const std::uint64_t> numbers, std::span<const double> errors) const {
  EntryTotals totals;
  const std::size_t width = core::totals_width(static_cast<std::uint32_t>(dimension_));
  for (std::size_t at = 0; at < numbers.size(); at += width) {
    totals.sizes.push_back(numbers[at]);
    totals.weights.push_back(numbers[at + 1]);
    for (std::size_t k = at + 2; k < at + width; k += 2)
      totals.moments.push_back(core::join_halves(numbers[k], numbers[k + 1]));
  }
  for (const double error : errors) totals.error += error;
  return totals;
}

}  // namespace weft::cluster
