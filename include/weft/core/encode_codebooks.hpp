// Encoding with codebooks of vectors, of groups of channels, or of over 256 scalars: passes that choose indices and
// keep them in one plane of bytes or two, and others that count these planes.
//
// * Scalars are searched among thresholds as in encode_indices.hpp, but those of each group, in device memory.
// * Vectors are brought to floats first. One codebook for all: its search is that of clustering (nearest_vectors.hpp).
//   One for each group: neighbours may differ in theirs, so every thread searches for one vector alone, in device
//   memory.
#pragma once

#include "weft/core/encode_indices.hpp"

namespace weft::core {

// The groups of a block's units, by their number in the block; counted from the segment's first group on.
class BlockGroups {
 public:
  WEFT_HD BlockGroups(const SegmentJob& segment, const EncodeBlockJob& block)
      : groups_(segment.groups),
        first_(segment.first_group),
        position_(groups_.position(segment.first_element + (std::uint64_t{block.index} << segment.block_log2))) {}
  WEFT_HD std::uint64_t operator[](std::uint32_t i) const { return groups_.group_at(position_, i) - first_; }

 private:
  ChannelGroups groups_;
  std::uint32_t first_;
  ChannelPosition position_;
};

template <KernelWarp W>
WEFT_HD void set_exceptions(EncodeBlockJob& block, const typename W::U32& found) {
  const std::uint32_t sum = W::sum_lanes(found);
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane == 0) block.exceptions = sum;
  });
}

// Scalars: indices of a block by the thresholds of their groups.
template <KernelWarp W, FloatType kType>
WEFT_HD void choose_scalars(const SegmentJob& segment, EncodeBlockJob& block) {
  using Unit = typename FloatUnit<kType>::Unit;
  using Vector = UnitVector<Unit>;
  const BlockGroups groups(segment, block);
  const bool two_bytes = segment.coded_planes > 1;
  std::uint8_t *high = kept_symbols(segment, block, 0), *low = kept_symbols(segment, block, two_bytes ? 1 : 0);
  const auto found = W::each_lane_value([&](std::uint32_t lane) {
    std::uint32_t outside = 0;
    for_each_vector(BlockUnits<Unit>(segment, block), block.n, lane,
                    [&](const Vector& vector, std::uint32_t i, std::uint32_t count) {
                      std::uint64_t highs = 0, lows = 0;
                      WEFT_UNROLL(8)
                      for (std::uint32_t k = 0; k < Vector::kUnits; k++) {
                        if (k >= count) break;
                        const IndexChoice& choice = segment.choices[groups[i + k]];
                        const std::uint32_t index =
                            search_index(float_of_unit<kType>(vector[k]), choice.upper, choice.log2);
                        highs |= std::uint64_t{index >> 8} << (8 * k);
                        lows |= std::uint64_t{index & 255} << (8 * k);
                        outside += is_exception<kType>(vector[k]) ? 1 : 0;
                      }
                      if (two_bytes) store_packed<Vector::kUnits>(high + i, highs, count);
                      store_packed<Vector::kUnits>(low + i, lows, count);
                    });
    return outside;
  });
  set_exceptions<W>(block, found);
}

// Vectors: a block's units as scaled floats. Zeros fill up the last vector.
template <KernelWarp W, FloatType kType>
WEFT_HD void gather_vectors(const SegmentJob& segment, EncodeBlockJob& block) {
  const BlockUnits<typename FloatUnit<kType>::Unit> units(segment, block);
  const BlockGroups groups(segment, block);
  const std::uint32_t log2 = segment.vector_log2, whole = symbols_in(segment, block) << log2;
  float* out = segment.vectors + (first_symbol(segment, block) << log2);
  const auto found = W::each_lane_value([&](std::uint32_t lane) {
    std::uint32_t outside = 0;
    for (std::uint32_t i = lane; i < whole; i += kLanes) {
      const float value = i < block.n ? float_of_unit<kType>(units.raw(i)) : 0.0f;
      out[i] = scaled_component(value, segment.books[groups[i >> log2 << log2]].factor);
      outside += is_finite(value) ? 0 : 1;
    }
    return outside;
  });
  set_exceptions<W>(block, found);
}

