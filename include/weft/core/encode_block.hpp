// Encoding of blocks, in passes that a device runs one after the other:
//
//   survey     counts symbols; lossless: straight from the units, uniform: after quantizing them
//   (tables)   per segment: frequencies, coder tables, thresholds, corrections (choose_plane_table and its neighbours)
//   code       rANS of the planes that have a table, into scratch memory
//   (layout)   per segment: which plane takes which mode, sizes, places
//   write      headers, planes and checksums to their final place
//
// Read me first:
// * Every decision is the CPU backend's, so the bytes are. Sums are integers, in any order.
// * Planes are never stored on the way: bytes of a plane are taken from the units when they are needed. Only quantized
//   symbols and low bits are kept, a byte each.
#pragma once

#include "weft/core/byte_planes.hpp"
#include "weft/core/crc32c.hpp"
#include "weft/core/kernel_warp.hpp"
#include "weft/core/level_choice.hpp"
#include "weft/core/table_choice.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::core {

inline constexpr std::uint32_t kMaxPlanes = 8;

enum class EncodeKind : std::uint8_t { kRaw, kLossless, kUniform };

// Per segment and plane, in device memory.
struct PlaneTables {
  std::uint64_t counts[256];
  std::uint16_t frequencies[256];
  EncodeTable encode;
  double keep;              // 1 - min_saving
  std::uint32_t has_table;  // answer
};

// How far values lie inside of levels +-1, +-2 and beyond, and how many there are; signed numbers modulo 2^64.
struct InwardTotals {
  std::uint64_t inward[3], inside[3];
};

struct SegmentJob {
  const std::uint8_t* units;  // aligned to 16
  std::uint8_t* symbols;      // uniform: per unit
  std::uint8_t* low;          // uniform, with low bits: per unit
  PlaneTables* planes;
  std::uint8_t* out;        // the blocks
  std::uint64_t out_bytes;  // room there
  UniformParameters uniform;
  std::uint64_t first_element;
  std::int64_t lambda_weight;    // uniform: 0 takes the nearest level
  std::int32_t thresholds[257];  // uniform without low bits
  InwardTotals totals;           // uniform
  std::uint32_t first_block, block_count;
  std::uint8_t block_log2, unit_bytes, plane_count, coded_planes;
  EncodeKind kind;
  std::uint8_t rotate, correct;
  std::uint64_t size;  // answer: bytes of all blocks; more than out_bytes: nothing was written
};

struct EncodeBlockJob {
  std::uint32_t segment, index, n;
  std::uint32_t exceptions;              // answer of the survey, as are the next two
  std::uint32_t varying;                 // bit p: plane p is not constant
  std::uint8_t first[kMaxPlanes];        // first symbol of each plane
  std::uint16_t* words_end[kMaxPlanes];  // scratch for the coded planes, aligned to 16
  std::uint32_t word_count[kMaxPlanes];  // answer of the coding
  std::uint64_t offset;                  // answers of the layout: in the segment's blocks
  std::uint32_t size, gap;               // gap: zeros before it
  std::uint32_t used;                    // bit p: plane p is coded
  std::uint32_t plane_bytes;
};

// The units of a block, one at a time.
template <class Unit>
struct BlockUnits {
  const std::uint8_t* at;
  bool rotate;

  WEFT_HD BlockUnits(const std::uint8_t* units, bool rotated) : at(units), rotate(rotated) {}
  WEFT_HD BlockUnits(const SegmentJob& segment, const EncodeBlockJob& block)
      : BlockUnits(segment.units + (std::size_t{block.index} << segment.block_log2) * sizeof(Unit),
                   segment.rotate != 0) {}
  WEFT_HD Unit raw(std::uint32_t i) const { return load_aligned<Unit>(at + std::size_t{i} * sizeof(Unit)); }
  WEFT_HD Unit operator[](std::uint32_t i) const { return rotate ? rotate_sign_down(raw(i)) : raw(i); }

  // byte(unit, shift_of(p)) is a unit's symbol in plane p: rotation and shift are one.
  WEFT_HD std::uint32_t shift_of(int p) const {
    constexpr std::uint32_t kBits = 8 * sizeof(Unit);
    const std::uint32_t shift = kBits - 8 * (static_cast<std::uint32_t>(p) + 1);
    return rotate ? (shift + kBits - 1) % kBits : shift;
  }
  WEFT_HD static std::uint32_t byte(Unit unit, std::uint32_t shift) {
    if constexpr (sizeof(Unit) == 1) {
      return unit;
    } else if constexpr (sizeof(Unit) == 2) {
      return (unit * 0x00010001u) >> shift & 255;
    } else {
      constexpr std::uint32_t kMask = 8 * sizeof(Unit) - 1;
      return static_cast<std::uint32_t>(unit >> shift | unit << ((0 - shift) & kMask)) & 255;
    }
  }
  WEFT_HD std::uint32_t byte_at(std::uint32_t i, std::uint32_t shift) const { return byte(raw(i), shift); }
};

