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

  // place: where in the predictor's period the lanes begin.
  WEFT_HD TrellisWalk(int states_log2, const Predictor& predictor, U32 place)
      : parity_(parity_of(states_log2)), predictor_(predictor), place_(place, predictor.period) {}

  // Looks at the next weight: its class and table, from the class that its scales expect.
  WEFT_HD void look(U32 expected) {
    q_ = state_ & W::splat(1);
    class_ = expected;
    if (kPredict) {
      scale_ = W::gather(predictor_.error_scales, expected);
      class_ = moved_class<W>(expected, energy_, predictor_.shifts);
    }
    if (kZero || !kPredict) return;
    mean_ = predict_mean<W>(W::gather(predictor_.taps, place_.next()), history_,
                            W::gather(predictor_.deviations, expected));
    const Placement<W> placed = place<W>(mean_ - (q_ << 2));
    centre_ = placed.index;
    table_ = placed.table;
    mirrored_ = placed.mirrored;
  }
  [[nodiscard]] WEFT_HD U32 scale_class() const { return class_; }
  // Its table, numbered among those in use (trellis_rows.hpp), and among all.
  [[nodiscard]] WEFT_HD U32 table_in_use() const { return kZero || !kPredict ? q_ : table_; }
  [[nodiscard]] WEFT_HD U32 table() const {
    if (kZero) return when_bit<W>(q_, W::splat(kOddZeroTable));
    return kPredict ? table_ : q_ << 2;  // around zero: eighths 0 and 4
  }
  [[nodiscard]] WEFT_HD U32 row() const { return class_ * W::splat(kClassTables) + table(); }
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
      if (!kZero) history_ = push_level<W>(history_, leave<W>(level, scale_));
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
  PeriodWalk<W> place_;
  U32 state_ = W::splat(0), q_ = W::splat(0), history_ = W::splat(0);
  U32 mean_ = W::splat(0), centre_ = W::splat(0), class_ = W::splat(0), table_ = W::splat(0), scale_ = W::splat(0);
  U32 energy_ = W::splat(kFirstEnergy);
  typename W::Mask mirrored_ = W::first_lanes(0);
};

// Follows a path: where each symbol is in the tables (row * 256 + symbol), and its level. All woven. A mean that the search
// took from another survivor may have let an index stray: it is drawn back.
template <Warp W, bool kZero, bool kPredict>
WEFT_HD void follow_path(const Weave& weave, int states_log2, const SearchInput& in, const std::uint8_t* path,
                         std::uint32_t* entries, std::uint16_t* levels) {
  TrellisWalk<W, kZero, kPredict> walk(states_log2, in.predictor, kPredict ? W::load_table(in.places) : W::splat(0));
  for (std::uint32_t t = 0; t < weave.run; t++) {
    const std::size_t at = std::size_t{t} * W::kWidth;
    walk.look(W::load_bytes(in.classes + at));
    const auto index = walk.limit(W::load_bytes(path + at), W::gather(in.reach, walk.scale_class()));
    W::store_table(entries + at, (walk.row() << 8) + walk.symbol_of(index));
    W::store_halves(levels + at, walk.advance(index));
  }
}

