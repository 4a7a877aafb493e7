// Coding the indices of a trellis path with rANS, and decoding them to levels (FORMAT.md 3.4).
//
// Read me first:
// * A weight's table follows from its scale class, the quantizer and the predicted mean, all known before its symbol; its
//   symbol is the index's distance from the predicted one. The coder is that of rans_encode.hpp and rans_decode.hpp, with a
//   table per weight.
// * Arrays are woven (trellis.hpp): round t of the coder is step t of the lanes.
// * Levels come out as level + 512 in 16 bits.
#pragma once

#include "weft/core/rans_decode.hpp"
#include "weft/core/rans_encode.hpp"
#include "weft/core/trellis_search.hpp"

namespace weft::core {

// What the lanes know between two weights.
template <Warp W, bool kZero, bool kPredict>
class TrellisWalk {
 public:
  using U32 = typename W::U32;

  WEFT_HD TrellisWalk(int states_log2, const Predictor& predictor)
      : parity_(parity_of(states_log2)), predictor_(predictor) {}

  // The table's row of the next weight, class * kClassTables + table, from the class that its scales expect.
  WEFT_HD U32 row(U32 expected) {
    q_ = state_ & W::splat(1);
    class_ = expected;
    if (kPredict) {
      scale_ = W::gather(predictor_.error_scales, expected);
      class_ = moved_class<W>(expected, energy_, predictor_.shifts);
    }
    const U32 first = class_ * W::splat(kClassTables);
    if (kZero) return first + when_bit<W>(q_, W::splat(kOddZeroTable));
    if (!kPredict) return first + (q_ << 2);  // around zero: eighths 0 and 4
    mean_ = predict_mean<W>(predictor_.taps, history_, expected, past_classes_);
    past_classes_ = (past_classes_ << 8) | expected;
    const Placement<W> placed = place<W>(mean_ - (q_ << 2));
    centre_ = placed.index;
    mirrored_ = placed.mirrored;
    return first + placed.table;
  }
  [[nodiscard]] WEFT_HD U32 scale_class() const { return class_; }
  // The symbol of an index (biased by 128) there, and back.
  WEFT_HD U32 symbol_of(U32 index) const { return flip(index - W::splat(kIndexZero)); }
  WEFT_HD U32 index_of(U32 symbol) const {
    if (kZero) return symbol;
    if (!kPredict) return when_bit<W>(q_, W::splat(2 * kIndexZero) - (symbol << 1)) + symbol;
    const U32 distance = symbol - W::splat(kIndexZero);
    return centre_ + negate_where<W>(mirrored_, distance) + W::splat(kIndexZero);
  }
  // The nearest index of the same parity that the table can say.
  WEFT_HD U32 limit(U32 index, U32 reach) const {
    if (!kPredict) return index;  // the search has seen to it
    const U32 distance = index - W::splat(kIndexZero) - centre_;
    const auto below = signed_less<W>(distance, W::splat(0));
    const U32 size = negate_where<W>(below, distance);
    const U32 kept = W::select(W::less(reach, size), reach - ((reach ^ size) & W::splat(1)), size);
    return W::splat(kIndexZero) + centre_ + negate_where<W>(below, kept);
  }
  // Moves on by this index and returns its level, biased.
  WEFT_HD U32 advance(U32 index) {
    U32 level = (index << 1) + q_ + W::splat(kLevelBias - 2 * kIndexZero);
    if (kZero) {  // 2 k - sign(k) in the odd quantizer
      const U32 positive = W::select(W::less(W::splat(kIndexZero), index), W::splat(1), W::splat(0));
      const U32 negative = W::select(W::less(index, W::splat(kIndexZero)), W::splat(1), W::splat(0));
      level = level - when_bit<W>(q_, W::splat(1) + positive - negative);
    }
    state_ =
        (state_ >> 1) ^ when_bit<W>(q_, W::splat(parity_.h0)) ^ when_bit<W>(index & W::splat(1), W::splat(parity_.h1));
    if (kPredict) {
      if (!kZero) history_ = push_level<W>(history_, level);
      energy_ = next_energy<W>(energy_, error_of<W>(level, mean_, scale_));
    }
    return level;
  }

 private:
  WEFT_HD U32 flip(U32 index) const {
    if (kZero) return index + W::splat(kIndexZero);
    if (!kPredict) return W::splat(kIndexZero) + index - when_bit<W>(q_, index << 1);
    return W::splat(kIndexZero) + negate_where<W>(mirrored_, index - centre_);
  }