// Counters of symbols in memory that a few warps share. Each lane, or every few, has a copy of its own, in a memory bank
// of its own: so equal symbols do not wait for each other, nor do those that fall into one bank.
template <int kPlanes>
struct SymbolCounters {
  static constexpr std::uint32_t kCopies = kPlanes <= 2 ? kLanes : 64 / kPlanes;
  static constexpr std::uint32_t kCounts = kPlanes * kTableSymbols, kWords = kCounts * kCopies;
  std::uint32_t* words;
  template <KernelWarp W>
  WEFT_HD void count(int plane, std::uint32_t symbol, std::uint32_t lane) const {
    W::add(words + (static_cast<std::uint32_t>(plane * kTableSymbols) + symbol) * kCopies + lane % kCopies, 1u);
  }
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
// that a vector has. The next two vectors are loaded before.
template <class Unit, class Take>
WEFT_HD void for_each_vector(const BlockUnits<Unit>& units, std::uint32_t n, std::uint32_t lane, Take take) {
  using Vector = UnitVector<Unit>;
  constexpr std::uint32_t kStride = kLanes * Vector::kUnits;
  const std::uint32_t first = lane * Vector::kUnits;
  const auto load = [&](std::uint32_t i) {
    return Vector{load_aligned<Words4>(units.at + std::size_t{i} * sizeof(Unit))};
  };
  std::uint32_t i = first;
  if (first + Vector::kUnits <= n) {
    const std::uint32_t last = first + (n - first - Vector::kUnits) / kStride * kStride;  // that is whole
    const auto clamp = [&](std::uint32_t at) { return at < last ? at : last; };
    Vector current = load(first), next = load(clamp(first + kStride));
    for (; i <= last; i += kStride) {
      const Vector after = load(clamp(i + 2 * kStride));
      take(current, i, Vector::kUnits);
      current = next;
      next = after;
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

// Counts the symbols of all planes.
template <KernelWarp W, class Unit>
WEFT_HD void survey_units(const SegmentJob& segment, EncodeBlockJob& block, SymbolCounters<sizeof(Unit)> counters) {
  const BlockUnits<Unit> units(segment, block);
  const Unit first = units[0];
  const auto varying = W::each_lane_value([&](std::uint32_t lane) {
    Unit differing = 0;
    for_each_vector(units, block.n, lane, [&](const UnitVector<Unit>& vector, std::uint32_t, std::uint32_t count) {
      WEFT_UNROLL(16)
      for (std::uint32_t k = 0; k < UnitVector<Unit>::kUnits; k++) {
        if (k >= count) break;
        const Unit unit = units.rotate ? rotate_sign_down(vector[k]) : vector[k];
        differing = static_cast<Unit>(differing | (unit ^ first));
        for (int p = 0; p < static_cast<int>(sizeof(Unit)); p++)
          counters.template count<W>(p, plane_byte(unit, p), lane);
      }
    });
    std::uint32_t planes = 0;
    for (int p = 0; p < static_cast<int>(sizeof(Unit)); p++) planes |= plane_byte(differing, p) != 0 ? 1u << p : 0u;
    return planes;
  });
  block.varying = W::or_lanes(varying);
  for (int p = 0; p < static_cast<int>(sizeof(Unit)); p++) block.first[p] = plane_byte(first, p);
}

template <FloatType kType>
WEFT_HD float float_of_unit(typename FloatUnit<kType>::Unit unit) {
  if constexpr (kType == FloatType::kBF16) {
    return float_of_bits(bf16_to_f32(unit));
  } else if constexpr (kType == FloatType::kF16) {
    return float_of_bits(f16_to_f32(unit));
  } else if constexpr (kType == FloatType::kF32) {
    return float_of_bits(unit);
  } else {
    double wide = 0;
    std::memcpy(&wide, &unit, sizeof wide);
    return static_cast<float>(wide);
  }
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

// The same of one lane: this fits 32 bits, for a lane has 2^13 values of a block at most, and none is farther than a cell
// from its level.
struct InwardOfLane {
  std::int32_t inward[3] = {};
  std::uint32_t inside[3] = {};
  WEFT_HD void add(std::int32_t fixed, std::int32_t level) {
    const std::int32_t size = level < 0 ? -level : level;
    const std::int32_t rest = size * (1 << kFixedBits) - (level < 0 ? -fixed : fixed);
    for (int k = 0; k < 3; k++) {  // no index into registers
      const bool mine = k < 2 ? size == k + 1 : size > 2;
      inward[k] += mine ? rest : 0;
      inside[k] += mine ? 1 : 0;
    }
  }
  template <KernelWarp W>
  WEFT_HD void add_to(InwardTotals* totals) const {
    for (int k = 0; k < 3; k++) {
      W::add(&totals->inward[k], static_cast<std::uint64_t>(std::int64_t{inward[k]}));
      W::add(&totals->inside[k], std::uint64_t{inside[k]});
    }
  }
};

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
  const auto code_of = [&](std::int32_t fixed) {
    return low_bits > 0 ? nearest_code(fixed, low_bits) : symbol_by_threshold(fixed, thresholds);
  };
  const std::uint32_t first = code_of(values.template of<kPlain>(values.units.raw(0), 0)) >> low_bits,
                      low_mask = (1u << low_bits) - 1;
  const auto found = W::each_lane_value([&](std::uint32_t lane) {
    std::uint32_t outside = 0, differing = 0;
    InwardOfLane sums;
    for_each_vector(values.units, block.n, lane, [&](const Vector& vector, std::uint32_t i, std::uint32_t count) {
      std::uint64_t symbols = 0, low = 0;
      WEFT_UNROLL(8)
      for (std::uint32_t k = 0; k < Vector::kUnits; k++) {
        if (k >= count) break;
        const std::int32_t fixed = values.template of<kPlain>(vector[k], i + k);
        const std::uint32_t code = code_of(fixed), symbol = code >> low_bits;
        counters.template count<W>(0, symbol, lane);
        if constexpr (kLast) {
          symbols |= std::uint64_t{symbol} << (8 * k);
          low |= std::uint64_t{code & low_mask} << (8 * k);
          differing |= symbol ^ first;
          // What is out of range has level 0, which no sum takes.
          outside += fixed == kOutOfRange ? 1 : 0;
          sums.add(fixed == kOutOfRange ? 0 : fixed, level_of(symbol, code & low_mask, low_bits));
        }
      }
      if constexpr (kLast) {
        store_packed<Vector::kUnits>(segment.symbols + begin + i, symbols, count);
        if (low_bits > 0) store_packed<Vector::kUnits>(segment.low + begin + i, low, count);
      }
    });
    if constexpr (kLast) sums.template add_to<W>(totals);
    return outside << 1 | (differing != 0 ? 1 : 0);
  });
  if constexpr (kLast) {
    std::uint32_t sum = 0;
    for (int bit = 0; bit < 14; bit++)  // a lane counts at most 2^13
      sum += W::count(W::less(W::splat(0), found & W::splat(2u << bit))) << bit;
    block.exceptions = sum;
    block.varying = W::or_lanes(found) & 1;
    block.first[0] = static_cast<std::uint8_t>(first);
  }
}

template <KernelWarp W, FloatType kType, bool kLast>
WEFT_HD void quantize_block(const SegmentJob& segment, EncodeBlockJob& block, const std::int32_t* thresholds,
                            SymbolCounters<1> counters, InwardTotals* totals) {
  if (segment.uniform.scale_codes == nullptr && segment.uniform.low_bits == 0)
    quantize_block_as<W, kType, kLast, true>(segment, block, thresholds, counters, totals);
  else
    quantize_block_as<W, kType, kLast, false>(segment, block, thresholds, counters, totals);
}

// A plane's symbols out of the units.
template <KernelWarp W, class Unit>
struct LoadPlane {
  using U32 = typename W::U32;
  static constexpr std::uint32_t kRounds = kRoundsAhead;
  BlockUnits<Unit> units;
  std::uint32_t shift;
  // Whole units are fetched, if they fit, so that the fetching waits for nothing.
  WEFT_HD U32 fetch(std::uint32_t first, std::uint32_t offset) const {
    return W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
      const BlockUnits<Unit> from{units.at + std::size_t{first + lane} * sizeof(Unit), units.rotate};
      if constexpr (sizeof(Unit) > 4) return from.byte_at(offset, shift);
      return static_cast<std::uint32_t>(from.raw(offset));
    });
  }
  WEFT_HD U32 symbol(const U32& fetched) const {
    if constexpr (sizeof(Unit) == 1 || sizeof(Unit) > 4) {
      return fetched;
    } else if constexpr (sizeof(Unit) == 2) {
      return W::shift_right(fetched * W::splat(0x00010001u), W::splat(shift)) & W::splat(255);
    } else {
      return (W::shift_right(fetched, W::splat(shift)) | W::shift_left(fetched, W::splat(0 - shift))) & W::splat(255);
    }
  }
  WEFT_HD U32 operator()(std::uint32_t first, std::uint32_t size, typename W::Mask) const {
    return W::each_lane_value(
        [&](std::uint32_t lane) -> std::uint32_t { return lane < size ? units.byte_at(first + lane, shift) : 0; });
  }
};

// Words that are gathered in memory near the warp, its own, and sent on in pieces of 16 bytes a lane.
inline constexpr std::uint32_t kStageBytes = 2 * 16 * kLanes;

template <KernelWarp W>
struct StagedWords {
  static constexpr std::uint32_t kPiece = kStageBytes / 2;
  static_assert(2 * kRoundsAhead * kLanes <= kPiece);
  std::uint8_t* stage;                             // aligned to 16, as is `end`
  std::uint8_t* end;                               // of what has not been sent yet
  std::uint32_t free = kStageBytes / 2, sent = 0;  // words

  WEFT_HD StagedWords(std::uint8_t* near, std::uint16_t* words_end)
      : stage(near), end(reinterpret_cast<std::uint8_t*>(words_end)) {}
  template <Warp>
  WEFT_HD void put(typename W::U32 x, typename W::Mask full) {
    free -= W::compress_store(reinterpret_cast<std::uint16_t*>(stage) + free, x, full);
  }
  WEFT_HD void make_room() {
    if (free > kPiece / 2) return;
    W::sync();
    end -= kPiece;
    W::for_each_lane([&](std::uint32_t lane) {
      const auto high = load_aligned<Words4>(stage + kPiece + 16 * lane), low = load_aligned<Words4>(stage + 16 * lane);
      store_aligned(end + 16 * lane, high);
      store_aligned(stage + kPiece + 16 * lane, low);
    });
    W::sync();
    free += kPiece / 2;
    sent += kPiece / 2;
  }
  WEFT_HD std::uint32_t finish() {
    W::sync();
    const std::uint32_t count = kStageBytes / 2 - free;
    W::for_each_lane([&](std::uint32_t lane) {
      for (std::uint32_t i = 2 * lane; i < 2 * count; i += 2 * kLanes)
        store_aligned(end - 2 - i, load_aligned<std::uint16_t>(stage + kStageBytes - 2 - i));
    });
    W::sync();
    return sent + count;
  }
};

// Codes plane p of a block, of which uniform ones have the symbols in bytes; `table` is a copy of the plane's.
template <KernelWarp W, class Unit>
WEFT_HD void code_plane(const SegmentJob& segment, EncodeBlockJob& block, int p, const EncodeTable& table,
                        std::uint8_t* stage) {
  if ((block.varying >> p & 1) == 0) return;
  BlockUnits<Unit> units(segment, block);
  if (segment.kind == EncodeKind::kUniform)
    units = {segment.symbols + (std::size_t{block.index} << segment.block_log2), false};
  const std::uint32_t count =
      rans_encode_from<W>(LoadPlane<W, Unit>{units, units.shift_of(p)}, block.n, lanes_log2_for(block.n), table,
                          StagedWords<W>(stage, block.words_end[p]));
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane == 0) block.word_count[p] = count;
  });
}

