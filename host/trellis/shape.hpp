// The shape of a distribution, shared by all scale classes, and the frequency tables that follow from it (FORMAT.md 3.5).
//
// Read me first:
// * A shape is a mixture of triangles on |x| / deviation whose corners lie a third of an octave apart, so the density is
//   piecewise linear and can be as peaked or as heavy-tailed as the weights are. Its weights are small integers.
// * A class stretches the shape by a third of an octave; a table integrates it over the cells of one quantizer. Integers
//   only: an encoder and a decoder build the same tables anywhere.
// * One shape serves a whole network for the price of some thirty bytes, where explicit tables would cost that each.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "weft/archive.hpp"
#include "weft/core/rans_encode.hpp"
#include "weft/core/trellis.hpp"

namespace weft::trellis {

inline constexpr int kTriangles = 32;
inline constexpr std::uint32_t kShapeScale = 4096;  // sum of a shape's weights
inline constexpr int kRows = core::kScaleClasses * core::kClassTables;

static_assert(std::tuple_size_v<Shape> == kTriangles);

// A cell of an index in a table: [low, high] around the mean, in quarter steps. `distance` is symbol - kIndexZero.
struct Cell {
  std::int32_t low, high;
};
[[nodiscard]] Cell cell_of(int table, int distance) noexcept;

// Mass of one triangle, scaled to a class, within a cell; in 1/2^kMassBits.
inline constexpr int kMassBits = 24;
[[nodiscard]] std::uint64_t triangle_mass(int triangle, int scale_class, Cell cell) noexcept;

// A shape, summed up: what lies within a distance of the mean.
class MassCurve {
 public:
  explicit MassCurve(const Shape& shape) noexcept;

  // Mass within this many quarter steps of the mean, for a class; the sum of the weights in 1/2^24.
  [[nodiscard]] std::int64_t within(int scale_class, int quarters) const noexcept;

  // The largest |symbol - kIndexZero| that the class's tables can say: what lies further is stored apart.
  [[nodiscard]] int reach(int scale_class) const noexcept;

  // Frequencies of one table; `row` is class * kClassTables + table.
  void frequencies(int row, int reach, std::uint16_t out[256]) const noexcept;

  // Code lengths in that table, in bits and nearly, but many times faster; `unseen` for symbols beyond its reach.
  void code_lengths(int row, int reach, float unseen, float out[256]) const noexcept;

 private:
  // From corner c to the next one: within(x) = base + rise * (x - corner c)^2 - fall * (corner c + 1 - x)^2.
  struct Piece {
    double base = 0, rise = 0, fall = 0;
  };

  Shape shape_;
  std::array<std::int64_t, kTriangles> whole_{};  // mass of the triangles before this one
  std::int64_t total_ = 0;
  std::array<Piece, kTriangles> pieces_;
};

// Shapes to begin with: generalised Gaussians of shape 0.5, 1 (Laplace), 1.5 and 2 (Gauss).
[[nodiscard]] const std::array<Shape, 4>& typical_shapes() noexcept;

}  // namespace weft::trellis
