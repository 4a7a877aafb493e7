// The second pass of encoding over blocks: rANS of the planes that have a table.
//
// * Symbols, or pairs of them, are taken from the units some rounds ahead; words are gathered near the warp and go on in pieces of 16 bytes a lane.
#pragma once

#include "weft/core/encode_jobs.hpp"
#include "weft/core/rans_encode.hpp"

namespace weft::core {

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
  WEFT_HD U32 symbol(const U32& fetched, std::uint32_t) const {
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

// Records of symbols that a plane of pairs does not say, from the last one down, at an address that is a multiple of four.
template <KernelWarp W>
struct RecordList {
  std::uint8_t* at;
  std::uint32_t most;  // that have room, and the number of them
  std::uint32_t count = 0;

  // Lane i has the pair of symbols 2 (first + i) and the next one; those in `wrong_first` and `wrong_second` need a record.
  WEFT_HD void add(std::uint32_t first, std::uint32_t wrong_first, std::uint32_t wrong_second,
                   typename W::U32 symbols) {
    W::for_each_lane(
        [&](std::uint32_t lane, std::uint32_t both) {
          const std::uint32_t firsts = wrong_first >> lane, seconds = wrong_second >> lane;
          std::uint32_t place = count + count_bits(firsts >> 1) + count_bits(seconds >> 1);
          const std::uint32_t position = 2 * (first + lane);
          if ((seconds & 1) != 0) put(place++, pack_record(position + 1, both >> 8));
          if ((firsts & 1) != 0) put(place, pack_record(position, both & 255));
        },
        symbols);
    count += count_bits(wrong_first) + count_bits(wrong_second);
  }
  WEFT_HD void finish() {
    W::for_each_lane([&](std::uint32_t lane) {
      if (lane == 0 && count <= most) put_word(count, count);
    });
  }

 private:
  WEFT_HD void put(std::uint32_t place, std::uint32_t record) {
    if (place < most) put_word(place, record);
  }
  WEFT_HD void put_word(std::uint32_t place, std::uint32_t word) {
    store_aligned(at + std::size_t{place} * kRecordBytes, word);
  }
};

// A plane's pairs out of the units, replaced as the plane's table asks for.
template <KernelWarp W, class Unit>
struct LoadPairs {
  using U32 = typename W::U32;
  static constexpr std::uint32_t kRounds = kRoundsAhead;
  BlockUnits<Unit> units;
  std::uint32_t shift;
  PairWindow window;
  const std::uint8_t* replacement;
  RecordList<W>& records;

  // Two units, or of large ones two symbols.
  WEFT_HD U32 fetch(std::uint32_t first, std::uint32_t offset) const {
    return W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t { return fetch_pair(first + lane + offset); });
  }
  WEFT_HD U32 symbol(const U32& fetched, std::uint32_t first) const { return choose(fetched, first, kLanes); }
  WEFT_HD U32 operator()(std::uint32_t first, std::uint32_t size, typename W::Mask) const {
    const U32 fetched = W::each_lane_value(
        [&](std::uint32_t lane) -> std::uint32_t { return lane < size ? fetch_pair(first + lane) : 0; });
    return choose(fetched, first, size);
  }

 private:
  static constexpr std::uint32_t kWrongFirst = 1u << 24, kWrongSecond = 1u << 25;

  WEFT_HD std::uint32_t fetch_pair(std::uint32_t pair) const {
    const std::uint8_t* at = units.at + std::size_t{pair} * (2 * sizeof(Unit));
    if constexpr (sizeof(Unit) == 1) return load_aligned<std::uint16_t>(at);
    if constexpr (sizeof(Unit) == 2) return load_aligned<std::uint32_t>(at);
    return units.byte_at(2 * pair, shift) | units.byte_at(2 * pair + 1, shift) << 8;
  }
  WEFT_HD std::uint32_t symbols_of(std::uint32_t fetched) const {
    if constexpr (sizeof(Unit) == 2)
      return BlockUnits<Unit>::byte(static_cast<Unit>(fetched), shift) |
             BlockUnits<Unit>::byte(static_cast<Unit>(fetched >> 16), shift) << 8;
    return fetched;
  }
  // Pairs of the first `size` lanes, whose records go where they belong.
  WEFT_HD U32 choose(const U32& fetched, std::uint32_t first, std::uint32_t size) const {
    U32 found = fetched, symbols = fetched;
    W::for_each_lane(
        [&](std::uint32_t lane, std::uint32_t& pair, std::uint32_t& both) {
          both = symbols_of(both);
          const std::uint32_t one = both & 255, two = both >> 8;
          const std::uint32_t coded = replacement[window.pair(one, two)];
          const bool wrong_first = first_of_pair(coded, window.base) != one && lane < size;
          const bool wrong_second = second_of_pair(coded, window.base) != two && lane < size;
          pair = coded | (wrong_first ? kWrongFirst : 0) | (wrong_second ? kWrongSecond : 0);
        },
        found, symbols);
    if (W::any(W::less(W::splat(kWrongFirst - 1), found)))
      records.add(first, W::ballot(W::less(W::splat(0), found & W::splat(kWrongFirst))),
                  W::ballot(W::less(W::splat(0), found & W::splat(kWrongSecond))), symbols);
    return found & W::splat(255);
  }
};

// What the code pass keeps near the warps of a plane.
struct NearTables {
  EncodeTable encode;
  std::uint8_t replacement[kTableSymbols];
};

// Codes plane p of a block, of which quantized ones have the symbols in bytes; `near` is a copy of the plane's.
template <KernelWarp W, class Unit>
WEFT_HD void code_plane(const SegmentJob& segment, EncodeBlockJob& block, int p, const NearTables& near,
                        std::uint8_t* stage) {
  if ((block.varying >> p & 1) == 0) return;
  BlockUnits<Unit> units(segment, block);
  int byte = p;  // of a unit
  if (segment.kind >= EncodeKind::kUniform) {
    units = {kept_symbols(segment, block, static_cast<std::uint32_t>(p)), false};
    byte = 0;
  }
  const std::uint32_t n = symbols_in(segment, block);
  const PlaneTables& plane = segment.planes[p];
  const StagedWords<W> words(stage, block.words_end[p]);
  RecordList<W> records{reinterpret_cast<std::uint8_t*>(block.words_end[p]), most_records(n)};
  std::uint32_t count = 0;
  if (plane.paired != 0) {
    const LoadPairs<W, Unit> load{units, units.shift_of(byte), plane.window, near.replacement, records};
    count = rans_encode_from<W>(load, n / 2, lanes_log2_for(n / 2), near.encode, words);
    records.finish();
  } else {
    count =
        rans_encode_from<W>(LoadPlane<W, Unit>{units, units.shift_of(byte)}, n, lanes_log2_for(n), near.encode, words);
  }
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane != 0) return;
    block.word_count[p] = count;
    if (p == 0) block.record_count = records.count;
    if (p == 1) block.second_record_count = records.count;
  });
}

}  // namespace weft::core