// What a plane becomes: its descriptor and the bytes it takes.
struct PlaneShape {
  std::uint32_t descriptor, bytes;
};

WEFT_HD constexpr std::uint32_t plane_descriptor(std::uint32_t mode, std::uint32_t lanes_log2, std::uint32_t size) {
  return mode | lanes_log2 << 2 | size << 8;
}
inline constexpr std::uint32_t kModeRaw = 0, kModeConstant = 1, kModeRans = 2;

WEFT_HD PlaneShape shape_of(const SegmentJob& segment, const EncodeBlockJob& block, std::uint32_t p) {
  std::uint32_t raw = block.n;
  if (segment.kind == EncodeKind::kRaw) {
    raw = block.n * segment.unit_bytes;
  } else if (segment.kind == EncodeKind::kUniform && p > 0) {
    const int low_bits = segment.uniform.low_bits;
    if (p == 1) raw = low_bits == 0 ? 0 : low_bits == 4 ? (block.n + 1) / 2 : block.n;
    if (p == 2) raw = block.exceptions * (4u + segment.unit_bytes);
  } else {
    if ((block.varying >> p & 1) == 0) return {plane_descriptor(kModeConstant, 0, block.first[p]), 0};
    if (segment.planes[p].has_table != 0 && 2 * block.word_count[p] < block.n)
      return {plane_descriptor(kModeRans, static_cast<std::uint32_t>(lanes_log2_for(block.n)), 2 * block.word_count[p]),
              2 * block.word_count[p]};
  }
  return {plane_descriptor(kModeRaw, 0, raw), raw};
}

