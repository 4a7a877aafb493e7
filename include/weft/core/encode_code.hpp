// The second pass of encoding over blocks: rANS of the planes that have a table.
//
// * Symbols are taken from the units some rounds ahead; words are gathered near the warp and go on in pieces of 16 bytes a lane.
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

}  // namespace weft::core
