// Code lengths under the typical shapes, laid out for pricing many weights under all of them at once.
//
// * The tables of a class are worked out when it is first asked for: most streams use some fifteen of the thirty-two.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>

#include "trellis/scales.hpp"
#include "trellis/shape.hpp"

namespace weft::trellis {

class PriceBook {
 public:
  static constexpr std::size_t kShapes = 4;
  static constexpr std::size_t kClassEntries = std::size_t{core::kClassTables} * 256;

  static constexpr float kFarBits = 34;  // of a symbol that a table does not have

  // The only book there is, with these classes in it.
  [[nodiscard]] static const PriceBook& with(ClassRange classes);

  // Bits of a symbol under each shape; `entry` is (class * kClassTables + table) * 256 + symbol.
  [[nodiscard]] const float* of(std::size_t entry) const { return prices_.get() + kShapes * entry; }
  // The largest |symbol - kIndexZero| that a class's tables have.
  [[nodiscard]] int reach(std::size_t shape, std::size_t scale_class) const { return reach_[scale_class][shape]; }
  // Bits of a symbol in each of the kAround classes that this one may be moved to, from kMaxShift below it on: all but the
  // uppermost one, which is hardly ever the best. Symbols that are rare in any class are taken for the last of those that
  // are there.
  static constexpr std::size_t kAround = 2 * core::kMaxShift;
  [[nodiscard]] const float* around(std::size_t shape, std::size_t table, int symbol, std::size_t scale_class) const {
    const int near = symbol < kNearest ? kNearest : symbol < kNearest + kNear ? symbol : kNearest + kNear - 1;
    return around_.get() + row(shape, table, near) + scale_class;
  }

 private:
  static constexpr std::size_t kRow = core::kScaleClasses + kAround;
  static constexpr int kNear = 64, kNearest = core::kIndexZero - kNear / 2;
  static std::size_t row(std::size_t shape, std::size_t table, int symbol) {
    return ((shape * core::kClassTables + table) * kNear + static_cast<std::size_t>(symbol - kNearest)) * kRow;
  }

  PriceBook();
  void add(int scale_class);

  std::array<MassCurve, kShapes> curves_;
  std::array<std::once_flag, core::kScaleClasses> is_there_;
  std::array<std::array<int, kShapes>, core::kScaleClasses> reach_{};
  std::unique_ptr<float[]> prices_;  // [class][table][symbol][shape]
  std::unique_ptr<float[]> around_;  // [shape][table][near symbol][class + kMaxShift, those at the ends repeated]
};

}  // namespace weft::trellis
