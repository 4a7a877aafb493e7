#include "trellis/shape.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "weft/core/frequency.hpp"

namespace weft::trellis {
namespace {

// The typical shapes, single triangles at both ends, and drawn ones.
std::vector<Shape> many_shapes() {
  std::vector<Shape> shapes(typical_shapes().begin(), typical_shapes().end());
  for (const std::size_t t : {0u, 15u, 31u}) {
    Shape single{};
    single[t] = kShapeScale;
    shapes.push_back(single);
  }
  std::mt19937 random(1);
  for (int i = 0; i < 3; i++) {
    Shape drawn{};
    for (std::uint32_t unit = 0; unit < kShapeScale; unit++) drawn[random() % (i == 0 ? 3 : 32)]++;
    shapes.push_back(drawn);
  }
  return shapes;
}

TEST(Shape, TypicalShapesSumToTheirScale) {
  for (const Shape& shape : typical_shapes()) EXPECT_EQ(std::accumulate(shape.begin(), shape.end(), 0u), kShapeScale);
}

TEST(Shape, EveryTableIsOneThatTheCoderTakes) {
  for (const Shape& shape : many_shapes()) {
    const MassCurve curve(shape);
    for (int row = 0; row < kRows; row++) {
      const int reach = curve.reach(row / core::kClassTables);
      ASSERT_GE(reach, 2);
      ASSERT_LE(reach, core::kMaxReach);
      std::uint16_t frequencies[256];
      curve.frequencies(row, reach, frequencies);
      ASSERT_EQ(std::accumulate(frequencies, frequencies + 256, 0u), core::kProbScale) << row;
      for (int s = 0; s < 256; s++)
        ASSERT_EQ(frequencies[s] != 0, std::abs(s - core::kIndexZero) <= reach) << row << " " << s;
    }
  }
}

TEST(Shape, CodeLengthsAreNearlyThoseOfTheTables) {
  for (const Shape& shape : many_shapes()) {
    const MassCurve curve(shape);
    for (int row = 0; row < kRows; row++) {
      const int reach = curve.reach(row / core::kClassTables);
      std::uint16_t frequencies[256];
      float lengths[256];
      curve.frequencies(row, reach, frequencies);
      curve.code_lengths(row, reach, 99, lengths);
      double mean = 0, expected = 0;
      for (int s = 0; s < 256; s++) {
        if (frequencies[s] == 0) {
          ASSERT_EQ(lengths[s], 99) << row << " " << s;
          continue;
        }
        const double share = frequencies[s] / 4096.0;
        mean += share * static_cast<double>(lengths[s]);
        expected -= share * std::log2(share);
      }
      EXPECT_NEAR(mean, expected, 0.01 + 0.005 * expected) << row;
    }
  }
}

// FORMAT.md 3.5 as it is written: every triangle on its own.
TEST(Shape, TablesAreSumsOfTriangles) {
  for (const Shape& shape : many_shapes()) {
    const MassCurve curve(shape);
    for (int row = 0; row < kRows; row += 7) {
      const int scale_class = row / core::kClassTables, reach = curve.reach(scale_class);
      std::uint16_t frequencies[256];
      curve.frequencies(row, reach, frequencies);
      // The masses of cells add up to that between the outermost bounds.
      std::uint64_t sum = 0;
      for (int d = -reach; d <= reach; d++)
        for (int t = 0; t < kTriangles; t++)
          sum +=
              shape[static_cast<std::size_t>(t)] * triangle_mass(t, scale_class, cell_of(row % core::kClassTables, d));
      const Cell first = cell_of(row % core::kClassTables, -reach), last = cell_of(row % core::kClassTables, reach);
      const auto within = [&](int q) { return q < 0 ? -curve.within(scale_class, -q) : curve.within(scale_class, q); };
      const auto expected = static_cast<double>(within(last.high) - within(first.low)) / 2;
      // Each mass loses half a unit to rounding, at most.
      EXPECT_NEAR(static_cast<double>(sum), expected, 4096.0 * (2 * reach + 1)) << row;
    }
  }
}

TEST(Shape, CellsLieSideBySide) {
  for (int table = 0; table < core::kClassTables; table++)
    for (int d = -96; d < 96; d++) {
      EXPECT_EQ(cell_of(table, d).high, cell_of(table, d + 1).low) << table << " " << d;
      EXPECT_LT(cell_of(table, d).low, cell_of(table, d).high);
    }
}

TEST(Shape, MassGrowsToTheWhole) {
  for (const Shape& shape : many_shapes()) {
    const MassCurve curve(shape);
    for (int c = 0; c < core::kScaleClasses; c++) {
      std::int64_t before = 0;
      for (int q = 0; q < 2000; q++) {
        const std::int64_t here = curve.within(c, q);
        ASSERT_GE(here, before) << c << " " << q;
        before = here;
        if (c + 3 < core::kScaleClasses) {
          ASSERT_EQ(curve.within(c + 3, 2 * q), here) << "three classes are an octave";
        }
      }
      EXPECT_LE(before, std::int64_t{1} << 36);
      if (shape == typical_shapes()[3]) {
        EXPECT_EQ(curve.within(c, 100000), std::int64_t{1} << 36);
      }
    }
  }
}

TEST(Shape, TheLastTypicalOneIsGaussian) {
  const MassCurve curve(typical_shapes()[3]);
  for (const int c : {6, 12, 17, 24}) {
    const double deviation = 4 * std::exp2(c / 3.0) / 16;  // in quarter steps
    for (int q = 1; q < 6 * deviation; q++)
      EXPECT_NEAR(static_cast<double>(curve.within(c, q)) / std::exp2(36), std::erf(q / deviation / std::sqrt(2.0)),
                  0.01)
          << c << " " << q;
  }
}

}  // namespace
}  // namespace weft::trellis