WEFT_HD constexpr std::uint32_t block_alignment_of(std::uint32_t units) { return units >= 16384 ? 16 : 2; }
// `a` is a power of two.
WEFT_HD constexpr std::uint64_t round_up(std::uint64_t x, std::uint64_t a) { return (x + a - 1) & ~(a - 1); }

// Sizes and places of a segment's blocks: the lanes size one each, then one of them adds up.
template <class Team>
WEFT_HD void lay_out_segment(SegmentJob& segment, EncodeBlockJob* blocks, Team& team) {
  team.for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t b = lane; b < segment.block_count; b += Team::kLanes) {
      EncodeBlockJob& block = blocks[segment.first_block + b];
      const std::uint32_t alignment = block_alignment_of(block.n);
      std::uint32_t size = 4 + 4u * segment.plane_count, used = 0, plane_bytes = 0;
      for (std::uint32_t p = 0; p < segment.plane_count; p++) {
        const PlaneShape shape = shape_of(segment, block, p);
        if ((shape.descriptor & 3) == kModeRans) used |= 1u << p;
        size = static_cast<std::uint32_t>(round_up(size, alignment)) + shape.bytes;
        plane_bytes += shape.bytes;
      }
      block.used = used;
      block.plane_bytes = plane_bytes;
      block.size = size;
    }
  });
  team.sync();
  std::uint64_t end = 0;
  for (std::uint32_t first = 0; first < segment.block_count; first += Team::kLanes) {
    const std::uint32_t left = segment.block_count - first, here = left < Team::kLanes ? left : Team::kLanes;
    EncodeBlockJob* some = blocks + segment.first_block + first;
    team.for_each_lane([&](std::uint32_t lane) {
      if (lane < here) team.scratch[lane] = std::uint64_t{some[lane].size} << 32 | block_alignment_of(some[lane].n);
    });
    team.sync();
    for (std::uint32_t i = 0; i < here; i++) {  // alike in all lanes
      const std::uint64_t begin = round_up(end, team.scratch[i] & 0xFFFFFFFF);
      team.for_each_lane([&](std::uint32_t lane) {
        if (lane != i) return;
        some[i].offset = begin;
        some[i].gap = static_cast<std::uint32_t>(begin - end);
      });
      end = begin + (team.scratch[i] >> 32);
    }
    team.sync();
  }
  team.for_each_lane([&](std::uint32_t lane) {
    if (lane == 0) segment.size = end;
  });
}

