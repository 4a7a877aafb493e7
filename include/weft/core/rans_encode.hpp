// rANS encoding of one plane by one warp: the mirror image of rans_decode.hpp.
//
// Read me first:
// * Encoding runs backwards, from the last round to the first, and writes words downwards from the end of a buffer; the
//   decoder then reads both forwards.
// * There is no division: q = floor(x / f) is a multiplication by a rounded-up reciprocal and a shift. With states
//   below 2^31 this is exact (Granlund and Montgomery, "Division by invariant integers using multiplication", PLDI
//   1994), and the new state is
//     x' = (x / f) * M + x % f + c = x + q * (M - f) + c.
//   For f = 1 the reciprocal would be 2^32, which does not fit: with 2^32 - 1 instead, q = x - 1 for all x >= 1, and
//   the missing M - 1 goes into the bias.
#pragma once

#include "weft/core/warp.hpp"

namespace weft::core {

// Two 32-bit numbers per symbol: the reciprocal, and bits 0-11 M - f, 12-15 shift, 17-31 bias. Bit 16 is zero, so that
// the shift can be told modulo 32 by one instruction.
inline constexpr int kStepShiftAt = 12, kStepBiasAt = 17;
struct EncodeTable {
  std::uint32_t reciprocal[256];
  std::uint32_t step[256];
};

// Words that rans_encode may write (or scribble on) for n symbols.
WEFT_HD constexpr std::size_t encode_bound_words(std::size_t n) { return n + 2 * kLanes + 8; }

// Where words go: straight to their place, down from `end`, below which there is room for encode_bound_words(n).
struct DirectWords {
  std::uint16_t* end;
  std::uint16_t* cursor = end;
  WEFT_HD explicit DirectWords(std::uint16_t* words_end) : end(words_end) {}
  template <Warp W>
  WEFT_HD void put(typename W::U32 x, typename W::Mask full) {
    cursor -= W::compress_store(cursor, x, full);
  }
  WEFT_HD void make_room() {}
  WEFT_HD std::uint32_t finish() { return static_cast<std::uint32_t>(end - cursor); }
};

// The states after a symbol with these two numbers of its table. active(mask) takes the lanes without a symbol out of a
// mask; their states come out unspecified.
template <Warp W, class Words, class Active>
WEFT_HD typename W::U32 encode_step(typename W::U32 x, typename W::U32 reciprocal, typename W::U32 packed, Words& words,
                                    Active active) {
  const auto complement = packed & W::splat(kProbScale - 1);
  const auto full = active(W::less(W::splat(kProbScale - 1), (x >> kRefillShift) + complement));
  words.template put<W>(x, full);
  x = W::select(full, x >> kWordBits, x);
  const auto quotient = W::shift_right(W::mul_high(x, reciprocal), packed >> kStepShiftAt);
  return x + (packed >> kStepBiasAt) + quotient * complement;
}

// States go out in 16 bits: a state that needs more gives its low word to the stream first.
template <Warp W, class Words>
WEFT_HD void finish_encoding(typename W::U32 x, std::uint32_t lanes, Words& words) {
  const auto present = W::first_lanes(lanes);
  const auto large = W::both(present, W::less(W::splat((1u << kWordBits) - 1), x));
  words.template put<W>(x, large);
  x = W::select(large, x >> kWordBits, x);
  words.template put<W>(x, present);
}

inline constexpr int kRoundsAhead = 8;  // that a warp with memory far away fetches before it needs them

// Encodes symbols 0 .. n - 1, all of which have a frequency, with 2^lanes_log2 lanes. Returns what words.finish() does
// after all words, the lanes' first ones included.
//
// `load` has the symbols and their table: load.fetch(first, offset) for a round of all lanes that begins at first +
// offset, Load::kRounds rounds before it is needed; then load.look_up<kCount>(fetched, first, reciprocal, step) for
// kCount rounds, the first of which begins at `first` and each of the others one round before; and look_up_some(first,
// size, mask, reciprocal, step) for the first `size` lanes. Rounds are asked for once each, from the last one down.
// Words go to words.put(); make_room() comes before every kRoundsAhead rounds at the latest.
template <Warp W, class Load, class Words>
WEFT_HD auto rans_encode_from(Load load, std::uint32_t n, int lanes_log2, Words words) {
  using U32 = typename W::U32;
  static_assert(Load::kRounds <= kRoundsAhead);
  const std::uint32_t lanes = 1u << lanes_log2;
  constexpr std::uint32_t kTogether = Load::kRounds < 4 ? Load::kRounds : 4;  // look-ups that do not wait for stores
  U32 x = W::splat(kStateLow), ahead[Load::kRounds], reciprocal[kTogether], packed[kTogether];
  const auto all = [](auto full) { return full; };

  std::uint32_t left = n;
  if (const std::uint32_t partial = n & (lanes - 1); partial != 0 || lanes != kLanes) {
    std::uint32_t size = partial != 0 ? partial : lanes;
    while (left > 0) {
      words.make_room();
      left -= size;
      const auto mask = W::first_lanes(size);
      load.look_up_some(left, size, mask, reciprocal[0], packed[0]);
      const U32 next =
          encode_step<W>(x, reciprocal[0], packed[0], words, [&](auto full) { return W::both(mask, full); });
      x = W::select(mask, next, x);
      if (lanes == kLanes) break;
      size = lanes;
    }
  }
  constexpr std::uint32_t kStride = Load::kRounds * kLanes;
  while (left % kStride != 0) {
    words.make_room();
    left -= kLanes;
    ahead[0] = load.fetch(left, 0);
    load.template look_up<1>(ahead, left, reciprocal, packed);
    x = encode_step<W>(x, reciprocal[0], packed[0], words, all);
  }
  for (std::uint32_t i = 0; i < Load::kRounds && left > 0; i++)
    ahead[i] = load.fetch(left - kStride, kStride - kLanes * (i + 1));
  while (left > 0) {
    words.make_room();
    left -= kStride;
    const std::uint32_t next = left > 0 ? left - kStride : 0;  // the last rounds are fetched twice: nothing lies before
    for (std::uint32_t first = 0; first < Load::kRounds; first += kTogether) {
      load.template look_up<kTogether>(ahead + first, left + kStride - kLanes * (first + 1), reciprocal, packed);
      for (std::uint32_t i = first; i < first + kTogether; i++) ahead[i] = load.fetch(next, kStride - kLanes * (i + 1));
      for (std::uint32_t i = 0; i < kTogether; i++) x = encode_step<W>(x, reciprocal[i], packed[i], words, all);
    }
  }
  words.make_room();
  finish_encoding<W>(x, lanes, words);
  return words.finish();
}

// Symbols that lie in memory as bytes; with kNumbered there lies beside each the number of its table.
template <Warp W, bool kNumbered = false>
struct LoadBytes {
  using U32 = typename W::U32;
  static constexpr std::uint32_t kRounds = 1;
  static constexpr int kTableWordsLog2 = 9;
  static_assert(sizeof(EncodeTable) == sizeof(std::uint32_t) << kTableWordsLog2);
  const std::uint8_t* symbols;
  const EncodeTable* tables;
  const std::uint8_t* numbers = nullptr;