// rans_encode with a table per symbol. `tables` is indexed by row; entries must have frequencies. kTogether: steps that
// are looked up at once, and fetched as long before, where memory is far away.
template <Warp W, std::uint32_t kTogether = 1>
WEFT_HD std::uint32_t rans_encode_woven(const Weave& weave, const std::uint32_t* entries, const EncodeTable* tables,
                                        std::uint16_t* end) {
  using U32 = typename W::U32;
  static_assert(sizeof(EncodeTable) == 512 * sizeof(std::uint32_t));
  const std::uint32_t* base = tables[0].reciprocal;
  const auto entry_of = [=](std::uint32_t t) { return W::load_table(entries + std::size_t{t} * W::kWidth); };
  const auto place_of = [](U32 entry) { return entry + ((entry >> 8) << 8); };
  DirectWords words(end);
  U32 x = W::splat(kStateLow);
  const std::uint32_t all_lanes = weave.lanes == W::kWidth ? weave.whole_steps() / kTogether * kTogether : 0;
  std::uint32_t t = weave.run;
  while (t > all_lanes) {
    const auto active = W::first_lanes(weave.active(--t));
    const U32 at = place_of(entry_of(t));
    const U32 next = encode_step<W>(x, W::gather(base, at), W::gather(base + 256, at), words,
                                    [&](auto full) { return W::both(active, full); });
    x = W::select(active, next, x);
  }
  U32 ahead[kTogether], reciprocal[kTogether], packed[kTogether];
  const auto fetch = [&](std::uint32_t step) {  // nothing lies before the first ones
    for (std::uint32_t i = 0; i < kTogether; i++) ahead[i] = entry_of((step < kTogether ? 0 : step - kTogether) + i);
  };
  if (t > 0) fetch(t);
  for (; t > 0; t -= kTogether) {
    for (std::uint32_t i = 0; i < kTogether; i++) {
      const U32 at = place_of(ahead[i]);
      reciprocal[i] = W::gather(base, at);
      packed[i] = W::gather(base + 256, at);
    }
    fetch(t - kTogether);
    for (std::uint32_t i = kTogether; i-- > 0;)
      x = encode_step<W>(x, reciprocal[i], packed[i], words, [](auto full) { return full; });
  }
  finish_encoding<W>(x, weave.lanes, words);
  return words.finish();
}

// Words for decode_runs() as long as there are some for all lanes in all steps to come.
template <Warp W>
class NearWords {
 public:
  static constexpr bool kAnyLanes = false;
  WEFT_HD NearWords(const std::uint16_t* words, std::uint32_t word_count, std::uint32_t cursor)
      : words_(words), word_count_(word_count), cursor_(cursor) {}
  WEFT_HD bool ready(std::uint32_t steps) { return word_count_ - cursor_ >= steps * W::kWidth; }
  WEFT_HD void take(typename W::U32& x) { refill_all<W>(x, words_, cursor_); }
  WEFT_HD void finish(std::uint32_t& cursor) const { cursor = cursor_; }

 private:
  const std::uint16_t* words_;
  std::uint32_t word_count_, cursor_;
};

// Decodes words[0 .. word_count), without knowing what to, where the rest comes from and where it goes:
// * steps.next(x) takes the states past the lanes' next symbols, without the refill, and returns what these stand for; or
//   look_ahead() looks at the next kTile weights, for which coming(i, x) then does so;
// * near(cursor) makes what hands out words from there on while all of the block's lanes take part: ready(steps) before each kSteps, false if
//   there may be too few for them, and again before each further kTile; take(x) in each step; finish(cursor) moves the cursor on behind the
//   words that were taken, which may be more than there are. Blocks of fewer lanes than the warp has are for those with kAnyLanes;
// * sink takes what comes out: kSteps of these lanes as add(step, values) and then flush(step of the first), or, where lanes
//   are missing or words run low, one step with one(step, active, values). Those come last.
template <Warp W, class Steps, class Near, class Sink>
WEFT_HD Status decode_runs(const Weave& weave, Steps steps, const std::uint16_t* words, std::uint32_t word_count,
                           Near near, Sink& sink) {
  using U32 = typename W::U32;
  constexpr std::uint32_t kSteps = Sink::kSteps, kTile = Steps::kTile;
  static_assert(kSteps % kTile == 0);
  DecodeState<W> rans;
  if (!start_decoding<W>(rans, words, word_count, weave.lanes)) return Status::kTruncated;
  auto stream = near(rans.cursor);
  const std::uint32_t whole = weave.whole_steps();
  const std::uint32_t all_lanes = weave.lanes == W::kWidth || decltype(stream)::kAnyLanes ? whole : 0;
  std::uint32_t t = 0;
  for (; all_lanes >= t + kSteps && stream.ready(kSteps); t += kSteps) {
    WEFT_UNROLL(2)
    for (std::uint32_t tile = 0; tile < kSteps; tile += kTile) {
      if (tile > 0) stream.ready(kTile);
      steps.look_ahead();
      WEFT_UNROLL(8)
      for (std::uint32_t i = 0; i < kTile; i++) {
        const U32 value = steps.coming(i, rans.x);
        stream.take(rans.x);
        sink.add(tile + i, value);
      }
    }
    sink.flush(t);
  }
  stream.finish(rans.cursor);
  if (rans.cursor > word_count) return Status::kTruncated;
  for (; t < weave.run; t++) {
    const auto active = W::first_lanes(t < whole ? weave.lanes : weave.active(t));
    U32 next = rans.x;
    const U32 value = steps.next(next);
    rans.x = W::select(active, next, rans.x);
    if (!refill<W>(rans, active, words, word_count)) return Status::kTruncated;
    sink.one(t, active, value);
  }
  return finish_decoding<W>(rans, word_count, weave.lanes);
}

