// The first passes of encoding over blocks: the window of pairs from a sample, and counting symbols or pairs, of quantized
// weights after quantizing them.
//
// * A device is fast here when it loads 16 bytes a lane, well ahead, and when lanes that count the same symbol do not wait for
//   each other: so every few lanes have counters of their own.
#pragma once

#include "weft/core/encode_jobs.hpp"
#include "weft/core/level_choice.hpp"

namespace weft::core {

// Counters of symbols in memory that a few warps share. Each lane, or every few, has a copy of its own, in a memory bank
// of its own: so equal symbols do not wait for each other, nor do those that fall into one bank.
//
// Behind them are counters of the symbols outside of the window of pairs, which are few: one each.
template <int kPlanes>
struct SymbolCounters {
  static constexpr std::uint32_t kCopies = kPlanes <= 2 ? kLanes : 64 / kPlanes;
  static constexpr std::uint32_t kCounts = kPlanes * kTableSymbols, kOutside = kCounts * kCopies;
  static constexpr std::uint32_t kWords = kOutside + kTableSymbols;
  std::uint32_t* words;
  template <KernelWarp W>
  WEFT_HD void count(int plane, std::uint32_t symbol, std::uint32_t lane) const {
    W::add(words + (static_cast<std::uint32_t>(plane * kTableSymbols) + symbol) * kCopies + lane % kCopies, 1u);
  }
  // The symbol that is byte k of some.
  template <KernelWarp W>
  WEFT_HD void count_byte(int plane, std::uint32_t bytes, std::uint32_t k, std::uint32_t lane) const {
    static_assert(4 * kCopies < 256);  // a byte, so that the symbol's place and the copy's are one sum of products
    const std::uint32_t at = dot_all_unsigned(bytes, 4 * kCopies << (8 * k), 4 * (lane % kCopies));
    auto* counter = reinterpret_cast<std::uint32_t*>(reinterpret_cast<std::uint8_t*>(words) + at);
    W::add(counter + static_cast<std::uint32_t>(plane * kTableSymbols) * kCopies, 1u);
  }
  // Two symbols of plane 0.
  template <KernelWarp W>
  WEFT_HD void count_pair(const PairWindow& window, std::uint32_t first, std::uint32_t second,
                          std::uint32_t lane) const {
    count<W>(0, window.pair(first, second), lane);
    if (window.has(first) && window.has(second)) return;
    if (!window.has(first)) W::add(words + kOutside + first, 1u);
    if (!window.has(second)) W::add(words + kOutside + second, 1u);
  }
  // Adds all that was counted to a segment's planes: thread `thread` of `threads` its share.
  template <class Warp>
  WEFT_HD void add_to(PlaneTables* planes, std::uint32_t thread, std::uint32_t threads) const {
    for (std::uint32_t i = thread; i < kCounts; i += threads)
      if (const std::uint32_t all = sum(i); all != 0)
        Warp::add(&planes[i / kTableSymbols].counted.pairs[i % kTableSymbols], std::uint64_t{all});
    for (std::uint32_t i = thread; i < kTableSymbols; i += threads)
      if (const std::uint32_t all = words[kOutside + i]; all != 0) Warp::add(&planes[0].counted.outside[i], all);
  }

