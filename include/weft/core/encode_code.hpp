// The second pass of encoding over blocks: rANS of the planes that have a table.
//
// * Symbols, or pairs of them, are taken from the units some rounds ahead; words are gathered near the warp and go on in pieces of 16 bytes a lane.
#pragma once

#include "weft/core/encode_jobs.hpp"
#include "weft/core/rans_encode.hpp"

namespace weft::core {

// What the code pass keeps near the warps of a plane: of each symbol its two numbers side by side; of each pair those of
// what is coded for it, whose reciprocal lacks the highest bit, which all have, where that is another pair.
// A GPU's lanes wait for each other where entries that they look up lie in the same one of 16 banks. Pairs by their
// number would do that often, for one of few symbols comes first: other places for the second symbol halve the waiting.
inline constexpr std::uint32_t kExactPair = 1u << 31;
struct NearTables {
  // As many as any places of five bits lead to; not all of them are anything.
  static constexpr std::uint32_t kSecond = 22, kEntries = 31 * (1 + kSecond) + 1;
  NearPair entries[kEntries];
  std::uint8_t replacement[kTableSymbols];  // of pairs
  PairWindow window;

  WEFT_HD static std::uint32_t entry_of(std::uint32_t first, std::uint32_t second) { return first + kSecond * second; }
  WEFT_HD void set(const PlaneTables& plane, std::uint32_t symbol) {
    const bool paired = plane.paired != 0;
    const std::uint32_t coded = paired ? plane.replacement[symbol] : symbol;
    entries[paired ? entry_of(symbol % kPairSide, symbol / kPairSide) : symbol] = {
        plane.encode.reciprocal[coded] & (coded == symbol ? ~0u : ~kExactPair), plane.encode.step[coded]};
    replacement[symbol] = static_cast<std::uint8_t>(coded);
    if (symbol == 0) window = plane.window;
  }
};

// Where a symbol's entry is: the symbol times eight.
inline constexpr std::uint32_t kEntryLog2 = 3;
inline constexpr std::uint32_t kSymbolOffsets = (kTableSymbols - 1) << kEntryLog2;
static_assert(sizeof(NearPair) == 1u << kEntryLog2);

template <KernelWarp W>
WEFT_HD void look_up_near(typename W::Near entries, const typename W::U32& offsets, typename W::U32& reciprocal,
                          typename W::U32& step) {
  W::for_each_lane(
      [&](std::uint32_t, std::uint32_t offset, std::uint32_t& r, std::uint32_t& s) {
        const NearPair entry = W::load_pair(entries, offset);
        r = entry.first;
        s = entry.second;
      },
      offsets, reciprocal, step);
}

// Large units take twice the registers while they are on their way.
template <class Unit>
inline constexpr std::uint32_t kRoundsAheadOf = sizeof(Unit) > 4 ? kRoundsAhead / 2 : kRoundsAhead;

// A plane's symbols out of the units.
template <KernelWarp W, class Unit>
struct LoadPlane {
  using U32 = typename W::U32;
  static constexpr std::uint32_t kRounds = kRoundsAheadOf<Unit>;
  BlockUnits<Unit> units;
  std::uint32_t shift;
  typename W::Near entries;

  // Whole units are fetched, if they fit, so that the fetching waits for nothing.
  WEFT_HD U32 fetch(std::uint32_t first, std::uint32_t offset) const {
    return W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
      return fetch_at(units.at + std::size_t{first + lane} * sizeof(Unit) + offset * sizeof(Unit));
    });
  }
  template <std::uint32_t kCount>
  WEFT_HD void look_up(const U32* fetched, std::uint32_t, U32* reciprocal, U32* step) const {
    for (std::uint32_t i = 0; i < kCount; i++) look_up_at(fetched[i], reciprocal[i], step[i]);
  }
  WEFT_HD void look_up_some(std::uint32_t first, std::uint32_t size, typename W::Mask, U32& reciprocal,
                            U32& step) const {
    look_up_at(W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
                 return lane < size ? fetch_at(units.at + std::size_t{first + lane} * sizeof(Unit)) : 0;
               }),
               reciprocal, step);
  }

 private:
  WEFT_HD std::uint32_t fetch_at(const std::uint8_t* at) const {
    const Unit unit = load_global<Unit>(at);
    if constexpr (sizeof(Unit) > 4) return BlockUnits<Unit>::byte(unit, shift);
    return static_cast<std::uint32_t>(unit);
  }
  WEFT_HD void look_up_at(U32 fetched, U32& reciprocal, U32& step) const {
    W::for_each_lane([&](std::uint32_t, std::uint32_t& unit) { unit = offset_of(unit); }, fetched);
    look_up_near<W>(entries, fetched, reciprocal, step);
  }
  WEFT_HD std::uint32_t offset_of(std::uint32_t unit) const {
    if constexpr (sizeof(Unit) == 1 || sizeof(Unit) > 4) return unit << kEntryLog2;
    if constexpr (sizeof(Unit) == 2) unit *= 0x00010001u;
    return rotate_right(unit, shift - kEntryLog2) & kSymbolOffsets;
  }
};