// What writes bytes [from, from + n) of a plane writes them to `out`, which is near the warp; both are multiples of 16
// from where fast copies are, except at the end of a plane.

// Moves bytes 0 .. n - 1 in pieces of kBytes a lane, kTogether of them loaded before the first one is stored. Returns how
// many bytes were moved: those of whole pieces.
template <KernelWarp W, std::uint32_t kBytes, std::uint32_t kTogether, class Load, class Store>
WEFT_HD std::uint32_t move_pieces(std::uint32_t n, Load load, Store store) {
  constexpr std::uint32_t kStride = kBytes * kLanes;
  const std::uint32_t whole = n / kBytes * kBytes;
  W::for_each_lane([&](std::uint32_t lane) {
    std::uint32_t i = kBytes * lane;
    for (; i + (kTogether - 1) * kStride < whole; i += kTogether * kStride) {
      decltype(load(i)) pieces[kTogether];
      for (std::uint32_t k = 0; k < kTogether; k++) pieces[k] = load(i + k * kStride);
      for (std::uint32_t k = 0; k < kTogether; k++) store(i + k * kStride, pieces[k]);
    }
    WEFT_UNROLL(1)
    for (; i < whole; i += kStride) store(i, load(i));
  });
  return whole;
}

template <KernelWarp W>
WEFT_HD void copy_bytes(std::uint8_t* out, const std::uint8_t* from, std::uint32_t n) {
  std::uint32_t done = 0;
  if (is_aligned(out, 16) && is_aligned(from, 16)) {
    done = move_pieces<W, 16, 2>(
        n, [&](std::uint32_t i) { return load_aligned<Words4>(from + i); },
        [&](std::uint32_t i, const Words4& four) { store_aligned(out + i, four); });
  } else if (is_aligned(out, 4) && is_aligned(from, 2)) {
    done = move_pieces<W, 4, 8>(
        n,
        [&](std::uint32_t i) {
          return load_aligned<std::uint16_t>(from + i) |
                 static_cast<std::uint32_t>(load_aligned<std::uint16_t>(from + i + 2)) << 16;
        },
        [&](std::uint32_t i, std::uint32_t word) { store_aligned(out + i, word); });
  }
  W::for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t i = done + lane; i < n; i += kLanes) out[i] = from[i];
  });
}

