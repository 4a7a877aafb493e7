// The codes of scale factors, and taps, as bytes (FORMAT.md 2.5, 2.6): a range coder whose model follows each factor.
//
// Read me first:
// * A factor's codes are alike, and different factors' are not: counts begin anew with every factor, on a prior that earlier
//   factors have left. Static tables cost up to a third more, and would have to be stored.
// * This part is serial. It is decoded once, when an archive is opened: some ten thousand codes, rarely millions.
//
// Source of the range coder: Martin, "Range encoding" (1979), with the carry handling of Subbotin's and Pavlov's coders.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "archive/bytes.hpp"

namespace weft::archive {

// A decoder allocates no more codes than this for each byte; an encoder pads where it does better.
inline constexpr std::uint64_t kCodesPerByte = 256;

void put_codes(ByteWriter& out, std::span<const std::span<const std::int8_t>> factors);

// Fills the factors, whose sizes are known and sum to no more than kCodesPerByte times what is left; uses up `in`.
void read_codes(ByteReader& in, std::span<const std::span<std::int8_t>> factors);

}  // namespace weft::archive