  WEFT_HD U32 fetch(std::uint32_t first, std::uint32_t offset) const { return load(first + offset); }
  template <std::uint32_t>
  WEFT_HD void look_up(const U32* fetched, std::uint32_t, U32* reciprocal, U32* step) const {
    const auto* words = reinterpret_cast<const std::uint32_t*>(tables);
    reciprocal[0] = W::gather(words, fetched[0]);
    step[0] = W::gather(words + sizeof tables->reciprocal / sizeof *words, fetched[0]);
  }
  WEFT_HD void look_up_some(std::uint32_t first, std::uint32_t, typename W::Mask mask, U32& reciprocal,
                            U32& step) const {
    const U32 place = load(first, mask);
    look_up<1>(&place, first, &reciprocal, &step);
  }

 private:
  // Where the numbers of a round's symbols are, in words from the first table's reciprocals or steps on.
  template <class... Mask>
  WEFT_HD U32 load(std::uint32_t first, const Mask&... mask) const {
    const U32 symbol = W::load_bytes(symbols + first, mask...);
    if constexpr (kNumbered)
      return symbol | W::load_bytes(numbers + first, mask...) << kTableWordsLog2;
    else
      return symbol;
  }
};

template <Warp W>
WEFT_HD std::uint32_t rans_encode(const std::uint8_t* symbols, std::uint32_t n, int lanes_log2,
                                  const EncodeTable& table, std::uint16_t* end) {
  return rans_encode_from<W>(LoadBytes<W>{symbols, &table}, n, lanes_log2, DirectWords(end));
}

// The same with symbol i coded by tables[numbers[i]].
template <Warp W>
WEFT_HD std::uint32_t rans_encode_by_class(const std::uint8_t* symbols, const std::uint8_t* numbers, std::uint32_t n,
                                           int lanes_log2, const EncodeTable* tables, std::uint16_t* end) {
  return rans_encode_from<W>(LoadBytes<W, true>{symbols, tables, numbers}, n, lanes_log2, DirectWords(end));
}

}  // namespace weft::core