 private:
  // Counter i, which is symbol i % 256 of plane i / 256. Lanes that ask for neighbours begin with different copies.
  WEFT_HD std::uint32_t sum(std::uint32_t i) const {
    std::uint32_t all = 0;
    for (std::uint32_t copy = 0; copy < kCopies; copy++) all += words[i * kCopies + (copy + i) % kCopies];
    return all;
  }
};

// Units that a lane loads at once: 16 bytes.
template <class Unit>
struct UnitVector {
  static constexpr std::uint32_t kUnits = 16 / sizeof(Unit), kEach = sizeof(Unit) < 4 ? 4 / sizeof(Unit) : 1;
  Words4 words;
  WEFT_HD Unit operator[](std::uint32_t k) const {
    if constexpr (sizeof(Unit) == 8) {
      return std::uint64_t{words.word[2 * k + 1]} << 32 | words.word[2 * k];
    } else {
      return static_cast<Unit>(words.word[k / kEach] >> (8 * sizeof(Unit) * (k % kEach)));
    }
  }
  // Once for each unit, from zeros.
  WEFT_HD void set(std::uint32_t k, Unit unit) {
    if constexpr (sizeof(Unit) == 8) {
      words.word[2 * k] = static_cast<std::uint32_t>(unit);
      words.word[2 * k + 1] = static_cast<std::uint32_t>(unit >> 32);
    } else {
      words.word[k / kEach] |= std::uint32_t{unit} << (8 * sizeof(Unit) * (k % kEach));
    }
  }
};

// Calls take(vector, i, count) in a lane for its share of units 0 .. n - 1: `count` of them from i on, most often all
// that a vector has. The next one or two vectors are loaded before; of a small `take` there may be two copies, whose
// registers then need not be moved.
template <bool kTwice = false, class Unit, class Take>
WEFT_HD void for_each_vector(const BlockUnits<Unit>& units, std::uint32_t n, std::uint32_t lane, Take take) {
  using Vector = UnitVector<Unit>;
  constexpr std::uint32_t kStride = kLanes * Vector::kUnits;
  const std::uint32_t first = lane * Vector::kUnits;
  const auto load = [&](std::uint32_t i) {
    return Vector{load_global<Words4>(units.at + std::size_t{i} * sizeof(Unit))};
  };
  std::uint32_t i = first;
  if (first + Vector::kUnits <= n) {
    const std::uint32_t last = first + (n - first - Vector::kUnits) / kStride * kStride;  // that is whole
    const auto clamp = [&](std::uint32_t at) { return at < last ? at : last; };
    Vector current = load(first), next = load(clamp(first + kStride));
    if constexpr (kTwice) {
      const auto take_and_load = [&](Vector& vector) {
        take(vector, i, Vector::kUnits);
        vector = load(clamp(i + 2 * kStride));
        i += kStride;
      };
      for (;;) {
        take_and_load(current);
        if (i > last) break;
        take_and_load(next);
        if (i > last) break;
      }
    } else {
      for (; i <= last; i += kStride) {
        const Vector after = load(clamp(i + 2 * kStride));
        take(current, i, Vector::kUnits);
        current = next;
        next = after;
      }
    }
  }
  if (i < n) {
    Vector part{};
    WEFT_UNROLL(16)
    for (std::uint32_t k = 0; k < Vector::kUnits; k++)
      if (i + k < n) part.set(k, units.raw(i + k));
    take(part, i, n - i);
  }
}

// A warp's memory for choosing a window.
struct WindowScratch {
  std::uint32_t sampled[kTableSymbols];  // 64 bits near a warp a device adds for one lane after the other
  std::uint64_t counts[kTableSymbols];
  std::uint64_t lanes[kLanes];
};

// Chooses the window of a plane of a segment by a sample; symbol(i) is its symbol number i.
template <KernelWarp W, class Symbol>
WEFT_HD void choose_segment_window(const SegmentJob& segment, std::uint32_t p, WindowTies ties, WindowScratch& scratch,
                                   Symbol symbol) {
  WarpTeam<W> team{scratch.lanes};
  const std::uint64_t symbols = symbols_in(segment, segment.unit_count);
  for_each_symbol(team, [&](int s) { scratch.sampled[s] = 0; });
  W::for_each_lane([&](std::uint32_t lane) {
    constexpr std::uint32_t kTogether = 16;  // symbols that do not wait for each other
    static_assert(kWindowRuns * kWindowRun % (kTogether * kLanes) == 0);
    for (std::uint32_t first = lane; first < kWindowRuns * kWindowRun; first += kTogether * kLanes) {
      std::uint32_t some[kTogether];
      WEFT_UNROLL(16)
      for (std::uint32_t k = 0; k < kTogether; k++) {
        const std::uint32_t i = first + k * kLanes;
        some[k] = symbol(sample_begin(symbols, i / kWindowRun) + i % kWindowRun);
      }
      WEFT_UNROLL(16)
      for (std::uint32_t k = 0; k < kTogether; k++) W::add(&scratch.sampled[some[k]], 1u);
    }
  });
  W::sync();
  for_each_symbol(team, [&](int s) { scratch.counts[s] = scratch.sampled[s]; });
  const PairWindow window = choose_window(scratch.counts, ties, team);
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane == 0) segment.planes[p].window = window;
  });
}

