// Sums of squares of a tensor's rows: what steps and scales are fitted from.
//
// * Squares are of what values lie from a centre, most often 0; the difference is a float32.
// * A row is added up in parts of fixed size, and a part in 32 lanes that take every 32nd weight; then the lanes are, in
//   their order. So every backend rounds alike, and a run may be cut where a part ends. A square itself is exact.
// * What is not finite counts as zero. F64 goes through float32, as it does where it is quantized.
#pragma once

#include "weft/core/sorted_keys.hpp"

namespace weft::core {

inline constexpr std::uint32_t kRowPart = 4096;

// A run of units as rows; the first row may lack its beginning, the last one its end.
struct RowRun {
  std::uint64_t units = 0, columns = 1;
  std::uint64_t first_column = 0;  // of unit 0, below columns

  // The part with a place, counted from the beginning of the first row.
  [[nodiscard]] WEFT_HD std::uint64_t part_at(std::uint64_t place) const {
    return place / columns * ((columns + kRowPart - 1) / kRowPart) + place % columns / kRowPart;
  }
  [[nodiscard]] WEFT_HD std::uint64_t parts() const {
    return units == 0 ? 0 : part_at(first_column + units - 1) - part_at(first_column) + 1;
  }
  [[nodiscard]] WEFT_HD RowRun from(std::uint64_t begin, std::uint64_t end) const {
    return {end - begin, columns, (first_column + begin) % columns};
  }
  // Where at most `most` units from `begin` on, and at least a part, may be cut off.
  [[nodiscard]] WEFT_HD std::uint64_t cut(std::uint64_t begin, std::uint64_t most) const {
    if (units - begin <= most) return units;
    const std::uint64_t place = first_column + begin + most;
    return begin + most - place % columns % kRowPart;
  }
};

// Units [begin, end) of a run, the first of them in this column.
struct RowPartRange {
  std::uint64_t begin, end, column;
};

// Of the run's part with this number, counted from the one that unit 0 is in.
WEFT_HD RowPartRange range_of_part(const RowRun& run, std::uint64_t part) {
  const std::uint64_t each = (run.columns + kRowPart - 1) / kRowPart;
  const std::uint64_t number = run.first_column / kRowPart + part, row = number / each;
  const std::uint64_t from = number % each * kRowPart, rest = run.columns - from;
  // From the beginning of the first row.
  const std::uint64_t low = row * run.columns + from, high = low + (rest < kRowPart ? rest : kRowPart);
  const std::uint64_t first = low > run.first_column ? low : run.first_column;
  const std::uint64_t all = run.first_column + run.units, last = high < all ? high : all;
  return {first - run.first_column, last - run.first_column, first - row * run.columns};
}

struct RowPart {
  double squares;
  float largest;  // magnitude
  std::uint16_t finite;
  std::uint16_t beyond;  // F64: whether one is finite and not zero, but not so as a float32
};

// Units in device memory, and room for an answer per part.
struct RowJob {
  RowRun run;
  const std::uint8_t* units = nullptr;  // at a multiple of their size
  FloatType type = FloatType::kF32;
  const double* weights = nullptr;  // what the squares of each column are multiplied by; null: nothing
  RowPart* parts = nullptr;
  float centre = 0;
};

WEFT_HD bool is_beyond_float(double value, float narrow) {
  constexpr double kLargest = 1.7976931348623157e308;
  const double size = value < 0 ? -value : value;
  const bool survives = narrow != 0 && is_finite(narrow);
  return size > 0 && size <= kLargest && !survives;
}

// Adds a weight, whose square counts so often, to its lane.
template <FloatType kType>
WEFT_HD void add_square(typename FloatUnit<kType>::Unit unit, const double* weight, float centre, RowPart& lane) {
  float value = float_of_unit<kType>(unit);
  if constexpr (kType == FloatType::kF64) {
    double wide = 0;
    std::memcpy(&wide, &unit, sizeof wide);
    if (is_beyond_float(wide, value)) lane.beyond = 1;
  }
  value -= centre;
  const bool counts = is_finite(value);
  if (!counts) value = 0;
  const float size = value < 0 ? -value : value;
  const double square = static_cast<double>(value) * static_cast<double>(value);
  lane.squares += weight != nullptr ? square * *weight : square;
  lane.largest = size > lane.largest ? size : lane.largest;
  lane.finite = static_cast<std::uint16_t>(lane.finite + (counts ? 1 : 0));
}

// Every 32nd weight of a part, from the lane's on.
template <FloatType kType>
WEFT_HD RowPart part_of_lane(const RowJob& job, std::uint64_t part, std::uint32_t lane) {
  using Unit = typename FloatUnit<kType>::Unit;
  const RowPartRange range = range_of_part(job.run, part);
  const auto count = static_cast<std::uint32_t>(range.end - range.begin);
  const std::uint8_t* units = job.units + range.begin * sizeof(Unit);
  const double* weights = job.weights != nullptr ? job.weights + range.column : nullptr;
  RowPart sum{};
  WEFT_UNROLL(4)
  for (std::uint32_t i = lane; i < count; i += kSquaresLanes)
    add_square<kType>(load_aligned<Unit>(units + i * sizeof(Unit)), weights != nullptr ? weights + i : nullptr,
                      job.centre, sum);
  return sum;
}

WEFT_HD RowPart fold_lanes(const RowPart* lanes) {
  RowPart all{};
  for (std::uint32_t lane = 0; lane < kSquaresLanes; lane++) {
    const RowPart& part = lanes[lane];
    all.squares += part.squares;
    all.largest = part.largest > all.largest ? part.largest : all.largest;
    all.finite = static_cast<std::uint16_t>(all.finite + part.finite);
    all.beyond |= part.beyond;
  }
  return all;
}

}  // namespace weft::core