// Steps to levels:
// * classes.next() gives the lanes' expected classes, step by step; or look_ahead() looks at the next kSteps, which
//   coming(step) then gives;
// * tables.step(walk, x) takes the states past the symbols that it returns.
template <Warp W, bool kZero, bool kPredict, class Tables, class Classes>
struct PathSteps {
  using U32 = typename W::U32;
  static constexpr std::uint32_t kTile = Classes::kSteps;
  TrellisWalk<W, kZero, kPredict> walk;
  Tables tables;
  Classes classes;

  WEFT_HD void look_ahead() { classes.look_ahead(); }
  WEFT_HD U32 coming(std::uint32_t i, U32& x) { return follow(classes.coming(i), x); }
  WEFT_HD U32 next(U32& x) { return follow(classes.next(), x); }

 private:
  WEFT_HD U32 follow(U32 expected, U32& x) {
    walk.look(expected);
    const U32 symbol = tables.step(walk, x);
    return walk.advance(walk.index_of(symbol));
  }
};

// Tables of 4096 slots per row (pack_slot); a row that no encoder may use is all zero.
template <Warp W>
struct SlotTables {
  const std::uint32_t* slots;
  template <class Walk>
  WEFT_HD typename W::U32 step(const Walk& walk, typename W::U32& x) const {
    const auto entry = W::gather(slots, (walk.row() << kProbBits) + (x & W::splat(kProbScale - 1)));
    x = after_entry<W>(x, entry);
    return entry & W::splat(255);
  }
};

// Woven arrays of classes and levels.
template <Warp W>
struct WovenClasses {
  static constexpr std::uint32_t kSteps = 1;
  const std::uint8_t* at;
  WEFT_HD void look_ahead() { at += W::kWidth; }
  WEFT_HD typename W::U32 coming(std::uint32_t) const { return W::load_bytes(at - W::kWidth); }
  WEFT_HD typename W::U32 next() {
    look_ahead();
    return coming(0);
  }
};
template <Warp W>
struct WovenLevels {
  static constexpr std::uint32_t kSteps = 1;
  std::uint16_t* at;
  WEFT_HD void add(std::uint32_t, typename W::U32 levels) {
    W::store_halves(at, levels);
    at += W::kWidth;
  }
  WEFT_HD void flush(std::uint32_t) {}
  WEFT_HD void one(std::uint32_t step, typename W::Mask, typename W::U32 levels) { add(step, levels); }
};

// The same with everything in arrays: `classes` and `levels` have weave.run * W::kWidth elements, `places` W::kWidth.
template <Warp W, bool kZero, bool kPredict>
WEFT_HD Status trellis_decode(const Weave& weave, int states_log2, const Predictor& predictor,
                              const std::uint32_t* places, const std::uint8_t* classes, const std::uint16_t* words,
                              std::uint32_t word_count, const std::uint32_t* tables, std::uint16_t* levels) {
  WovenLevels<W> sink{levels};
  return decode_runs<W>(
      weave,
      PathSteps<W, kZero, kPredict, SlotTables<W>, WovenClasses<W>>{
          TrellisWalk<W, kZero, kPredict>(states_log2, predictor, kPredict ? W::load_table(places) : W::splat(0)),
          {tables},
          {classes}},
      words, word_count, [=](std::uint32_t cursor) { return NearWords<W>(words, word_count, cursor); }, sink);
}

}  // namespace weft::core