template <KernelWarp W, class Unit>
WEFT_HD void choose_window_of_units(const SegmentJob& segment, WindowScratch& scratch) {
  const BlockUnits<Unit> units(segment.units, segment.rotate != 0);
  const std::uint32_t shift = units.shift_of(0);
  choose_segment_window<W>(segment, 0, WindowTies::kLowest, scratch,
                           [&](std::uint64_t i) { return units.byte_at(static_cast<std::uint32_t>(i), shift); });
}

// Counts the symbols of all planes of `count` units, those of plane 0 in pairs if its window is usable. Returns how the
// units, rotated, differ from the first one.
template <KernelWarp W, class Unit>
WEFT_HD Unit survey_vector(const BlockUnits<Unit>& units, const UnitVector<Unit>& vector, std::uint32_t count,
                           Unit first, const PairWindow& window, SymbolCounters<sizeof(Unit)> counters,
                           std::uint32_t lane) {
  const bool paired = sizeof(Unit) > 1 && window.usable != 0;
  Unit differing = 0;
  WEFT_UNROLL(16)
  for (std::uint32_t k = 0; k < UnitVector<Unit>::kUnits; k++) {
    if (k >= count) break;
    const Unit unit = units.rotate ? rotate_sign_down(vector[k]) : vector[k];
    differing = static_cast<Unit>(differing | (unit ^ first));
    if (!paired) counters.template count<W>(0, plane_byte(unit, 0), lane);
    for (int p = 1; p < static_cast<int>(sizeof(Unit)); p++) counters.template count<W>(p, plane_byte(unit, p), lane);
  }
  if constexpr (sizeof(Unit) > 1) {
    if (!paired) return differing;
    const std::uint32_t shift = units.shift_of(0);
    WEFT_UNROLL(16)
    for (std::uint32_t k = 0; k < UnitVector<Unit>::kUnits; k += 2) {
      if (k >= count) break;  // which is even
      counters.template count_pair<W>(window, units.byte(vector[k], shift), units.byte(vector[k + 1], shift), lane);
    }
  }
  return differing;
}

// The same of a whole vector of 2-byte units, two at once, if pairs are counted.
template <KernelWarp W>
WEFT_HD std::uint16_t survey_two_by_two(const BlockUnits<std::uint16_t>& units, const UnitVector<std::uint16_t>& vector,
                                        std::uint16_t first, const PairWindow& window, SymbolCounters<2> counters,
                                        std::uint32_t lane) {
  const std::uint32_t rotate = units.rotate ? 1 : 0, signs = rotate * 0x00010001u;
  const std::uint32_t firsts = first * 0x00010001u, bases = window.base * 0x00010001u;
  std::uint32_t differing = 0, outside = 0, symbols[4], pairs[4];
  for (std::uint32_t k = 0; k < 4; k++) {
    const std::uint32_t two = vector.words.word[k], rotated = (two << rotate & ~signs) | (two >> 15 & signs);
    differing |= rotated ^ firsts;
    counters.template count_byte<W>(1, rotated, 0, lane);
    counters.template count_byte<W>(1, rotated, 2, lane);
    symbols[k] = rotated >> 8 & 0x00FF00FFu;
    const std::uint32_t places = symbols[k] - bases;  // a first one before the window spoils the second, too
    outside |= places & ~((kPairSide - 1) * 0x00010001u);
    pairs[k] = places + (places >> 12);
  }
  if (outside == 0) {
    for (std::uint32_t k = 0; k < 4; k++) counters.template count_byte<W>(0, pairs[k], 0, lane);
  } else {
    WEFT_UNROLL(4)
    for (std::uint32_t k = 0; k < 4; k++)
      counters.template count_pair<W>(window, symbols[k] & 255, symbols[k] >> 16, lane);
  }
  return static_cast<std::uint16_t>(differing | differing >> 16);
}

