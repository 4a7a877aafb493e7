// The last pass of encoding over blocks: headers, planes and checksums to their final place, a tile at a time.
#pragma once

#include "weft/core/crc32c.hpp"
#include "weft/core/encode_jobs.hpp"
#include "weft/core/encode_survey.hpp"

namespace weft::core {

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

// The bytes of plane p, 0 or 1, of 2-byte units. Each is a byte of a unit, shifted by one if that is rotated, with the
// highest bit of the unit's other byte.
struct PlaneOfPairs {
  std::uint32_t mine, other, rotate, ones;
  WEFT_HD PlaneOfPairs(bool rotated, int p)
      : mine(p == 0 ? 0x7531 : 0x6420), other(mine ^ 0x1111), rotate(rotated ? 1 : 0), ones(rotate * 0x01010101u) {}
  // Of two pairs of units.
  WEFT_HD std::uint32_t operator()(std::uint32_t first, std::uint32_t second) const {
    const std::uint32_t bytes = permute_bytes(first, second, mine), others = permute_bytes(first, second, other);
    return (bytes << rotate & ~ones) | (others >> 7 & ones);
  }
};

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
    const PlaneOfPairs bytes_of(units.rotate, p);
    if (is_aligned(out, 8) && is_aligned(first, 16))
      fast = move_pieces<W, 8, 4>(
          n, [&](std::uint32_t i) { return load_global<Words4>(first + 2 * i); },
          [&](std::uint32_t i, const Words4& four) {
            const std::uint32_t low = bytes_of(four.word[0], four.word[1]), high = bytes_of(four.word[2], four.word[3]);
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

// Positions of the units that are exceptions, is_one(position), then these units.
template <KernelWarp W, class Unit, class IsOne>
WEFT_HD void write_exceptions(const BlockUnits<Unit>& units, const EncodeBlockJob& block, std::uint32_t from,
                              std::uint32_t n, std::uint8_t* out, IsOne is_one) {
  const auto put = [&](std::uint32_t at, std::uint64_t value, std::uint32_t bytes) {
    for (std::uint32_t k = 0; k < bytes; k++)
      if (at + k >= from && at + k < from + n) out[at + k - from] = static_cast<std::uint8_t>(value >> (8 * k));
  };
  std::uint32_t done = 0;
  for (std::uint32_t first = 0; first < block.n && done < block.exceptions; first += kLanes) {
    const auto outside = W::each_lane_value(
        [&](std::uint32_t lane) -> std::uint32_t { return first + lane < block.n && is_one(first + lane) ? 1 : 0; });
    const auto mask = W::less(W::splat(0), outside);
    const std::uint32_t bits = W::ballot(mask);
    W::for_each_lane([&](std::uint32_t lane) {
      if ((bits >> lane & 1) == 0) return;
      const std::uint32_t rank = done + count_bits(bits & ((1u << lane) - 1));
      put(4 * rank, first + lane, 4);
      put(4 * block.exceptions + rank * static_cast<std::uint32_t>(sizeof(Unit)), units.raw(first + lane),
          sizeof(Unit));
    });
    done += W::count(mask);
  }
}

// Bytes of a plane, or of what it is made of, that lie one after the other: `each` of them for a byte of the plane.
struct PlaneSource {
  const std::uint8_t* at;
  std::uint32_t each;  // 0: nothing that could be asked for early
};

inline constexpr std::uint32_t kEarlyBytes = 4096;  // of the next tile's sources, which are asked for

// Where a plane's bytes go in the block, and where they come from.
struct PlacedPlane {
  PlaneSource source;
  std::uint32_t first, bytes, descriptor;
  std::uint32_t early;  // how many bytes of the plane the source's first kEarlyBytes are for
  [[nodiscard]] WEFT_HD bool coded() const { return (descriptor & 3) == kModeRans; }
};

// What a warp has near it while it writes a block.
struct WriteScratch {
  alignas(16) std::uint8_t tile[kCrcChunk];
  PlacedPlane planes[kMaxPlanes];
};

// source_of(p) is that of a plane that is not coded.
template <KernelWarp W, class SourceOf>
WEFT_HD void place_planes(const SegmentJob& segment, const EncodeBlockJob& block, WriteScratch& near,
                          SourceOf source_of) {
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane >= segment.plane_count) return;
    const PlaneShape shape = shape_of(segment, block, lane);
    PlacedPlane plane{{nullptr, 0}, 0, shape.bytes, shape.descriptor, 0};
    if (plane.coded())
      plane.source = {reinterpret_cast<const std::uint8_t*>(block.words_end[lane] - block.word_count[lane]), 1};
    else
      plane.source = source_of(lane);
    if (plane.source.each != 0) plane.early = kEarlyBytes / plane.source.each;
    near.planes[lane] = plane;
  });
  W::sync();
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane != 0) return;
    std::uint32_t at = 4 + 4u * segment.plane_count;
    for (std::uint32_t p = 0; p < segment.plane_count; p++) {
      near.planes[p].first = static_cast<std::uint32_t>(round_up(at, block_alignment_of(block.n)));
      at = near.planes[p].first + near.planes[p].bytes;
    }
  });
  W::sync();
}