// The bytes of plane p, 0 or 1, of two pairs of 2-byte units.
WEFT_HD std::uint32_t plane_of_pairs(std::uint32_t first, std::uint32_t second, bool rotate, int p) {
  const auto rotated = [&](std::uint32_t pair) {
    return rotate ? (pair << 1 & 0xFFFEFFFEu) | (pair >> 15 & 0x00010001u) : pair;
  };
  return permute_bytes(rotated(first), rotated(second), p == 0 ? 0x7531 : 0x6420);
}

template <KernelWarp W, class Unit>
WEFT_HD void write_plane_of_units(const BlockUnits<Unit>& units, std::uint32_t from, std::uint32_t n, int p,
                                  std::uint8_t* out) {
  const std::uint8_t* first = units.at + std::size_t{from} * sizeof(Unit);
  if constexpr (sizeof(Unit) == 1) {
    copy_bytes<W>(out, first, n);
    return;
  }
  std::uint32_t fast = 0;
  if constexpr (sizeof(Unit) == 2) {
    if (is_aligned(out, 8) && is_aligned(first, 16))
      fast = move_pieces<W, 8, 2>(
          n, [&](std::uint32_t i) { return load_aligned<Words4>(first + 2 * i); },
          [&](std::uint32_t i, const Words4& four) {
            const std::uint32_t low = plane_of_pairs(four.word[0], four.word[1], units.rotate, p),
                                high = plane_of_pairs(four.word[2], four.word[3], units.rotate, p);
            store_aligned(out + i, std::uint64_t{high} << 32 | low);
          });
  } else {
    fast = is_aligned(out, 4) ? n / 4 * 4 : 0;
    const std::uint32_t shift = units.shift_of(p);
    W::for_each_lane([&](std::uint32_t lane) {
      for (std::uint32_t i = 4 * lane; i < fast; i += 4 * kLanes) {
        std::uint32_t four = 0;
        for (std::uint32_t k = 0; k < 4; k++) four |= units.byte_at(from + i + k, shift) << (8 * k);
        store_aligned(out + i, four);
      }
    });
  }
  const std::uint32_t shift = units.shift_of(p);
  W::for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t i = fast + lane; i < n; i += kLanes)
      out[i] = static_cast<std::uint8_t>(units.byte_at(from + i, shift));
  });
}

// Byte i holds the low bits of weights 2i and 2i + 1, if there are four.
template <KernelWarp W>
WEFT_HD void write_low_bits(const std::uint8_t* low, std::uint32_t count, int low_bits, std::uint32_t from,
                            std::uint32_t n, std::uint8_t* out) {
  if (low_bits == 8) return copy_bytes<W>(out, low + from, n);
  W::for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t i = lane; i < n; i += kLanes) {
      const std::uint32_t at = 2 * (from + i);
      out[i] = static_cast<std::uint8_t>(low[at] | (at + 1 < count ? low[at + 1] << 4 : 0));
    }
  });
}

// Positions of the values out of range, then their units.
template <KernelWarp W, FloatType kType>
WEFT_HD void write_exceptions(const SegmentJob& segment, const EncodeBlockJob& block, std::uint32_t from,
                              std::uint32_t n, std::uint8_t* out) {
  using Unit = typename FloatUnit<kType>::Unit;
  const FixedValues<kType> values(segment, block);
  const auto put = [&](std::uint32_t at, std::uint64_t value, std::uint32_t bytes) {
    for (std::uint32_t k = 0; k < bytes; k++)
      if (at + k >= from && at + k < from + n) out[at + k - from] = static_cast<std::uint8_t>(value >> (8 * k));
  };
  std::uint32_t done = 0;
  for (std::uint32_t first = 0; first < block.n && done < block.exceptions; first += kLanes) {
    const auto outside = W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
      return first + lane < block.n && values[first + lane] == kOutOfRange ? 1 : 0;
    });
    const auto mask = W::less(W::splat(0), outside);
    const std::uint32_t bits = W::ballot(mask);
    W::for_each_lane([&](std::uint32_t lane) {
      if ((bits >> lane & 1) == 0) return;
      std::uint32_t rank = done;
      for (std::uint32_t below = bits & ((1u << lane) - 1); below != 0; below &= below - 1) rank++;
      put(4 * rank, first + lane, 4);
      put(4 * block.exceptions + rank * static_cast<std::uint32_t>(sizeof(Unit)), values.units.raw(first + lane),
          sizeof(Unit));
    });
    done += W::count(mask);
  }
}