// Counts the symbols of all planes.
template <KernelWarp W, class Unit>
WEFT_HD void survey_units(const SegmentJob& segment, EncodeBlockJob& block, SymbolCounters<sizeof(Unit)> counters) {
  const BlockUnits<Unit> units(segment, block);
  const Unit first = units[0];
  const PairWindow window = segment.planes[0].window;
  const auto varying = W::each_lane_value([&](std::uint32_t lane) {
    Unit differing = 0;
    const auto take = [&](const UnitVector<Unit>& vector, std::uint32_t, std::uint32_t count) {
      differing = static_cast<Unit>(differing | survey_vector<W>(units, vector, count, first, window, counters, lane));
    };
    if constexpr (sizeof(Unit) == 2) {
      if (window.usable != 0)
        for_each_vector<true>(
            units, block.n, lane, [&](const UnitVector<Unit>& vector, std::uint32_t i, std::uint32_t count) {
              if (count < UnitVector<Unit>::kUnits) return take(vector, i, count);
              differing =
                  static_cast<Unit>(differing | survey_two_by_two<W>(units, vector, first, window, counters, lane));
            });
      else
        for_each_vector(units, block.n, lane, take);
    } else {
      for_each_vector(units, block.n, lane, take);
    }
    std::uint32_t planes = 0;
    for (int p = 0; p < static_cast<int>(sizeof(Unit)); p++) planes |= plane_byte(differing, p) != 0 ? 1u << p : 0u;
    return planes;
  });
  const std::uint32_t planes = W::or_lanes(varying);
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane != 0) return;
    block.varying = planes;
    for (int p = 0; p < static_cast<int>(sizeof(Unit)); p++) block.first[p] = plane_byte(first, p);
  });
}

// Fixed-point values of a block's units.
template <FloatType kType>
struct FixedValues {
  BlockUnits<typename FloatUnit<kType>::Unit> units;
  const UniformParameters& uniform;
  ChannelPosition position;
  float limit, inverse;

  WEFT_HD FixedValues(const SegmentJob& segment, const EncodeBlockJob& block)
      : units(segment, block),
        uniform(segment.uniform),
        position(uniform, segment.first_element + (std::uint64_t{block.index} << segment.block_log2)),
        limit(fixed_limit(uniform.low_bits)),
        inverse(inverse_step(uniform.fine_step)) {}
  template <bool kOneStep>
  WEFT_HD std::int32_t of(typename FloatUnit<kType>::Unit unit, std::uint32_t i) const {
    const float mine =
        kOneStep || uniform.scale_codes == nullptr ? inverse : inverse_step(position.step_at(uniform, i));
    return to_fixed(float_of_unit<kType>(unit), mine, limit);
  }
  WEFT_HD std::int32_t operator[](std::uint32_t i) const { return of<false>(units.raw(i), i); }
};

// How far the values of a few units, 31 at most, lie inside of levels of size 1, 2 and 3 or more, and how many there
// are: sums in the lower half, for none is farther than a cell from its level, and counts above. Those of larger levels
// count for smaller ones, too: so a condition is a comparison.
struct InwardOfFew {
  static constexpr int kCountAt = 16;
  static_assert(31 << kFixedBits < 1 << (kCountAt - 1));
  std::int32_t packed[3] = {};
  WEFT_HD void add(std::int32_t fixed, std::int32_t level) {
    const std::int32_t size = level < 0 ? -level : level, above = level * (1 << kFixedBits) - fixed;
    const std::int32_t rest = (1 << kCountAt) + (level < 0 ? -above : above);
    for (int k = 0; k < 3; k++) packed[k] += size > k ? rest : 0;
  }
};

// The same of one lane, in 32 bits each, for a lane has 2^13 values of a block at most.
struct InwardOfLane {
  std::int32_t inward[3] = {};
  std::uint32_t inside[3] = {};
  WEFT_HD void add(const InwardOfFew& few) {
    for (int k = 0; k < 3; k++) {
      const std::int32_t count = (few.packed[k] + (1 << (InwardOfFew::kCountAt - 1))) >> InwardOfFew::kCountAt;
      inward[k] += few.packed[k] - count * (1 << InwardOfFew::kCountAt);
      inside[k] += static_cast<std::uint32_t>(count);
    }
  }
};