// Has the source of bytes [from, to) of a plane brought nearer.
template <KernelWarp W>
WEFT_HD void ask_early(const PlacedPlane& plane, std::uint32_t from, std::uint32_t to) {
  constexpr std::uint32_t kLine = 128;
  const std::uint32_t last = to < plane.bytes ? to : plane.bytes;
  if (from >= last) return;
  const std::uint8_t* begin = plane.source.at + std::size_t{from} * plane.source.each;
  const std::uint32_t bytes = (last - from) * plane.source.each;
  W::for_each_lane([&](std::uint32_t lane) {
    WEFT_UNROLL(1)
    for (std::uint32_t i = kLine * lane; i < bytes; i += kLine * kLanes) W::prefetch(begin + i);
  });
}

// Puts bytes [begin, end) of a block into near.tile: the header after kCrcPreset, zeros between the planes, and the
// planes. write_raw(p, from, n, out) does those that are not coded.
template <KernelWarp W, class WriteRaw>
WEFT_HD void fill_tile(std::uint32_t plane_count, WriteScratch& near, std::uint32_t begin, std::uint32_t end,
                       WriteRaw write_raw) {
  std::uint8_t* tile = near.tile;
  std::uint32_t at = 4 + 4 * plane_count;
  if (begin == 0)
    W::for_each_lane([&](std::uint32_t lane) {
      if (lane == 0) store_aligned(tile, kCrcPreset);
      if (lane > 0 && lane <= plane_count) store_aligned(tile + 4 * lane, near.planes[lane - 1].descriptor);
    });
  for (std::uint32_t p = 0; p < plane_count && at < end; p++) {
    const PlacedPlane& plane = near.planes[p];
    const std::uint32_t first = plane.first;
    W::for_each_lane([&](std::uint32_t lane) {
      const std::uint32_t zero = at + lane;
      if (zero < first && zero >= begin && zero < end) tile[zero - begin] = 0;
    });
    at = first + plane.bytes;
    const std::uint32_t low = first > begin ? first : begin, high = at < end ? at : end;
    if (low >= high) continue;
    const std::uint32_t early = plane.early;
    if (early != 0) ask_early<W>(plane, low - first + early, high - first);
    if (plane.coded())
      copy_bytes<W>(tile + (low - begin), plane.source.at + (low - first), high - low);
    else
      write_raw(p, low - first, high - low, tile + (low - begin));
    if (early != 0) ask_early<W>(plane, high - first, high - first + early);
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

// Everything of a block goes through near.tile: there it is put together, and there the checksum reads it.
template <KernelWarp W, class SourceOf, class WriteRaw>
WEFT_HD void write_block(const SegmentJob& segment, const EncodeBlockJob& block, const CrcTables& tables,
                         WriteScratch& near, SourceOf source_of, WriteRaw write_raw) {
  if (segment.size > segment.out_bytes) return;
  std::uint8_t *out = segment.out + block.offset, *tile = near.tile;
  const std::uint32_t plane_count = segment.plane_count, size = block.size;
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane < block.gap) out[-1 - static_cast<std::ptrdiff_t>(lane)] = 0;  // fewer than an alignment
  });
  place_planes<W>(segment, block, near, source_of);
  Crc<W> crc(W::splat(0));
  std::uint32_t begin = 0;
  for (;;) {
    const std::uint32_t left = size - begin, n = left < kCrcChunk ? left : kCrcChunk;
    W::sync();
    fill_tile<W>(plane_count, near, begin, begin + n, write_raw);
    W::sync();
    send_tile<W>(tile, n, out + begin);
    if (n < kCrcChunk) break;
    if (left >= 2 * kCrcChunk)
      crc.fold(tile);
    else
      crc.drain(tile, tables);
    begin += n;
  }
  const std::uint32_t checksum = crc.finish(tile, size - begin, 0, tables);
  W::sync();
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane == 0) store_bytewise(out, checksum);
  });
}

template <KernelWarp W, class Unit>
WEFT_HD void write_lossless(const SegmentJob& segment, const EncodeBlockJob& block, const CrcTables& tables,
                            WriteScratch& near) {
  const BlockUnits<Unit> units(segment, block);
  const bool whole = segment.kind == EncodeKind::kRaw;
  write_block<W>(
      segment, block, tables, near,
      [&](std::uint32_t) {
        return PlaneSource{units.at, whole ? 1 : static_cast<std::uint32_t>(sizeof(Unit))};
      },
      [&](std::uint32_t p, std::uint32_t from, std::uint32_t n, std::uint8_t* out) {
        if (whole)
          copy_bytes<W>(out, units.at + from, n);
        else
          write_plane_of_units<W>(units, from, n, static_cast<int>(p), out);
      });
}

template <KernelWarp W, FloatType kType>
WEFT_HD void write_uniform(const SegmentJob& segment, const EncodeBlockJob& block, const CrcTables& tables,
                           WriteScratch& near) {
  const std::size_t first = std::size_t{block.index} << segment.block_log2;
  write_block<W>(
      segment, block, tables, near,
      [&](std::uint32_t p) {
        return PlaneSource{segment.symbols + first, p == 0 ? 1u : 0u};
      },
      [&](std::uint32_t p, std::uint32_t from, std::uint32_t n, std::uint8_t* out) {
        if (p == 0)
          copy_bytes<W>(out, segment.symbols + first + from, n);
        else if (p == 1)
          write_low_bits<W>(segment.low + first, block.n, segment.uniform.low_bits, from, n, out);
        else {
          const FixedValues<kType> values(segment, block);
          write_exceptions<W>(values.units, block, from, n, out,
                              [&](std::uint32_t i) { return values[i] == kOutOfRange; });
        }
      });
}

}  // namespace weft::core
