// The bank: the few shapes that serve all trellis streams of an archive, fitted to the symbols of samples.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "trellis/shape.hpp"

namespace weft::trellis {

// How often each symbol was coded with each table: counts[row * 256 + symbol], only where it was.
struct Histogram {
  struct Entry {
    std::uint32_t entry = 0, count = 0;
  };
  std::vector<Entry> entries;  // ascending
  double weight = 1;           // a sample counts for the whole
};

// Maximum likelihood (expectation maximisation) from `begin` on.
[[nodiscard]] Shape fit_shape(std::span<const Histogram* const> histograms, const Shape& begin);

struct Bank {
  std::vector<Shape> shapes;
  std::vector<std::uint32_t> choice;  // per histogram
};

// Starts from the typical shapes, refits and reassigns, and drops shapes that do not pay for their bytes.
[[nodiscard]] Bank fit_bank(std::span<const Histogram> histograms);

}  // namespace weft::trellis
