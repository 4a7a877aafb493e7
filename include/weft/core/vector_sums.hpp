// What clustering of vectors adds up: totals of each entry's vectors, and distances that new entries are drawn by.
//
// * Totals are integers, so any order gives them; a moment is kept in two halves, because 64 bits alone would run
//   over. The weighted distances are doubles, added in pieces of fixed size and 32 lanes.
// * A vector is drawn with a chance that goes with an integer of its distance and weight; sums of these are kept per
//   piece, and a drawn number is looked up in its piece.
#pragma once

#include "weft/core/sorted_keys.hpp"

namespace weft::core {

inline constexpr double kVectorUnits = 0x1p40,
                        kVectorWeightUnits = 0x1p30;  // of scaled values, and of weights from 0 to 1
// Sums fit 64 bits: a squared distance of vectors of size 2 is below 2^7, with 10 bits of weight, of less than 2^23
// vectors.
inline constexpr double kMostDistance = 0x1p7, kDistanceUnits = 0x1p22, kDrawWeightUnits = 0x1p10;
inline constexpr std::uint64_t kTotalsPiece = 2048, kDrawPiece = 64;

WEFT_HD std::int64_t to_nearest_integer(double x) {
#if defined(__CUDA_ARCH__)
  return __double2ll_rn(x);
#else
  return __builtin_llrint(x);
#endif
}
WEFT_HD double round_up(double x) {
#if defined(__CUDA_ARCH__)
  return ceil(x);
#else
  return __builtin_ceil(x);
#endif
}

struct VectorSums {
  const float* vectors = nullptr;
  const float* weights = nullptr;  // from 0 to 1; null: each is 1
  std::uint64_t n = 0;
  std::uint32_t dimension = 0;
  const std::uint32_t* nearest = nullptr;
  const float* distances = nullptr;

  [[nodiscard]] WEFT_HD float weight(std::uint64_t i) const { return weights != nullptr ? weights[i] : 1.0f; }
};

// Numbers of an entry's totals: size, weight, and two halves of each component's moment.
WEFT_HD constexpr std::uint32_t totals_width(std::uint32_t dimension) { return 2 + 2 * dimension; }

WEFT_HD Int128 join_halves(std::uint64_t low, std::uint64_t high) {
  return (Int128{static_cast<std::int64_t>(high)} << 32) + Int128{low};
}

// Adds every 32nd vector of a piece, from the lane's on, to the totals; returns its weighted distances.
template <class W>
WEFT_HD double add_to_totals(const VectorSums& sums, std::uint64_t piece, std::uint32_t lane, std::uint64_t* totals) {
  const std::uint64_t begin = piece * kTotalsPiece, end = begin + kTotalsPiece < sums.n ? begin + kTotalsPiece : sums.n;
  double error = 0;
  for (std::uint64_t i = begin + lane; i < end; i += kSquaresLanes) {
    const double weight = static_cast<double>(sums.weight(i));
    error += weight * static_cast<double>(sums.distances[i]);
    std::uint64_t* total = totals + std::uint64_t{sums.nearest[i]} * totals_width(sums.dimension);
    const std::int64_t w = sums.weights != nullptr ? to_nearest_integer(weight * kVectorWeightUnits) : 1;
    W::add(total, std::uint64_t{1});
    W::add(total + 1, static_cast<std::uint64_t>(w));
    for (std::uint32_t k = 0; k < sums.dimension; k++) {
      const double value = static_cast<double>(sums.vectors[i * sums.dimension + k]);
      const Int128 moment = Int128{to_nearest_integer(value * kVectorUnits)} * w;
      W::add(total + 2 + 2 * k, static_cast<std::uint64_t>(moment & 0xffffffff));
      W::add(total + 3 + 2 * k, static_cast<std::uint64_t>(moment >> 32));
    }
  }
  return error;
}

// The chance of a vector to be drawn.
WEFT_HD std::uint64_t draw_units(const VectorSums& sums, std::uint64_t i) {
  const double distance = static_cast<double>(sums.distances[i]);
  const double bounded = distance < kMostDistance ? distance : kMostDistance;
  const double weight = sums.weights != nullptr ? round_up(static_cast<double>(sums.weights[i]) * kDrawWeightUnits) : 1;
  return static_cast<std::uint64_t>(round_up(bounded * kDistanceUnits)) * static_cast<std::uint64_t>(weight);
}

WEFT_HD std::uint64_t draw_units_of_piece(const VectorSums& sums, std::uint64_t piece) {
  const std::uint64_t begin = piece * kDrawPiece, end = begin + kDrawPiece < sums.n ? begin + kDrawPiece : sums.n;
  std::uint64_t units = 0;
  for (std::uint64_t i = begin; i < end; i++) units += draw_units(sums, i);
  return units;
}

// A number below the units of a piece.
struct DrawnPoint {
  std::uint64_t piece = 0, within = 0;
};

// The vector whose units hold the point.
WEFT_HD std::uint64_t find_drawn(const VectorSums& sums, const DrawnPoint& point) {
  std::uint64_t i = point.piece * kDrawPiece, units = draw_units(sums, i), upto = units;
  while (upto <= point.within && i + 1 < sums.n) {
    units = draw_units(sums, ++i);
    upto += units;
  }
  return i;
}

}  // namespace weft::core
