#include "trellis/price_book.hpp"

#include <algorithm>

namespace weft::trellis {

PriceBook::PriceBook()
    : curves_{MassCurve(typical_shapes()[0]), MassCurve(typical_shapes()[1]), MassCurve(typical_shapes()[2]),
              MassCurve(typical_shapes()[3])},
      prices_(std::make_unique_for_overwrite<float[]>(kShapes * kClassEntries * core::kScaleClasses)),
      around_(std::make_unique_for_overwrite<float[]>(row(kShapes, 0, kNearest))) {}

const PriceBook& PriceBook::with(ClassRange classes) {
  static PriceBook book;
  for (int c = classes.lowest; c <= classes.highest; c++)
    std::call_once(book.is_there_[static_cast<std::size_t>(c)], [c] { book.add(c); });
  return book;
}

void PriceBook::add(int scale_class) {
  const auto c = static_cast<std::size_t>(scale_class);
  // Where the class stands among those that others are moved to.
  const std::size_t first = c == 0 ? 0 : c + core::kMaxShift;
  const std::size_t end = c + 1 == core::kScaleClasses ? kRow : c + core::kMaxShift + 1;
  for (std::size_t shape = 0; shape < kShapes; shape++) {
    const int reach = curves_[shape].reach(scale_class);
    reach_[c][shape] = reach;
    for (std::size_t table = 0; table < core::kClassTables; table++) {
      float bits[256];
      curves_[shape].code_lengths(static_cast<int>(c * core::kClassTables + table), reach, kFarBits, bits);
      float* to = prices_.get() + kShapes * (c * kClassEntries + table * 256) + shape;
      for (std::size_t symbol = 0; symbol < 256; symbol++) to[kShapes * symbol] = bits[symbol];
      for (int symbol = kNearest; symbol < kNearest + kNear; symbol++) {
        float* around = around_.get() + row(shape, table, symbol);
        std::fill(around + first, around + end, bits[symbol]);
      }
    }
  }
}

}  // namespace weft::trellis
