#include "trellis/shape.hpp"

#include <algorithm>
#include <cmath>

#include "weft/core/frequency.hpp"

namespace weft::trellis {
namespace {

// Corners of the triangles in 1/8192 deviations: 0, then 2^(i / 3 - 5 - 1/3).
constexpr std::array<std::int64_t, kTriangles + 2> make_corners() {
  constexpr std::array<std::int64_t, 3> kThirds{1048576, 1321123, 1664511};  // 2^(i / 3) in 1/2^20
  std::array<std::int64_t, kTriangles + 2> corners{};
  for (int i = 0; i <= kTriangles; i++)
    corners[static_cast<std::size_t>(i) + 1] =
        ((kThirds[static_cast<std::size_t>(i % 3)] << (i / 3)) + (1 << 11)) >> 12;
  return corners;
}
constexpr auto kCorners = make_corners();

// Mass of a triangle below x (1/8192 deviations), in 1/2^24.
std::int64_t mass_below(int triangle, std::int64_t x) noexcept {
  const auto t = static_cast<std::size_t>(triangle);
  const std::int64_t peak = kCorners[t], end = kCorners[t + 1];
  const std::int64_t begin = t == 0 ? 0 : kCorners[t - 1];
  if (x <= begin) return 0;
  if (x >= end) return std::int64_t{1} << kMassBits;
  if (x < peak) return ((x - begin) * (x - begin) << kMassBits) / ((peak - begin) * (end - begin));
  return (std::int64_t{1} << kMassBits) - ((end - x) * (end - x) << kMassBits) / ((end - peak) * (end - begin));
}

// |quarter steps| in 1/8192 deviations of a class.
std::int64_t in_deviations(std::int64_t quarters, int scale_class) noexcept {
  // A deviation is 2^(class / 3) / 16 steps, so a quarter step is 4 * 2^(-class / 3) deviations: 2^-1, 2^-2/3, 2^-1/3, 1.
  constexpr std::array<std::int64_t, 3> kInverse{1048576, 832255, 660561};                // 2^(-i / 3) in 1/2^20
  const std::int64_t inverse = kInverse[static_cast<std::size_t>(scale_class % 3)] >> 1;  // below: 2^19 / 2^(octaves)
  return (quarters * inverse) >> (19 - 15 + scale_class / 3);
}

// Mass of a triangle and its mirror image on both sides of zero, below x.
std::int64_t signed_mass(int triangle, int scale_class, std::int64_t quarters) noexcept {
  const std::int64_t mass = mass_below(triangle, in_deviations(quarters < 0 ? -quarters : quarters, scale_class));
  return quarters < 0 ? -mass : mass;
}

}  // namespace

Cell cell_of(int table, int distance) noexcept {
  if (table != core::kOddZeroTable) return {8 * distance - table - 4, 8 * distance - table + 4};
  if (distance == 0) return {-2, 2};
  const int size = distance < 0 ? -distance : distance;
  const int low = size == 1 ? 2 : 8 * size - 8, high = 8 * size;
  return distance < 0 ? Cell{-high, -low} : Cell{low, high};
}

std::uint64_t triangle_mass(int triangle, int scale_class, Cell cell) noexcept {
  const std::int64_t mass =
      signed_mass(triangle, scale_class, cell.high) - signed_mass(triangle, scale_class, cell.low);
  return static_cast<std::uint64_t>(mass) / 2;
}

MassCurve::MassCurve(const Shape& shape) noexcept : shape_(shape) {
  std::int64_t sum = 0;
  for (std::size_t t = 0; t < shape.size(); t++) {
    whole_[t] = sum;
    sum += std::int64_t{shape[t]} << kMassBits;
  }
  total_ = sum;
  for (std::size_t c = 0; c < pieces_.size(); c++) {
    // Triangle c falls here, and the next one rises.
    const auto begin = c == 0 ? 0 : kCorners[c - 1], peak = kCorners[c], end = kCorners[c + 1],
               last = kCorners[c + 2 < kCorners.size() ? c + 2 : c + 1];
    const double scale = static_cast<double>(std::int64_t{1} << kMassBits);
    pieces_[c].base = static_cast<double>(whole_[c]) + scale * shape[c];
    pieces_[c].fall = scale * shape[c] / (static_cast<double>(end - peak) * static_cast<double>(end - begin));
    if (c + 1 < shape.size())
      pieces_[c].rise = scale * shape[c + 1] / (static_cast<double>(end - peak) * static_cast<double>(last - peak));
  }
}

std::int64_t MassCurve::within(int scale_class, int quarters) const noexcept {
  const std::int64_t x = in_deviations(quarters, scale_class);
  // Between corners c and c + 1 triangles c and c + 1 are cut, and those before c lie within.
  const int c = static_cast<int>(std::upper_bound(kCorners.begin(), kCorners.end(), x) - kCorners.begin()) - 1;
  if (c >= kTriangles) return total_;
  std::int64_t mass = whole_[static_cast<std::size_t>(c)];
  for (int t = c; t <= c + 1 && t < kTriangles; t++) mass += shape_[static_cast<std::size_t>(t)] * mass_below(t, x);
  return mass;
}

int MassCurve::reach(int scale_class) const noexcept {
  constexpr std::int64_t kRare = std::int64_t{1} << (kMassBits + 12 - 15);  // what may lie beyond
  int low = 2, high = core::kMaxReach;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (total_ - within(scale_class, 8 * middle + 4) < kRare)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

void MassCurve::frequencies(int row, int reach, std::uint16_t out[256]) const noexcept {
  const int scale_class = row / core::kClassTables, table = row % core::kClassTables;
  const auto signed_within = [&](int quarters) {
    return quarters < 0 ? -within(scale_class, -quarters) : within(scale_class, quarters);
  };
  std::uint64_t counts[256] = {};
  std::int64_t below = signed_within(cell_of(table, -reach).low);
  for (int distance = -reach; distance <= reach; distance++) {  // cells lie side by side
    const std::int64_t here = signed_within(cell_of(table, distance).high);
    counts[core::kIndexZero + distance] = static_cast<std::uint64_t>(here - below) / 2 + 1;
    below = here;
  }
  core::normalise(counts, out);
}

void MassCurve::code_lengths(int row, int reach, float unseen, float out[256]) const noexcept {
  static const std::vector<float> lengths = [] {
    std::vector<float> bits(core::kProbScale);
    for (std::uint32_t f = 1; f < bits.size(); f++) bits[f] = static_cast<float>(core::code_length(f)) / 256;
    return bits;
  }();
  const int scale_class = row / core::kClassTables, table = row % core::kClassTables;
  std::size_t piece = 0;  // where the last one was; the next is not far
  const auto signed_within = [&](int quarters) {
    const std::int64_t x = in_deviations(std::abs(quarters), scale_class);
    while (piece > 0 && x < kCorners[piece]) piece--;
    while (piece < pieces_.size() && x >= kCorners[piece + 1]) piece++;
    double mass = static_cast<double>(total_);
    if (piece < pieces_.size()) {
      const auto from = static_cast<double>(x - kCorners[piece]), to = static_cast<double>(kCorners[piece + 1] - x);
      mass = pieces_[piece].base + pieces_[piece].rise * from * from - pieces_[piece].fall * to * to;
    }
    return quarters < 0 ? -mass : mass;
  };
  constexpr double kHalf = 0.5;  // lround is a call
  const double first = signed_within(cell_of(table, -reach).low), last = signed_within(cell_of(table, reach).high);
  const double scale = core::kProbScale / ((last - first) / 2 + 2 * reach + 1);
  std::array<std::uint32_t, 256> frequencies;
  const auto first_symbol = static_cast<std::size_t>(core::kIndexZero) - static_cast<std::size_t>(reach);
  std::size_t symbol = first_symbol;
  std::uint32_t sum = 0;
  double below = first;
  for (int distance = -reach; distance <= reach; distance++) {
    const double here = signed_within(cell_of(table, distance).high);
    const auto rounded = static_cast<std::int32_t>(((here - below) / 2 + 1) * scale + kHalf);
    const auto frequency = static_cast<std::uint32_t>(std::clamp<std::int32_t>(rounded, 1, core::kProbScale - 1));
    frequencies[symbol++] = frequency;
    sum += frequency;
    below = here;
  }
  // All give alike to bring the sum to 4096.
  const auto given = static_cast<float>(std::log2(static_cast<double>(sum) / core::kProbScale));
  std::fill_n(out, 256, unseen);
  for (std::size_t s = first_symbol; s < symbol; s++) out[s] = lengths[frequencies[s]] + given;
}

const std::array<Shape, 4>& typical_shapes() noexcept {
  static const std::array<Shape, 4> shapes{
      Shape{335, 241, 104, 121, 140, 159, 179, 198, 217, 232, 244, 251, 252, 246, 233, 213,
            187, 157, 125, 95,  67,  45,  27,  15,  8,   4,   1,   0,   0,   0,   0,   0},
      Shape{90,  108, 50,  62,  77, 94, 115, 140, 169, 201, 235, 270, 303, 330, 345, 346,
            325, 284, 225, 158, 96, 48, 19,  5,   1,   0,   0,   0,   0,   0,   0,   0},
      Shape{60,  76,  35,  44,  56, 70, 87, 109, 135, 167, 204, 246, 293, 340, 381, 406,
            406, 368, 291, 189, 94, 32, 6,  1,   0,   0,   0,   0,   0,   0,   0,   0},
      Shape{51,  64,  30,  37,  47, 59, 75, 94, 117, 147, 183, 226, 277, 333, 390, 437,
            458, 430, 340, 204, 80, 16, 1,  0,  0,   0,   0,   0,   0,   0,   0,   0}};
  return shapes;
}

}  // namespace weft::trellis