// Puts bytes [begin, end) of a block into `tile`: the header after kCrcPreset, zeros between the planes, and the planes.
// write_raw(p, from, n, out) does those that are not coded.
template <KernelWarp W, class WriteRaw>
WEFT_HD void fill_tile(const SegmentJob& segment, const EncodeBlockJob& block, std::uint32_t begin, std::uint32_t end,
                       std::uint8_t* tile, WriteRaw write_raw) {
  const std::uint32_t alignment = block_alignment_of(block.n);
  std::uint32_t at = 4 + 4u * segment.plane_count;
  if (begin == 0)
    W::for_each_lane([&](std::uint32_t lane) {
      if (lane == 0) store_aligned(tile, kCrcPreset);
      if (lane > 0 && lane <= segment.plane_count)
        store_aligned(tile + 4 * lane, shape_of(segment, block, lane - 1).descriptor);
    });
  for (std::uint32_t p = 0; p < segment.plane_count && at < end; p++) {
    const PlaneShape shape = shape_of(segment, block, p);
    const auto first = static_cast<std::uint32_t>(round_up(at, alignment));
    W::for_each_lane([&](std::uint32_t lane) {
      const std::uint32_t zero = at + lane;
      if (zero < first && zero >= begin && zero < end) tile[zero - begin] = 0;
    });
    at = first + shape.bytes;
    const std::uint32_t low = first > begin ? first : begin, high = at < end ? at : end;
    if (low >= high) continue;
    if ((shape.descriptor & 3) == kModeRans) {
      const auto* words = reinterpret_cast<const std::uint8_t*>(block.words_end[p] - block.word_count[p]);
      copy_bytes<W>(tile + (low - begin), words + (low - first), high - low);
    } else {
      write_raw(p, low - first, high - low, tile + (low - begin));
    }
  }
}

template <KernelWarp W>
WEFT_HD void send_tile(const std::uint8_t* tile, std::uint32_t n, std::uint8_t* out) {
  if (is_aligned(out, 16)) return copy_bytes<W>(out, tile, n);
  W::for_each_lane([&](std::uint32_t lane) {  // blocks begin at even places
    for (std::uint32_t i = 2 * lane; i < n; i += 2 * kLanes) {
      out[i] = tile[i];
      if (i + 1 < n) out[i + 1] = tile[i + 1];
    }
  });
}

// Everything of a block goes through `tile`, kCrcChunk bytes near the warp and its own, aligned to 16: there it is put
// together, and there the checksum reads it.
template <KernelWarp W, class WriteRaw>
WEFT_HD void write_block(const SegmentJob& segment, const EncodeBlockJob& block, const CrcTables& tables,
                         std::uint8_t* tile, WriteRaw write_raw) {
  if (segment.size > segment.out_bytes) return;
  std::uint8_t* out = segment.out + block.offset;
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane < block.gap) out[-1 - static_cast<std::ptrdiff_t>(lane)] = 0;  // fewer than an alignment
  });
  Crc<W> crc(W::splat(0));
  std::uint32_t begin = 0;
  for (;;) {
    const std::uint32_t left = block.size - begin, n = left < kCrcChunk ? left : kCrcChunk;
    W::sync();
    fill_tile<W>(segment, block, begin, begin + n, tile, write_raw);
    W::sync();
    send_tile<W>(tile, n, out + begin);
    if (n < kCrcChunk) break;
    if (left >= 2 * kCrcChunk)
      crc.fold(tile);
    else
      crc.drain(tile, tables);
    begin += n;
  }
  const std::uint32_t checksum = crc.finish(tile, block.size - begin, 0, tables);
  W::sync();
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane == 0) store_bytewise(out, checksum);
  });
}

template <KernelWarp W, class Unit>
WEFT_HD void write_lossless(const SegmentJob& segment, const EncodeBlockJob& block, const CrcTables& tables,
                            std::uint8_t* tile) {
  const BlockUnits<Unit> units(segment, block);
  write_block<W>(segment, block, tables, tile,
                 [&](std::uint32_t p, std::uint32_t from, std::uint32_t n, std::uint8_t* out) {
                   if (segment.kind == EncodeKind::kRaw)
                     copy_bytes<W>(out, units.at + from, n);
                   else
                     write_plane_of_units<W>(units, from, n, static_cast<int>(p), out);
                 });
}

