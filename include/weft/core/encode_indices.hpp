// Encoding with a codebook of up to 256 scalars: the passes that choose and count indices. Writing what is not coded,
// with any codebooks.
//
// * Values that are not finite are exceptions; they have some index, as on the CPU.
#pragma once

#include "weft/core/encode_survey.hpp"
#include "weft/core/encode_write.hpp"

namespace weft::core {

template <FloatType kType>
WEFT_HD bool is_exception(typename FloatUnit<kType>::Unit unit) {
  return !is_finite(float_of_unit<kType>(unit));
}

// Chooses the indices of a block by `upper`, a copy of the segment's thresholds, and counts them; keeps them if this is the
// last time.
template <KernelWarp W, FloatType kType, bool kLast>
WEFT_HD void choose_block_indices(const SegmentJob& segment, EncodeBlockJob& block, const float* upper,
                                  SymbolCounters<1> counters) {
  using Unit = typename FloatUnit<kType>::Unit;
  using Vector = UnitVector<Unit>;
  const BlockUnits<Unit> units(segment, block);
  const std::size_t begin = std::size_t{block.index} << segment.block_log2;
  const PairWindow window = segment.planes[0].window;
  const bool paired = kLast && window.usable != 0;
  const int log2 = segment.choices[0].log2;
  const auto index_of = [&](Unit unit) { return search_index(float_of_unit<kType>(unit), upper, log2); };
  const std::uint32_t first = index_of(units.raw(0));
  const auto found = W::each_lane_value([&](std::uint32_t lane) {
    std::uint32_t outside = 0, differing = 0;
    for_each_vector(units, block.n, lane, [&](const Vector& vector, std::uint32_t i, std::uint32_t count) {
      std::uint64_t indices = 0;
      WEFT_UNROLL(8)
      for (std::uint32_t k = 0; k < Vector::kUnits; k++) {
        if (k >= count) break;
        const std::uint32_t index = index_of(vector[k]);
        if (!paired) counters.template count<W>(0, index, lane);
        if constexpr (kLast) {
          indices |= std::uint64_t{index} << (8 * k);
          differing |= index ^ first;
          outside += is_exception<kType>(vector[k]) ? 1 : 0;
        }
      }
      if constexpr (kLast) {
        if (paired) count_packed_pairs<W, Vector::kUnits>(window, indices, count, counters, lane);
        store_packed<Vector::kUnits>(segment.symbols + begin + i, indices, count);
      }
    });
    return outside << 1 | (differing != 0 ? 1 : 0);
  });
  if constexpr (kLast) set_survey<W>(block, found, first);
}

template <KernelWarp W, FloatType kType>
WEFT_HD void choose_window_of_indices(const SegmentJob& segment, WindowScratch& scratch) {
  const BlockUnits<typename FloatUnit<kType>::Unit> units(segment.units, false);
  const IndexChoice& choice = segment.choices[0];
  choose_segment_window<W>(segment, 0, WindowTies::kMiddle, scratch, [&](std::uint64_t i) {
    return search_index(float_of_unit<kType>(units.raw(static_cast<std::uint32_t>(i))), choice.upper, choice.log2);
  });
}

template <KernelWarp W, FloatType kType>
WEFT_HD void write_indices(const SegmentJob& segment, const EncodeBlockJob& block, const CrcTables& tables,
                           WriteScratch& near) {
  using Unit = typename FloatUnit<kType>::Unit;
  write_block<W>(
      segment, block, tables, near,
      [&](std::uint32_t p) {
        return p < segment.coded_planes ? PlaneSource{kept_symbols(segment, block, p), 1} : PlaneSource{nullptr, 0};
      },
      [&](std::uint32_t p, std::uint32_t from, std::uint32_t n, std::uint8_t* out) {
        if (p < segment.coded_planes) return copy_bytes<W>(out, kept_symbols(segment, block, p) + from, n);
        const BlockUnits<Unit> units(segment, block);
        write_exceptions<W>(units, block, from, n, out,
                            [&](std::uint32_t i) { return is_exception<kType>(units.raw(i)); });
      });
}

}  // namespace weft::core
