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

// The states after a symbol with these two numbers of its table; words go down from `cursor`. active(mask) takes the
// lanes without a symbol out of a mask; their states come out unspecified.
template <Warp W, class Active>
WEFT_HD typename W::U32 encode_step(typename W::U32 x, typename W::U32 reciprocal, typename W::U32 packed,
                                    std::uint16_t*& cursor, Active active) {
  const auto complement = packed & W::splat(kProbScale - 1);
  const auto limit = (W::splat(kProbScale) - complement) << kRefillShift;
  const auto full = active(W::less(limit - W::splat(1), x));
  cursor -= W::compress_store(cursor, x, full);
  x = W::select(full, x >> kWordBits, x);
  const auto quotient = W::shift_right(W::mul_high(x, reciprocal), packed >> kStepShiftAt);
  return x + (packed >> kStepBiasAt) + quotient * complement;
}

// States go out in 16 bits: a state that needs more gives its low word to the stream first.
template <Warp W>
WEFT_HD void finish_encoding(typename W::U32 x, std::uint32_t lanes, std::uint16_t*& cursor) {
  const auto present = W::first_lanes(lanes);
  const auto large = W::both(present, W::less(W::splat((1u << kWordBits) - 1), x));
  cursor -= W::compress_store(cursor, x, large);
  x = W::select(large, x >> kWordBits, x);
  cursor -= W::compress_store(cursor, x, present);
}

// Encodes symbols 0 .. n - 1, all of which have a frequency, with 2^lanes_log2 lanes. Words end at `end`, below which
// there is room for encode_bound_words(n). Returns their count, the lanes' first words included. Symbols come from
// load(first) for a round of all lanes, and from load(first, size, mask) for the first `size` lanes.
template <Warp W, class Load>
WEFT_HD std::uint32_t rans_encode_from(Load load, std::uint32_t n, int lanes_log2, const EncodeTable& table,
                                       std::uint16_t* end) {
  using U32 = typename W::U32;
  const std::uint32_t lanes = 1u << lanes_log2;
  std::uint16_t* cursor = end;
  U32 x = W::splat(kStateLow);

  const auto step = [&](U32 symbol, auto active) {
    return encode_step<W>(x, W::gather(table.reciprocal, symbol), W::gather(table.step, symbol), cursor, active);
  };

  std::uint32_t left = n;
  if (const std::uint32_t partial = n & (lanes - 1); partial != 0 || lanes != kLanes) {
    std::uint32_t size = partial != 0 ? partial : lanes;
    while (left > 0) {
      left -= size;
      const auto mask = W::first_lanes(size);
      const U32 next = step(load(left, size, mask), [&](auto full) { return W::both(mask, full); });
      x = W::select(mask, next, x);
      if (lanes == kLanes) break;
      size = lanes;
    }
  }
  while (left > 0) {
    left -= kLanes;
    x = step(load(left), [](auto full) { return full; });
  }
  finish_encoding<W>(x, lanes, cursor);
  return static_cast<std::uint32_t>(end - cursor);
}

// Symbols that lie in memory as bytes.
template <Warp W>
struct LoadBytes {
  const std::uint8_t* symbols;
  WEFT_HD typename W::U32 operator()(std::uint32_t first) const { return W::load_bytes(symbols + first); }
  WEFT_HD typename W::U32 operator()(std::uint32_t first, std::uint32_t, typename W::Mask mask) const {
    return W::load_bytes(symbols + first, mask);
  }
};

template <Warp W>
WEFT_HD std::uint32_t rans_encode(const std::uint8_t* symbols, std::uint32_t n, int lanes_log2,
                                  const EncodeTable& table, std::uint16_t* end) {
  return rans_encode_from<W>(LoadBytes<W>{symbols}, n, lanes_log2, table, end);
}

}  // namespace weft::core