  Parity parity_;
  Predictor predictor_;
  U32 state_ = W::splat(0), q_ = W::splat(0), history_ = W::splat(kNoHistory), past_classes_ = W::splat(0);
  U32 mean_ = W::splat(0), centre_ = W::splat(0), class_ = W::splat(0), scale_ = W::splat(0);
  U32 energy_ = W::splat(kFirstEnergy);
  typename W::Mask mirrored_ = W::first_lanes(0);
};

// Follows a path: where each symbol is in the tables (row * 256 + symbol), and its level. All woven. A mean that the search
// took from another survivor may have let an index stray: it is drawn back.
template <Warp W, bool kZero, bool kPredict>
WEFT_HD void follow_path(const Weave& weave, int states_log2, const Predictor& predictor, const std::uint8_t* classes,
                         const std::uint32_t* reach, const std::uint8_t* path, std::uint32_t* entries,
                         std::uint16_t* levels) {
  TrellisWalk<W, kZero, kPredict> walk(states_log2, predictor);
  for (std::uint32_t t = 0; t < weave.run; t++) {
    const std::size_t at = std::size_t{t} * kLanes;
    const auto row = walk.row(W::load_bytes(classes + at));
    const auto index = walk.limit(W::load_bytes(path + at), W::gather(reach, walk.scale_class()));
    W::store_table(entries + at, (row << 8) + walk.symbol_of(index));
    W::store_halves(levels + at, walk.advance(index));
  }
}

// rans_encode with a table per symbol. `tables` is indexed by row; entries must have frequencies.
template <Warp W>
WEFT_HD std::uint32_t rans_encode_woven(const Weave& weave, const std::uint32_t* entries, const EncodeTable* tables,
                                        std::uint16_t* end) {
  using U32 = typename W::U32;
  static_assert(sizeof(EncodeTable) == 512 * sizeof(std::uint32_t));
  const std::uint32_t* base = tables[0].reciprocal;
  DirectWords words(end);
  U32 x = W::splat(kStateLow);
  for (std::uint32_t t = weave.run; t-- > 0;) {
    const auto active = W::first_lanes(weave.active(t));
    const U32 entry = W::load_table(entries + std::size_t{t} * kLanes);
    const U32 at = entry + ((entry >> 8) << 8);
    const U32 next = encode_step<W>(x, W::gather(base, at), W::gather(base + 256, at), words,
                                    [&](auto full) { return W::both(active, full); });
    x = W::select(active, next, x);
  }
  finish_encoding<W>(x, weave.lanes, words);
  return words.finish();
}

// Decodes words[0 .. word_count) to levels. `tables` has 4096 entries per row (pack_slot); a row that no encoder may use is
// all zero. `classes` and `levels` have weave.run * 32 elements.
template <Warp W, bool kZero, bool kPredict>
WEFT_HD Status trellis_decode(const Weave& weave, int states_log2, const Predictor& predictor,
                              const std::uint8_t* classes, const std::uint16_t* words, std::uint32_t word_count,
                              const std::uint32_t* tables, std::uint16_t* levels) {
  using U32 = typename W::U32;
  DecodeState<W> rans;
  if (!start_decoding<W>(rans, words, word_count, weave.lanes)) return Status::kTruncated;
  TrellisWalk<W, kZero, kPredict> walk(states_log2, predictor);
  for (std::uint32_t t = 0; t < weave.run; t++) {
    const std::size_t at = std::size_t{t} * kLanes;
    const U32 row = walk.row(W::load_bytes(classes + at));
    const U32 entry = W::gather(tables, (row << kProbBits) + (rans.x & W::splat(kProbScale - 1)));
    const U32 next = after_entry<W>(rans.x, entry);
    const std::uint32_t count = weave.active(t);
    if (count == kLanes && word_count - rans.cursor >= kLanes) {
      const std::uint16_t* word = words + rans.cursor;
      rans.x = next;
      refill_all<W>(rans.x, word);
      rans.cursor = static_cast<std::uint32_t>(word - words);
    } else {
      const auto active = W::first_lanes(count);
      rans.x = W::select(active, next, rans.x);
      if (!refill<W>(rans, active, words, word_count)) return Status::kTruncated;
    }
    W::store_halves(levels + at, walk.advance(walk.index_of(entry & W::splat(255))));
  }
  return finish_decoding<W>(rans, word_count, weave.lanes);
}

}  // namespace weft::core