// Words that are gathered in memory near the warp, its own, and sent on in pieces of 16 bytes a lane.
inline constexpr std::uint32_t kStageBytes = 2 * 16 * kLanes;

template <KernelWarp W>
struct StagedWords {
  static constexpr std::uint32_t kPiece = kStageBytes / 2;
  static_assert(2 * kRoundsAhead * kLanes <= kPiece);
  std::uint8_t* stage;          // aligned to 16, as is `end`
  std::uint8_t* end;            // of what has not been sent yet
  typename W::Near begin, top;  // of the stage, and of the words in it

  WEFT_HD StagedWords(std::uint8_t* room, std::uint16_t* words_end)
      : stage(room), end(reinterpret_cast<std::uint8_t*>(words_end)), begin(W::near(room)), top(begin + kStageBytes) {}
  template <Warp>
  WEFT_HD void put(typename W::U32 x, typename W::Mask full) {
    top -= 2 * W::compress_store_near(top, x, full);
  }
  WEFT_HD void make_room() {
    if (top > begin + kPiece) return;
    W::sync();
    end -= kPiece;
    W::for_each_lane([&](std::uint32_t lane) {
      const auto high = load_aligned<Words4>(stage + kPiece + 16 * lane), low = load_aligned<Words4>(stage + 16 * lane);
      store_aligned(end + 16 * lane, high);
      store_aligned(stage + kPiece + 16 * lane, low);
    });
    W::sync();
    top += kPiece;
  }
  // Returns where the words begin, for which more than one number need not be kept.
  WEFT_HD std::uint16_t* finish() {
    W::sync();
    const auto bytes = static_cast<std::uint32_t>(begin + kStageBytes - top);
    W::for_each_lane([&](std::uint32_t lane) {
      for (std::uint32_t i = 2 * lane; i < bytes; i += 2 * kLanes)
        store_aligned(end - 2 - i, load_aligned<std::uint16_t>(stage + kStageBytes - 2 - i));
    });
    W::sync();
    return reinterpret_cast<std::uint16_t*>(end - bytes);
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
  static constexpr std::uint32_t kRounds = kRoundsAheadOf<Unit>;
  BlockUnits<Unit> units;
  std::uint32_t shift;
  std::uint32_t bases;  // 256 less that of the window, in both halves, times eight
  typename W::Near entries;
  const NearTables& near;
  RecordList<W>& records;

  // Of two units the 16 bits that have their symbols; of bytes, and of the largest units, their symbols.
  WEFT_HD U32 fetch(std::uint32_t first, std::uint32_t offset) const {
    return W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
      return fetch_at(units.at + std::size_t{first + lane} * kPairBytes + offset * kPairBytes);
    });
  }
  // Nearly all pairs are in the window and coded as they are. Whether that holds for all of these is asked once.
  template <std::uint32_t kCount>
  WEFT_HD void look_up(const U32* fetched, std::uint32_t first, U32* reciprocal, U32* step) const {
    U32 beyond = W::splat(0), exact = W::splat(~0u);
    for (std::uint32_t i = 0; i < kCount; i++) {
      // Of a symbol in the window 256 and its place, of another one less or more; nothing is borrowed from the other half.
      U32 places = fetched[i];
      W::for_each_lane(
          [&](std::uint32_t, std::uint32_t& both, std::uint32_t& r, std::uint32_t& s) {
            both = symbols_of(both) + bases;
            const NearPair entry = W::load_pair(entries, both, NearTables::kSecond << 16 | 1);
            r = entry.first;
            s = entry.second;
          },
          places, reciprocal[i], step[i]);
      beyond = beyond | places;
      exact = exact & reciprocal[i];
    }
    if (!W::any(W::less(W::splat(0), (beyond & W::splat(kBeyond)) | ((exact >> 31) ^ W::splat(1))))) return;
    for (std::uint32_t i = 0; i < kCount; i++)
      look_up_any(fetched[i], first - i * kLanes, kLanes, reciprocal[i], step[i]);
  }
  WEFT_HD void look_up_some(std::uint32_t first, std::uint32_t size, typename W::Mask, U32& reciprocal,
                            U32& step) const {
    const U32 fetched = W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
      return lane < size ? fetch_at(units.at + std::size_t{first + lane} * kPairBytes) : 0;
    });
    look_up_any(fetched, first, size, reciprocal, step);
  }

 private:
  static constexpr std::uint32_t kPairBytes = 2 * sizeof(Unit);
  // Places beyond the window have one of these bits: 16 .. 255 more than its begin, or up to 240 less, which is 16 at least.
  static constexpr std::uint32_t kSymbols = (255u << kEntryLog2) * 0x00010001u,
                                 kBeyond = ((256 - kPairSide) << kEntryLog2) * 0x00010001u;

  WEFT_HD std::uint32_t fetch_at(const std::uint8_t* at) const {
    if constexpr (sizeof(Unit) == 1) return load_global<std::uint16_t>(at);
    if constexpr (sizeof(Unit) == 2) return load_global<std::uint32_t>(at);
    if constexpr (sizeof(Unit) == 4) {
      const auto two = load_global<std::uint64_t>(at);
      return permute_bytes(static_cast<std::uint32_t>(two), static_cast<std::uint32_t>(two >> 32), 0x7632);
    }
    return BlockUnits<Unit>::byte(load_global<Unit>(at), shift) |
           BlockUnits<Unit>::byte(load_global<Unit>(at + sizeof(Unit)), shift) << 8;
  }
  // The symbols of a pair times eight, one in each half.
  WEFT_HD std::uint32_t symbols_of(std::uint32_t fetched) const {
    if constexpr (sizeof(Unit) == 2 || sizeof(Unit) == 4)  // plane 0: bits 8-15 of each half, or one below
      return fetched >> (shift - (8 * sizeof(Unit) - 16) - kEntryLog2) & kSymbols;
    return permute_bytes(fetched, 0, 0x4140) << kEntryLog2;
  }
  // Any pairs of the first `size` lanes; records go where they belong.
  WEFT_HD void look_up_any(const U32& fetched, std::uint32_t first, std::uint32_t size, U32& reciprocal,
                           U32& step) const {
    U32 wrong = W::splat(0), symbols = fetched;
    const PairWindow window = near.window;
    W::for_each_lane(
        [&](std::uint32_t lane, std::uint32_t& flags, std::uint32_t& both, std::uint32_t& r, std::uint32_t& s) {
          const std::uint32_t spread = symbols_of(both);
          const std::uint32_t one = spread >> kEntryLog2 & 255, two = spread >> (16 + kEntryLog2);
          const std::uint32_t pair = window.pair(one, two), coded = near.replacement[pair];
          const std::uint32_t number = NearTables::entry_of(pair % kPairSide, pair / kPairSide);
          const NearPair entry = W::load_pair(entries, number << kEntryLog2);
          r = entry.first | kExactPair;
          s = entry.second;
          both = one | two << 8;
          flags = (first_of_pair(coded, window.base) != one && lane < size ? 1 : 0) |
                  (second_of_pair(coded, window.base) != two && lane < size ? 2 : 0);
        },
        wrong, symbols, reciprocal, step);
    if (W::any(W::less(W::splat(0), wrong)))
      records.add(first, W::ballot(W::less(W::splat(0), wrong & W::splat(1))), W::ballot(W::less(W::splat(1), wrong)),
                  symbols);
  }
};

