// rANS decoding of one plane by one warp (FORMAT.md 3.1).
//
// Read me first:
// * Symbol i lives in lane i mod L. A lane's step is one table look-up, one multiply-add and, in about bits/16 of the
//   steps, one 16-bit word from the stream that all lanes share.
// * The words' count is checked once a round on the shared cursor, before anything is read, so that a corrupt plane
//   ends in a status and never in a wild read.
// * The final states and the exact end of the words are checked: it costs nothing and catches what a checksum cannot, a
//   decoder that is wrong.
//
// Source: Duda, "Asymmetric numeral systems" (2013), arXiv:1311.2540; interleaving after Giesen, "Interleaved entropy
// coders" (2014), arXiv:1402.3392.
#pragma once

#include "weft/core/warp.hpp"

namespace weft::core {

template <Warp W>
struct DecodeState {
  typename W::U32 x;
  std::uint32_t cursor;  // words consumed
};

// One step of every lane without the refill; returns the table entries, whose low bytes are the symbols.
template <Warp W>
WEFT_HD typename W::U32 decode_step(typename W::U32& x, const std::uint32_t* table) {
  const auto entry = W::gather(table, x & W::splat(kProbScale - 1));
  const auto frequency = (entry >> 8) & W::splat(kProbScale - 1);
  x = frequency * (x >> kProbBits) + (entry >> 20);
  return entry;
}

// Gives the lanes of `active` that have run low their next words. False when the words do not suffice.
template <Warp W>
WEFT_HD bool refill(DecodeState<W>& state, typename W::Mask active, const std::uint16_t* words,
                    std::uint32_t word_count) {
  const auto low = W::both(active, W::less(state.x, W::splat(kStateLow)));
  const std::uint32_t needed = W::count(low);
  if (needed > word_count - state.cursor) return false;
  const auto word = W::expand_load_exact(words + state.cursor, low);
  state.x = W::select(low, (state.x << kWordBits) | word, state.x);
  state.cursor += needed;
  return true;
}

// Decodes n symbols from words[0 .. word_count), the lanes' first words included, to out[0 .. n).
// `table` has 4096 entries (pack_slot). Reads and writes nothing outside of these ranges.
template <Warp W>
WEFT_HD Status rans_decode(const std::uint16_t* words, std::uint32_t word_count, int lanes_log2,
                           const std::uint32_t* table, std::uint32_t n, std::uint8_t* out) {
  const std::uint32_t lanes = 1u << lanes_log2;
  const auto present = W::first_lanes(lanes);
  if (word_count < lanes) return Status::kTruncated;
  DecodeState<W> state{W::expand_load_exact(words, present), lanes};
  if (!refill<W>(state, present, words, word_count)) return Status::kTruncated;

  std::uint32_t done = 0;
  if (lanes_log2 == kLanesLog2) {
    // All lanes full and 32 words to spare: nothing can run out within the round.
    const auto low_bound = W::splat(kStateLow);
    while (n - done >= kLanes && word_count - state.cursor >= kLanes) {
      const auto entry = decode_step<W>(state.x, table);
      const auto low = W::less(state.x, low_bound);
      const auto word = W::expand_load(words + state.cursor, low);
      state.x = W::select(low, (state.x << kWordBits) | word, state.x);
      state.cursor += W::count(low);
      W::store_bytes(out + done, entry);
      done += kLanes;
    }
  }
  while (done < n) {
    const std::uint32_t size = n - done < lanes ? n - done : lanes;
    const auto active = W::first_lanes(size);
    auto next = state.x;
    const auto entry = decode_step<W>(next, table);
    state.x = W::select(active, next, state.x);
    if (!refill<W>(state, active, words, word_count)) return Status::kTruncated;
    W::store_bytes(out + done, entry, active);
    done += size;
  }
  const bool intact = state.cursor == word_count && W::all_equal(state.x, kStateLow, present);
  return intact ? Status::kOk : Status::kTrailing;
}

}  // namespace weft::core
