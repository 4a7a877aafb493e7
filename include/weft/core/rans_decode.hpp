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

// The states after the symbols of these table entries, without the refill.
template <Warp W>
WEFT_HD typename W::U32 after_entry(typename W::U32 x, typename W::U32 entry) {
  return ((entry >> 8) & W::splat(kProbScale - 1)) * (x >> kProbBits) + (entry >> 20);
}

// The entries of states in a table of 4096 (pack_slot) that is the same for all symbols.
template <Warp W, class... Where>
WEFT_HD typename W::U32 entries_of(const std::uint32_t* table, typename W::U32 x, const Where&...) {
  return W::gather(table, x, kProbScale - 1);
}

// Such tables one after the other, of which symbol i has number numbers[i].
struct NumberedTables {
  const std::uint32_t* tables;
  const std::uint8_t* numbers;
};
// Of a round that begins with symbol `first`, of all lanes or those of a mask.
template <Warp W, class... Mask>
WEFT_HD typename W::U32 entries_of(const NumberedTables& by, typename W::U32 x, std::uint32_t first,
                                   const Mask&... mask) {
  const auto slot = x & W::splat(kProbScale - 1);
  return W::gather(by.tables, slot | W::load_bytes(by.numbers + first, mask...) << kProbBits);
}

// One step of every lane without the refill; returns the table entries, whose low bytes are the symbols. `where` is what
// entries_of() asks for.
template <Warp W, class Tables, class... Where>
WEFT_HD typename W::U32 decode_step(typename W::U32& x, const Tables& tables, const Where&... where) {
  const auto entry = entries_of<W>(tables, x, where...);
  x = after_entry<W>(x, entry);
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

// Reads the first words of the lanes.
template <Warp W>
WEFT_HD bool start_decoding(DecodeState<W>& state, const std::uint16_t* words, std::uint32_t word_count,
                            std::uint32_t lanes) {
  if (word_count < lanes) return false;
  const auto present = W::first_lanes(lanes);
  state = {W::expand_load_exact(words, present), lanes};
  return refill<W>(state, present, words, word_count);
}

// refill() of all lanes while 32 words are left, so that nothing can run out. `next` is the next word.
template <Warp W>
WEFT_HD void refill_all(typename W::U32& x, const std::uint16_t*& next) {
  const auto low = W::less(x, W::splat(kStateLow));
  const auto word = W::expand_load(next, low);
  x = W::select(low, (x << kWordBits) | word, x);
  next += W::count(low);
}

// The same with the number of the next word.
template <Warp W>
WEFT_HD void refill_all(typename W::U32& x, const std::uint16_t* words, std::uint32_t& cursor) {
  const std::uint16_t* next = words + cursor;
  refill_all<W>(x, next);
  cursor = static_cast<std::uint32_t>(next - words);
}

// A round of all lanes that begins with symbol `first`, while 32 words are left.
template <Warp W, class Tables>
WEFT_HD typename W::U32 decode_full_round(typename W::U32& x, const std::uint16_t*& next, const Tables& tables,
                                          std::uint32_t first) {
  const auto entry = decode_step<W>(x, tables, first);
  refill_all<W>(x, next);
  return entry;
}

// Rounds of symbols [done, n). take(x, active) gives the lanes of `active` that have run low their next words, and false when
// there are too few; sink(done, size, entry, active) takes the symbols of a round: the low bytes of the entry's active lanes,
// of which there are `size`.
template <Warp W, class Tables, class Take, class Sink>
WEFT_HD bool decode_last_rounds(typename W::U32& x, std::uint32_t lanes, const Tables& tables, std::uint32_t done,
                                std::uint32_t n, Take take, Sink sink) {
  while (done < n) {
    const std::uint32_t size = n - done < lanes ? n - done : lanes;
    const auto active = W::first_lanes(size);
    auto next = x;
    const auto entry = decode_step<W>(next, tables, done, active);
    x = W::select(active, next, x);
    if (!take(x, active)) return false;
    sink(done, size, entry, active);
    done += size;
  }
  return true;
}

template <Warp W>
WEFT_HD Status finish_decoding(const DecodeState<W>& state, std::uint32_t word_count, std::uint32_t lanes) {
  const bool intact = state.cursor == word_count && W::all_equal(state.x, kStateLow, W::first_lanes(lanes));
  return intact ? Status::kOk : Status::kTrailing;
}

// Decodes n symbols from words[0 .. word_count), the lanes' first words included, to out[0 .. n).
// `tables` are one table or NumberedTables. Reads and writes nothing outside of these ranges.
template <Warp W, class Tables>
WEFT_HD Status rans_decode(const std::uint16_t* words, std::uint32_t word_count, int lanes_log2, const Tables& tables,
                           std::uint32_t n, std::uint8_t* out) {
  const std::uint32_t lanes = 1u << lanes_log2;
  DecodeState<W> state;
  if (!start_decoding<W>(state, words, word_count, lanes)) return Status::kTruncated;
  std::uint32_t done = 0;
  if (lanes_log2 == kLanesLog2) {
    const std::uint16_t* next = words + state.cursor;
    const std::uint16_t* end = words + word_count;
    for (; n - done >= kLanes && end - next >= kLanes; done += kLanes)
      W::store_bytes(out + done, decode_full_round<W>(state.x, next, tables, done));
    state.cursor = static_cast<std::uint32_t>(next - words);
  }
  const bool enough = decode_last_rounds<W>(
      state.x, lanes, tables, done, n, [&](auto&, auto active) { return refill<W>(state, active, words, word_count); },
      [out](std::uint32_t at, std::uint32_t, auto entry, auto active) { W::store_bytes(out + at, entry, active); });
  return enough ? finish_decoding<W>(state, word_count, lanes) : Status::kTruncated;
}

}  // namespace weft::core