// Codes plane p of a block, of which quantized ones have the symbols in bytes; `near` is a copy of the plane's.
template <KernelWarp W, class Unit>
WEFT_HD void code_plane(const SegmentJob& segment, EncodeBlockJob& block, int p, NearTables& near,
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
  const auto entries = W::kept_near(reinterpret_cast<std::uint8_t*>(near.entries));
  RecordList<W> records{reinterpret_cast<std::uint8_t*>(block.words_end[p]), most_records(n)};
  std::uint16_t* first = nullptr;
  if (plane.paired != 0) {
    const std::uint32_t bases = ((256u - near.window.base) << kEntryLog2) * 0x00010001u;
    const LoadPairs<W, Unit> load{units, units.shift_of(byte), bases, entries, near, records};
    first = rans_encode_from<W>(load, n / 2, lanes_log2_for(n / 2), words);
    records.finish();
  } else {
    first = rans_encode_from<W>(LoadPlane<W, Unit>{units, units.shift_of(byte), entries}, n, lanes_log2_for(n), words);
  }
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane != 0) return;
    block.word_count[p] = static_cast<std::uint32_t>(block.words_end[p] - first);
    if (p == 0) block.record_count = records.count;
    if (p == 1) block.second_record_count = records.count;
  });
}

}  // namespace weft::core
