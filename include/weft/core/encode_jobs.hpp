// What encoding works on (encode_block.hpp): segments, blocks and planes as a device sees them, and a block's units.
#pragma once

#include "weft/core/byte_planes.hpp"
#include "weft/core/index_choice.hpp"
#include "weft/core/kernel_warp.hpp"
#include "weft/core/nearest_vectors.hpp"
#include "weft/core/plane_tables.hpp"
#include "weft/core/rans_encode.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::core {

inline constexpr std::uint32_t kMaxPlanes = 8;

enum class EncodeKind : std::uint8_t {
  kRaw,
  kLossless,
  kUniform,
  kIndices,    // of one codebook of up to 256 scalars
  kCodebooks,  // indices of any other codebooks
};

// How far values lie inside of levels +-1, +-2 and beyond, and how many there are; signed numbers modulo 2^64.
struct InwardTotals {
  std::uint64_t inward[3], inside[3];
};

struct SegmentJob {
  const std::uint8_t* units;  // aligned to 16
  std::uint8_t* symbols;      // of what is quantized: per unit, or per vector, and of two planes one after the other
  std::uint64_t next_plane;   // from one to the other
  std::uint8_t* low;          // uniform, with low bits: per unit
  PlaneTables* planes;
  std::uint8_t* out;        // the blocks
  std::uint64_t out_bytes;  // room there
  IndexChoice* choices;     // indices of scalars: one for each group of channels, from first_group on
  const VectorBook* books;  // of vectors, likewise
  float* vectors;           // scaled as their books are; per unit, in whole vectors
  std::uint32_t* nearest;   // their entries
  ChannelGroups groups;     // codebooks
  UniformParameters uniform;
  std::uint64_t first_element, unit_count;
  std::int64_t lambda_weight;    // uniform: 0 takes the nearest level
  std::int32_t thresholds[257];  // uniform without low bits
  InwardTotals totals;           // uniform
  std::uint32_t first_block, block_count;
  std::uint32_t first_group, choice_count;
  std::uint8_t block_log2, unit_bytes, plane_count, coded_planes;
  std::uint8_t vector_log2;  // units that one symbol stands for
  EncodeKind kind;
  std::uint8_t rotate, correct;
  std::uint8_t may_pair;      // symbols of plane 0, of indices of both
  std::uint8_t price_rounds;  // uniform and indices: trials whose counts price what is chosen
  std::uint64_t size;         // answer: bytes of all blocks; more than out_bytes: nothing was written
};

struct EncodeBlockJob {
  std::uint32_t segment, index, n;
  std::uint32_t exceptions;              // answer of the survey, as are the next two
  std::uint32_t varying;                 // bit p: plane p is not constant
  std::uint8_t first[kMaxPlanes];        // first symbol of each plane
  std::uint16_t* words_end[kMaxPlanes];  // scratch for the coded planes, aligned to 16; of pairs, records begin here
  std::uint32_t word_count[kMaxPlanes];  // answer of the coding, as are the records
  std::uint32_t record_count;            // of plane 0, where it is coded in pairs
  std::uint32_t second_record_count;     // of plane 1
  std::uint64_t offset;                  // answers of the layout: in the segment's blocks
  std::uint32_t size, gap;               // gap: zeros before it
  std::uint32_t used;                    // bit p: plane p is coded
  std::uint32_t plane_bytes;
};

// Symbols of `units` units.
WEFT_HD std::uint64_t symbols_in(const SegmentJob& segment, std::uint64_t units) {
  return (units + (std::uint64_t{1} << segment.vector_log2) - 1) >> segment.vector_log2;
}
WEFT_HD std::uint32_t symbols_in(const SegmentJob& segment, const EncodeBlockJob& block) {
  return static_cast<std::uint32_t>(symbols_in(segment, std::uint64_t{block.n}));
}
// The number of a block's first symbol, and where those of plane p are kept, of what is quantized.
WEFT_HD std::size_t first_symbol(const SegmentJob& segment, const EncodeBlockJob& block) {
  return std::size_t{block.index} << segment.block_log2 >> segment.vector_log2;
}
WEFT_HD std::uint8_t* kept_symbols(const SegmentJob& segment, const EncodeBlockJob& block, std::uint32_t p) {
  return segment.symbols + p * segment.next_plane + first_symbol(segment, block);
}

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

// What a plane becomes: its descriptor and the bytes it takes.
struct PlaneShape {
  std::uint32_t descriptor, bytes;
};

WEFT_HD constexpr std::uint32_t plane_descriptor(std::uint32_t mode, std::uint32_t lanes_log2, std::uint32_t size) {
  return mode | lanes_log2 << 2 | size << 8;
}
inline constexpr std::uint32_t kModeRaw = 0, kModeConstant = 1, kModeRans = 2;

WEFT_HD PlaneShape shape_of(const SegmentJob& segment, const EncodeBlockJob& block, std::uint32_t p) {
  std::uint32_t raw = symbols_in(segment, block);
  if (segment.kind == EncodeKind::kRaw) {
    raw = block.n * segment.unit_bytes;
  } else if (segment.kind >= EncodeKind::kIndices && p == segment.coded_planes) {
    raw = block.exceptions * (4u + segment.unit_bytes);
  } else if (segment.kind == EncodeKind::kUniform && p > 0) {
    const int low_bits = segment.uniform.low_bits;
    if (p == 1) raw = low_bits == 0 ? 0 : low_bits == 4 ? (block.n + 1) / 2 : block.n;
    if (p == 2) raw = block.exceptions * (4u + segment.unit_bytes);
  } else {
    if ((block.varying >> p & 1) == 0) return {plane_descriptor(kModeConstant, 0, block.first[p]), 0};
    const PlaneTables& plane = segment.planes[p];
    const bool paired = plane.paired != 0;
    const std::uint32_t records = p == 0 ? block.record_count : block.second_record_count;
    const std::uint32_t coded = paired ? bytes_of_pairs(block.word_count[p], records) : 2 * block.word_count[p];
    const bool fits = coded < raw && (!paired || records <= most_records(raw));
    if (plane.has_table != 0 && fits) {
      const int lanes_log2 = lanes_log2_for(paired ? raw / 2 : raw);
      return {plane_descriptor(kModeRans, static_cast<std::uint32_t>(lanes_log2), coded), coded};
    }
  }
  return {plane_descriptor(kModeRaw, 0, raw), raw};
}

WEFT_HD constexpr std::uint32_t block_alignment_of(std::uint32_t units) { return units >= 16384 ? 16 : 2; }
// `a` is a power of two.
WEFT_HD constexpr std::uint64_t round_up(std::uint64_t x, std::uint64_t a) { return (x + a - 1) & ~(a - 1); }

}  // namespace weft::core
