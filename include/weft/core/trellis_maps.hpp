// Decoding of trellis blocks without predicted means, in as few instructions as a symbol can take.
//
// Read me first:
// * A class has a map, a byte for each slot of both quantizers' tables, and an entry for each symbol of them: what the
//   coder's state, the trellis's state and the output need to know. So a weight is two look-ups, and none of a map's 4096
//   slots takes longer than another. It costs 10 KB of shared memory for each class.
// * The trellis's state is kept in bits 12 to 19 of a word, so that its lowest bit, the quantizer, is the one above a slot's
//   bits; what is below them is of no meaning.
// * Both labellings are decoded by the same instructions: what a symbol stands for is in its entry.
#pragma once

#include "weft/core/trellis_rows.hpp"
#include "weft/core/trellis_units.hpp"

namespace weft::core {

inline constexpr std::uint32_t kMapBytes = 2 * kProbScale, kMapEntries = 256;  // of a class

// Whether so many symbols of each quantizer have room.
WEFT_HD constexpr bool maps_fit(std::uint32_t symbols) { return 2 * symbols <= kMapEntries; }

// Shared memory for so many classes: their maps, then their entries.
WEFT_HD constexpr std::uint32_t trellis_map_bytes(std::uint32_t classes) {
  return classes * (kMapBytes + 8 * kMapEntries);
}

struct alignas(8) MapEntry {
  std::uint32_t unit;  // FloatUnit's word of the level
  std::uint32_t
      step;  // bits 0-11: where the symbol begins; 12-19: what the trellis's state is xored with; 20-31: frequency
};

struct TrellisMaps {
  static constexpr std::uint32_t kStateBits = kProbBits + 8;  // that may be set
  std::uint8_t* maps;
  std::uint8_t* entries;

  // In memory for `most` classes.
  WEFT_HD TrellisMaps(std::uint8_t* memory, std::uint32_t most) : maps(memory), entries(memory + most * kMapBytes) {}

  // One of `threads` threads that fill them together.
  WEFT_HD void fill(const TrellisGroup& group, bool zero, std::uint32_t thread, std::uint32_t threads) const {
    constexpr std::uint32_t kSlots = 16, kPieces = kProbScale / kSlots;
    const TrellisParameters& stream = *group.stream;
    const std::uint32_t symbols = stream.row_words - kBucketWords, classes = stream.row_count / 2;
    for (std::uint32_t i = thread; i < 2 * classes * kPieces; i += threads)
      fill_slots(stream.rows + i / kPieces * stream.row_words, i / kPieces % 2 * symbols, i % kPieces * kSlots,
                 maps + i * kSlots);
    for (std::uint32_t i = thread; i < 2 * classes * symbols; i += threads) {
      const std::uint32_t row = i / symbols, number = i % symbols, q = row % 2;
      const std::uint32_t packed = stream.rows[row * stream.row_words + kBucketWords + number];
      const MapEntry entry = entry_of(group, zero, q, packed);
      store_aligned(entries + 8 * (row / 2 * kMapEntries + q * symbols + number), entry);
    }
  }

  // One lane: takes the coder's and the trellis's state past a symbol, without the refill, and returns the unit's word.
  // `number`: that of the class, counted from the stream's lowest.
  WEFT_HD std::uint32_t step(std::uint32_t number, std::uint32_t& x, std::uint32_t& state) const {
    constexpr std::uint32_t kSlot = kProbScale - 1;
    const std::uint32_t symbol = maps[(x & kSlot) | (state & kProbScale) | number * kMapBytes];
    const auto entry = load_aligned<MapEntry>(entries + 8 * (number * kMapEntries + symbol));
    x = (entry.step >> 20) * (x >> kProbBits) + ((x - entry.step) & kSlot);  // a slot is not below its symbol's first
    state = ((state >> 1) ^ entry.step) & ((1u << kStateBits) - 1);
    return entry.unit;
  }

 private:
  // 16 slots of a compact row.
  WEFT_HD static void fill_slots(const std::uint32_t* row, std::uint32_t first_number, std::uint32_t slot,
                                 std::uint8_t* to) {
    Words4 words{};
    for_slots(row, slot, 16, [&](std::uint32_t k, std::uint32_t number) {
      words.word[k / 4] |= (first_number + number) << (8 * (k % 4));
    });
    store_aligned(to, words);
  }
  WEFT_HD static MapEntry entry_of(const TrellisGroup& group, bool zero, std::uint32_t q, std::uint32_t packed) {
    const std::int32_t distance = symbol_distance(packed);
    const std::int32_t index = q != 0 && !zero ? -distance : distance;  // around its mean, zero, that table is mirrored
    const Parity parity = parity_of(group.stream->states_log2);
    const std::uint32_t flip = (q != 0 ? parity.h0 : 0) ^ (index % 2 != 0 ? parity.h1 : 0);
    return {unit_word(group, level_of_index(zero, index, static_cast<std::int32_t>(q))),
            symbol_begin(packed) | flip << kProbBits | symbol_frequency(packed) << 20};
  }
};

// Steps of decode_runs() to words of units.
template <KernelWarp W>
class MappedSteps {
 public:
  using U32 = typename W::U32;
  static constexpr std::uint32_t kTile = ScaleWalk<W>::kSteps;
  static constexpr bool kInHighHalf = false;

  WEFT_HD MappedSteps(const TrellisMaps& maps, ScaleWalk<W> classes) : maps_(maps), classes_(classes) {}

  WEFT_HD void look_ahead() { classes_.look_ahead(); }
  WEFT_HD U32 coming(std::uint32_t i, U32& x) { return step(classes_.coming(i), x); }
  WEFT_HD U32 next(U32& x) { return step(classes_.next(), x); }

 private:
  WEFT_HD U32 step(U32 number, U32& x) {
    W::for_each_lane([this](std::uint32_t, std::uint32_t& value, std::uint32_t& coder,
                            std::uint32_t& trellis) { value = maps_.step(value, coder, trellis); },
                     number, x, state_);
    return number;
  }

  TrellisMaps maps_;
  ScaleWalk<W> classes_;
  U32 state_ = W::splat(0);
};

// A whole block. `room` has W::kWordBytes, aligned to 16.
template <KernelWarp W, class Unit>
WEFT_HD Status decode_mapped_block(const TrellisParameters& stream, const TrellisJob& job, const TrellisMaps& maps,
                                   std::uint8_t* room, std::uint8_t* outputs) {
  const Weave weave(job.n, job.lanes_log2);
  return decode_units<W, Unit>(
      stream, job, weave,
      MappedSteps<W>(maps, ScaleWalk<W>(stream.scales, job.first_element, weave.run, stream.lowest_class)), room,
      outputs);
}

}  // namespace weft::core