// Adds the sums of all lanes of a warp, which fit 32 bits. One lane adds them: 64 bits near a warp a device adds for one
// lane after the other.
template <KernelWarp W>
WEFT_HD void add_inward(const typename W::template PerLane<InwardOfLane>& sums, InwardTotals* totals) {
  std::uint32_t inward[4] = {}, inside[4] = {};  // of all levels of that size and above
  for (int k = 0; k < 3; k++) {
    inward[k] = W::sum_lanes(
        W::each_lane_value([&](std::uint32_t lane) { return static_cast<std::uint32_t>(sums[lane].inward[k]); }));
    inside[k] = W::sum_lanes(W::each_lane_value([&](std::uint32_t lane) { return sums[lane].inside[k]; }));
  }
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane != 0) return;
    for (int k = 0; k < 3; k++) {
      const auto sum = static_cast<std::int32_t>(inward[k] - inward[k + 1]);
      W::add(&totals->inward[k], static_cast<std::uint64_t>(std::int64_t{sum}));
      W::add(&totals->inside[k], std::uint64_t{inside[k] - inside[k + 1]});
    }
  });
}

// The first `count` bytes of `packed`; kBytes at most, a number that `out` is a multiple of.
template <std::uint32_t kBytes>
WEFT_HD void store_packed(std::uint8_t* out, std::uint64_t packed, std::uint32_t count) {
  if (count < kBytes)
    for (std::uint32_t k = 0; k < count; k++) out[k] = static_cast<std::uint8_t>(packed >> (8 * k));
  else if constexpr (kBytes == 8)
    store_aligned(out, packed);
  else if constexpr (kBytes == 4)
    store_aligned(out, static_cast<std::uint32_t>(packed));
  else
    store_aligned(out, static_cast<std::uint16_t>(packed));
}

// Counts the pairs of `count` symbols, an even number of at most kUnits, a byte each.
template <KernelWarp W, std::uint32_t kUnits>
WEFT_HD void count_packed_pairs(const PairWindow& window, std::uint64_t symbols, std::uint32_t count,
                                SymbolCounters<1> counters, std::uint32_t lane) {
  constexpr std::uint32_t kWords = kUnits < 4 ? 1 : kUnits / 4;
  std::uint32_t outside = 0, pairs[kWords];
  for (std::uint32_t k = 0; k < kWords;
       k++) {  // four symbols at once; one before the window spoils those after it, too
    const std::uint32_t bases = window.base * (kUnits < 4 ? 0x0101u : 0x01010101u);
    const std::uint32_t places = static_cast<std::uint32_t>(symbols >> (32 * k)) - bases;
    outside |= places & (kUnits < 4 ? ~0x0F0Fu : ~0x0F0F0F0Fu);
    pairs[k] = places + (places >> 4);
  }
  if (outside == 0 && count == kUnits) {
    for (std::uint32_t k = 0; k < kUnits; k += 2) counters.template count_byte<W>(0, pairs[k / 4], k % 4, lane);
    return;
  }
  WEFT_UNROLL(8)
  for (std::uint32_t k = 0; k < kUnits; k += 2) {
    if (k >= count) break;
    const auto both = static_cast<std::uint32_t>(symbols >> (8 * k));
    counters.template count_pair<W>(window, both & 255, both >> 8 & 255, lane);
  }
}

// The answers of a survey of plane 0, of which each lane found: exceptions << 1 | some symbol is not `first`.
template <KernelWarp W>
WEFT_HD void set_survey(EncodeBlockJob& block, const typename W::U32& found, std::uint32_t first) {
  const std::uint32_t sum = W::sum_lanes(W::shift_right(found, W::splat(1)));
  const std::uint32_t varying = W::or_lanes(found) & 1;
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane != 0) return;
    block.exceptions = sum;
    block.varying = varying;
    block.first[0] = static_cast<std::uint8_t>(first);
  });
}