template <KernelWarp W, FloatType kType>
WEFT_HD void write_uniform(const SegmentJob& segment, const EncodeBlockJob& block, const CrcTables& tables,
                           std::uint8_t* tile) {
  const std::size_t first = std::size_t{block.index} << segment.block_log2;
  write_block<W>(segment, block, tables, tile,
                 [&](std::uint32_t p, std::uint32_t from, std::uint32_t n, std::uint8_t* out) {
                   if (p == 0)
                     copy_bytes<W>(out, segment.symbols + first + from, n);
                   else if (p == 1)
                     write_low_bits<W>(segment.low + first, block.n, segment.uniform.low_bits, from, n, out);
                   else
                     write_exceptions<W, kType>(segment, block, from, n, out);
                 });
}

// Per segment and plane: the table, if it pays.
template <class Team>
WEFT_HD void choose_plane_table(PlaneTables& plane, Team& team) {
  const bool pays = normalise(plane.counts, plane.frequencies, team) >= 2 &&
                    table_pays(plane.counts, plane.frequencies, plane.keep, team);
  team.for_each_lane([&](std::uint32_t lane) {
    if (lane == 0) plane.has_table = pays ? 1 : 0;
  });
  if (pays) build_encode_table(plane.frequencies, plane.encode, team);
}

// Uniform without low bits: the thresholds for what was counted, and the counts are begun anew. Nothing counted yet:
// halfway.
template <class Team>
WEFT_HD void choose_thresholds(SegmentJob& segment, PlaneTables& plane, Team& team) {
  const bool counted = normalise(plane.counts, plane.frequencies, team) > 0;
  team.for_each_lane([&](std::uint32_t lane) {
    for (int symbol = static_cast<int>(lane); symbol <= kTableSymbols; symbol += static_cast<int>(Team::kLanes))
      segment.thresholds[symbol] =
          level_threshold(counted ? plane.frequencies : nullptr, segment.lambda_weight, symbol);
  });
  for_each_symbol(team, [&](int s) { plane.counts[s] = 0; });
}

WEFT_HD void choose_corrections(SegmentJob& segment) {
  for (int k = 0; k < 3 && segment.correct != 0; k++)
    segment.uniform.corrections[k] = correction_of(static_cast<std::int64_t>(segment.totals.inward[k]),
                                                   static_cast<std::int64_t>(segment.totals.inside[k]));
}

// The passes over segments, one warp for each plane.
enum class SegmentPass : std::uint8_t { kThresholds, kRateThresholds, kTables, kLayout };

// A warp's own memory for them: near it, because it is read again and again.
struct SegmentScratch {
  alignas(16) PlaneTables plane;
  std::uint64_t lanes[kLanes];
};

template <KernelWarp W>
WEFT_HD void copy_tables(const PlaneTables& from, PlaneTables& to) {
  static_assert(sizeof(PlaneTables) % sizeof(Words4) == 0);
  W::for_each_lane([&](std::uint32_t lane) {
    for (std::size_t i = lane * sizeof(Words4); i < sizeof(PlaneTables); i += kLanes * sizeof(Words4))
      store_aligned(reinterpret_cast<std::uint8_t*>(&to) + i,
                    load_aligned<Words4>(reinterpret_cast<const std::uint8_t*>(&from) + i));
  });
  W::sync();
}

template <KernelWarp W>
WEFT_HD void encode_segment_pass(SegmentPass pass, SegmentJob& segment, std::uint32_t p, EncodeBlockJob* blocks,
                                 SegmentScratch& scratch) {
  WarpTeam<W> team{scratch.lanes};
  if (pass == SegmentPass::kLayout) {
    if (p == 0) lay_out_segment(segment, blocks, team);
    return;
  }
  if (p >= segment.coded_planes) return;
  const bool by_thresholds = segment.kind == EncodeKind::kUniform && segment.uniform.low_bits == 0;
  if (pass != SegmentPass::kTables &&
      !(by_thresholds && (pass == SegmentPass::kThresholds || segment.lambda_weight != 0)))
    return;
  copy_tables<W>(segment.planes[p], scratch.plane);
  if (pass == SegmentPass::kTables) {
    choose_plane_table(scratch.plane, team);
    W::for_each_lane([&](std::uint32_t lane) {
      if (lane == 0 && segment.kind == EncodeKind::kUniform) choose_corrections(segment);
    });
  } else {
    choose_thresholds(segment, scratch.plane, team);
  }
  W::sync();
  copy_tables<W>(scratch.plane, segment.planes[p]);
}

}  // namespace weft::core
