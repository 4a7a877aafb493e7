// Trying a model of a trellis stream: the search on a part of the weights, which writes nothing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backends/cpu/trellis_block.hpp"
#include "trellis/bank.hpp"
#include "trellis/price_book.hpp"
#include "trellis/sample.hpp"

namespace weft::engine {

struct ProbeResult {
  trellis::Histogram histogram;
  // Bits a weight and its squared error over what a bit may cost, which compares coders of unequal error, less what weights
  // of such sizes take in general, which compares unequal samples.
  double cost = 0;
  double bits = 0;  // of a weight
};

class Probe {
 public:
  // values: a tensor in steps; the stream's shape is a number of typical_shapes(). side_bits: of the whole tensor.
  [[nodiscard]] ProbeResult run(std::span<const float> values, const TrellisStream& stream, double side_bits);

 private:
  [[nodiscard]] cpu::SearchTables tables(const TrellisStream& stream, trellis::ClassRange classes);

  struct Tables {
    std::unique_ptr<std::uint32_t[]> prices;  // [row][256], of the classes that are there
    std::array<std::uint32_t, core::kScaleClasses> reach{};
    std::array<bool, core::kScaleClasses> is_there{};
    double lambda = 0;
  };
  std::array<Tables, trellis::PriceBook::kShapes> tables_;
  cpu::TrellisWork work_;
  trellis::Sample sample_;
  std::vector<std::uint32_t> counts_;  // of entries; all zero between runs
};

}  // namespace weft::engine