template <int kDim>
WEFT_HD void search_groups_of(const SegmentJob& segment, const EncodeBlockJob& block, std::uint32_t thread,
                              std::uint32_t threads) {
  const BlockGroups groups(segment, block);
  const std::size_t first = first_symbol(segment, block);
  const std::uint32_t n = symbols_in(segment, block);
  const NearestAnswers answers{segment.nearest};
  for (std::uint32_t i = thread; i < n; i += threads) {
    const Entries& entries = segment.books[groups[i * kDim]].entries;
    NearestSearch<kDim, true, 1> search;
    search.begin();
    search.set(0, segment.vectors + (first + i) * kDim);
    search.search(entries.values, entries.biases, 0, whole_chunks(entries.count));
    write_answer(search, 0, first + i, entries, answers);
  }
}

WEFT_HD bool searches_groups(const SegmentJob& segment) { return segment.vector_log2 > 0 && segment.groups.group != 0; }

// Vectors with a codebook for each group: the entries of a block's. Thread `thread` of `threads` takes its share.
WEFT_HD void search_groups(const SegmentJob& segment, const EncodeBlockJob& block, std::uint32_t thread,
                           std::uint32_t threads) {
  if (segment.vector_log2 == 1) return search_groups_of<2>(segment, block, thread, threads);
  if (segment.vector_log2 == 2) return search_groups_of<4>(segment, block, thread, threads);
  search_groups_of<8>(segment, block, thread, threads);
}

// Vectors: the planes of a block's indices, of the entries that were found.
template <KernelWarp W>
WEFT_HD void split_nearest(const SegmentJob& segment, const EncodeBlockJob& block) {
  const std::uint32_t* nearest = segment.nearest + first_symbol(segment, block);
  const std::uint32_t n = symbols_in(segment, block);
  for (std::uint32_t p = 0; p < segment.coded_planes; p++) {
    std::uint8_t* out = kept_symbols(segment, block, p);
    const std::uint32_t shift = p + 1 < segment.coded_planes ? 8 : 0;
    W::for_each_lane([&](std::uint32_t lane) {
      for (std::uint32_t i = lane; i < n; i += kLanes) out[i] = static_cast<std::uint8_t>(nearest[i] >> shift);
    });
  }
}

template <KernelWarp W, FloatType kType>
WEFT_HD void choose_of_codebooks(const SegmentJob& segment, EncodeBlockJob& block) {
  if (segment.vector_log2 > 0)
    split_nearest<W>(segment, block);
  else
    choose_scalars<W, kType>(segment, block);
}

template <KernelWarp W>
WEFT_HD void choose_windows_of_codebooks(const SegmentJob& segment, WindowScratch& scratch) {
  for (std::uint32_t p = 0; p < segment.coded_planes; p++)
    choose_segment_window<W>(segment, p, WindowTies::kMiddle, scratch, [&](std::uint64_t i) {
      return std::uint32_t{segment.symbols[p * segment.next_plane + i]};
    });
}

// Counts the symbols or pairs of plane p of a block's indices.
template <KernelWarp W>
WEFT_HD void count_indices(const SegmentJob& segment, EncodeBlockJob& block, std::uint32_t p,
                           SymbolCounters<1> counters) {
  using Vector = UnitVector<std::uint8_t>;
  const BlockUnits<std::uint8_t> symbols(kept_symbols(segment, block, p), false);
  const std::uint32_t first = symbols.raw(0);
  const PairWindow window = segment.planes[p].window;
  const auto found = W::each_lane_value([&](std::uint32_t lane) {
    std::uint32_t differing = 0;
    for_each_vector(symbols, symbols_in(segment, block), lane,
                    [&](const Vector& vector, std::uint32_t, std::uint32_t count) {
                      WEFT_UNROLL(16)
                      for (std::uint32_t k = 0; k < Vector::kUnits; k++) {
                        if (k >= count) break;
                        differing |= std::uint32_t{vector[k]} ^ first;
                        if (window.usable == 0)
                          counters.count<W>(0, vector[k], lane);
                        else if (k % 2 == 0)  // the count is even
                          counters.count_pair<W>(window, vector[k], vector[k + 1], lane);
                      }
                    });
    return differing;
  });
  const std::uint32_t varying = W::or_lanes(found) != 0 ? 1 : 0;
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane != 0) return;
    block.varying = (block.varying & ~(1u << p)) | varying << p;
    block.first[p] = static_cast<std::uint8_t>(first);
  });
}

}  // namespace weft::core