// Quantizes a block by `thresholds`, a copy of the segment's, or to the nearest level with low bits; counts the symbols;
// keeps symbols and low bits, and adds to the totals, if this is the last time.
//
// kPlain: one step and no low bits.
template <KernelWarp W, FloatType kType, bool kLast, bool kPlain>
WEFT_HD void quantize_block_as(const SegmentJob& segment, EncodeBlockJob& block, const std::int32_t* thresholds,
                               SymbolCounters<1> counters, InwardTotals* totals) {
  using Unit = typename FloatUnit<kType>::Unit;
  using Vector = UnitVector<Unit>;
  const FixedValues<kType> values(segment, block);
  const int low_bits = kPlain ? 0 : segment.uniform.low_bits;
  const std::size_t begin = std::size_t{block.index} << segment.block_log2;
  const PairWindow window = segment.planes[0].window;
  const bool paired = kLast && window.usable != 0;
  const auto code_of = [&](std::int32_t fixed) {
    return low_bits > 0 ? nearest_code(fixed, low_bits) : symbol_by_threshold(fixed, thresholds);
  };
  const std::uint32_t first = code_of(values.template of<kPlain>(values.units.raw(0), 0)) >> low_bits,
                      low_mask = (1u << low_bits) - 1;
  typename W::template PerLane<InwardOfLane> all_sums{};
  const auto found = W::each_lane_value([&](std::uint32_t lane) {
    std::uint32_t outside = 0, differing = 0;
    InwardOfLane sums;
    for_each_vector(values.units, block.n, lane, [&](const Vector& vector, std::uint32_t i, std::uint32_t count) {
      std::uint64_t symbols = 0, low = 0;
      InwardOfFew few;
      WEFT_UNROLL(8)
      for (std::uint32_t k = 0; k < Vector::kUnits; k++) {
        if (k >= count) break;
        const std::int32_t fixed = values.template of<kPlain>(vector[k], i + k);
        const std::uint32_t code = code_of(fixed), symbol = code >> low_bits;
        if (!paired) counters.template count<W>(0, symbol, lane);
        if constexpr (kLast) {
          symbols |= std::uint64_t{symbol} << (8 * k);
          low |= std::uint64_t{code & low_mask} << (8 * k);
          differing |= symbol ^ first;
          // What is out of range has level 0, which no sum takes.
          outside += fixed == kOutOfRange ? 1 : 0;
          few.add(fixed == kOutOfRange ? 0 : fixed, level_of(symbol, code & low_mask, low_bits));
        }
      }
      if constexpr (kLast) {
        sums.add(few);
        if (paired) count_packed_pairs<W, Vector::kUnits>(window, symbols, count, counters, lane);
        store_packed<Vector::kUnits>(segment.symbols + begin + i, symbols, count);
        if (low_bits > 0) store_packed<Vector::kUnits>(segment.low + begin + i, low, count);
      }
    });
    all_sums[lane] = sums;
    return outside << 1 | (differing != 0 ? 1 : 0);
  });
  if constexpr (kLast) {
    add_inward<W>(all_sums, totals);
    set_survey<W>(block, found, first);
  }
}

template <KernelWarp W, FloatType kType>
WEFT_HD void choose_window_of_weights(const SegmentJob& segment, const EncodeBlockJob& first_block,
                                      WindowScratch& scratch) {
  const FixedValues<kType> values(segment, first_block);
  choose_segment_window<W>(segment, 0, WindowTies::kMiddle, scratch, [&](std::uint64_t i) {
    return symbol_by_threshold(values[static_cast<std::uint32_t>(i)], segment.thresholds);
  });
}

template <KernelWarp W, FloatType kType, bool kLast>
WEFT_HD void quantize_block(const SegmentJob& segment, EncodeBlockJob& block, const std::int32_t* thresholds,
                            SymbolCounters<1> counters, InwardTotals* totals) {
  if (segment.uniform.scale_codes == nullptr && segment.uniform.low_bits == 0)
    quantize_block_as<W, kType, kLast, true>(segment, block, thresholds, counters, totals);
  else
    quantize_block_as<W, kType, kLast, false>(segment, block, thresholds, counters, totals);
}

}  // namespace weft::core
