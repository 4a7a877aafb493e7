// Pairs of neighbouring symbols that are coded as one (FORMAT.md 3.1): half the steps of a decoder.
//
// Read me first:
// * Exponents and small levels nearly all lie in a window of 16 symbols, so two of them are one byte, and a table of 256 has
//   them all. What lies outside, and pairs too rare to be worth a slot of the table, is replaced by something likely and
//   put right afterwards by records of position and symbol.
// * The window is chosen from a sample of a segment, so that one pass counts pairs and what lies outside.
// * Pairs cost a little (rare ones are rounded up to a slot of 4096). They are taken where that is less than half a per
//   cent: twice the speed is worth it.
#pragma once

#include "weft/core/frequency.hpp"

namespace weft::core {

inline constexpr std::uint32_t kPairSide = 16;
inline constexpr std::uint32_t kLastPairBase = kTableSymbols - kPairSide;
inline constexpr std::uint64_t kFewestForPairs = std::uint64_t{1} << 16;  // symbols of a segment
inline constexpr std::uint32_t kWindowRuns = 64, kWindowRun = 64;         // of symbols that choose the window
inline constexpr std::uint32_t kRecordBytes = 4;
inline constexpr std::uint32_t kPairPrice = 192;  // they may be larger than single symbols by one part in so many

struct PairWindow {     // nothing is initialised, for shared memory cannot be
  std::uint8_t base;    // symbols base .. base + 15 are in the window
  std::uint8_t filler;  // of these, what stands in for symbols outside
  std::uint8_t usable;
  WEFT_HD bool has(std::uint32_t symbol) const { return symbol - base < kPairSide; }
  WEFT_HD std::uint32_t place(std::uint32_t symbol) const { return has(symbol) ? symbol - base : filler - base; }
  WEFT_HD std::uint32_t pair(std::uint32_t first, std::uint32_t second) const {
    return place(first) | place(second) << 4;
  }
};

WEFT_HD std::uint32_t first_of_pair(std::uint32_t pair, std::uint32_t base) { return base + (pair & 15); }
WEFT_HD std::uint32_t second_of_pair(std::uint32_t pair, std::uint32_t base) { return base + (pair >> 4); }

// Position in the block in bits 0-17, symbol in bits 24-31; the rest is zero.
WEFT_HD std::uint32_t pack_record(std::uint32_t position, std::uint32_t symbol) { return position | symbol << 24; }
WEFT_HD std::uint32_t position_of_record(std::uint32_t record) { return record & 0xFFFFFF; }
WEFT_HD std::uint32_t symbol_of_record(std::uint32_t record) { return record >> 24; }

// A block of n symbols with more records is stored raw. So many take two bits a symbol: blocks of small tensors that share a
// stream may differ in scale, and are still far smaller than raw.
WEFT_HD constexpr std::uint32_t most_records(std::uint32_t n) { return n / 16; }
// Bytes of a plane of pairs: its words, its records, and how many these are.
WEFT_HD constexpr std::uint32_t bytes_of_pairs(std::uint32_t words, std::uint32_t records) {
  return 2 * words + kRecordBytes * records + 4;
}

// Where run `run` of a sample of n symbols begins; n is at least kFewestForPairs.
WEFT_HD constexpr std::uint64_t sample_begin(std::uint64_t n, std::uint32_t run) { return n / kWindowRuns * run; }

// Which window is taken of those that hold the same part of a sample: what a sample has not shown of exponents is below the
// others, of levels on both sides.
enum class WindowTies : std::uint8_t { kLowest, kMiddle };

// The largest f(s) of the symbols from .. to, which is below 2^56, in bits 8 and up; in bits 0-7 its symbol, of equal ones the
// last, or 255 less the first.
template <class Team, class F>
WEFT_HD std::uint64_t largest_of(std::uint32_t from, std::uint32_t to, bool last, F f, Team& team) {
  return reduce(
      team,
      [&](std::uint32_t lane) {
        std::uint64_t mine = 0;
        for (std::uint32_t s = from + lane; s <= to; s += Team::kLanes) {
          const std::uint64_t ranked = f(s) << 8 | (last ? s : 255 - s);
          mine = ranked > mine ? ranked : mine;
        }
        return mine;
      },
      [](std::uint64_t a, std::uint64_t b) { return a > b ? a : b; });
}

// The window for symbols that occur so often in a sample.
template <class Team>
WEFT_HD PairWindow choose_window(const std::uint64_t counts[256], WindowTies ties, Team& team) {
  const auto covered = [&](std::uint32_t base) {
    std::uint64_t sum = 0;
    for (std::uint32_t s = base; s < base + kPairSide; s++) sum += counts[s];
    return sum;
  };
  const auto count = [&](std::uint32_t s) { return counts[s]; };
  const std::uint64_t total = sum_symbols(team, [&](int s) { return counts[s]; });
  const std::uint64_t lowest = largest_of(0, kLastPairBase, false, covered, team), first = 255 - (lowest & 255);
  const std::uint64_t last =
      ties == WindowTies::kMiddle ? largest_of(0, kLastPairBase, true, covered, team) & 255 : first;
  PairWindow window{};
  window.base = static_cast<std::uint8_t>((first + last) / 2);
  window.filler =
      static_cast<std::uint8_t>(255 - (largest_of(window.base, window.base + kPairSide - 1, false, count, team) & 255));
  window.usable = total > 0 && total - (lowest >> 8) <= total / 64 ? 1 : 0;
  return window;
}

// A segment's plane as it was counted: pairs, with fillers for symbols outside of the window, and these symbols themselves.
struct PairCounts {
  std::uint64_t pairs[256];
  std::uint32_t outside[256];
};

// How often a symbol occurs; `fillers` of the symbols are no such.
WEFT_HD std::uint64_t count_of_symbol(const PairCounts& counts, const PairWindow& window, std::uint64_t fillers,
                                      std::uint32_t symbol) {
  if (!window.has(symbol)) return counts.outside[symbol];
  const std::uint32_t place = symbol - window.base;
  std::uint64_t count = 0;
  for (std::uint32_t other = 0; other < kPairSide; other++)
    count += counts.pairs[place | other << 4] + counts.pairs[other | place << 4];
  return symbol == window.filler ? count - fillers : count;
}

// What stands in for a pair that occurs less often than `fewest` times: the most frequent of those that stay and share a
// half with it, else `commonest`.
WEFT_HD std::uint32_t replacement_of(const std::uint64_t pairs[256], std::uint64_t fewest, std::uint32_t commonest,
                                     std::uint32_t pair) {
  if (pairs[pair] >= fewest || pairs[pair] == 0) return pair;
  std::uint32_t best = kTableSymbols;
  for (std::uint32_t i = 0; i < 2 * kPairSide; i++) {
    const std::uint32_t near = i < kPairSide ? (pair & 0x0F) | i << 4 : (pair & 0xF0) | (i - kPairSide);
    if (pairs[near] < fewest) continue;
    if (best == kTableSymbols || pairs[near] > pairs[best] || (pairs[near] == pairs[best] && near < best)) best = near;
  }
  return best == kTableSymbols ? commonest : best;
}

// What is chosen for a plane, pairs or single symbols: how often each occurs, and its frequency.
struct PlaneChoice {
  std::uint64_t counts[256];
  std::uint16_t frequencies[256];
};

// In 1/256 bit; symbols without a frequency do not count.
template <class Team>
WEFT_HD std::uint64_t coded_length(const PlaneChoice& choice, Team& team) {
  return sum_symbols(team, [&](int s) {
    return choice.frequencies[s] != 0 ? choice.counts[s] * code_length(choice.frequencies[s]) : 0;
  });
}

// How many halves of pairs are lost where pairs are replaced: each takes a record.
template <class Team>
WEFT_HD std::uint64_t halves_replaced(const std::uint64_t pairs[256], const std::uint8_t replacement[256], Team& team) {
  return sum_symbols(team, [&](int s) {
    const auto pair = static_cast<std::uint32_t>(s), stands = std::uint32_t{replacement[s]};
    return pairs[s] * ((pair % 16 != stands % 16 ? 1u : 0u) + (pair / 16 != stands / 16 ? 1u : 0u));
  });
}

// How many symbols lie outside of the window; so does each.
template <class Team>
WEFT_HD std::uint64_t symbols_outside(const PairCounts& counts, const PairWindow& window, Team& team) {
  return sum_symbols(team, [&](int s) { return window.has(static_cast<std::uint32_t>(s)) ? 0 : counts.outside[s]; });
}

// What records cost, in 1/256 bit.
WEFT_HD constexpr std::uint64_t length_of_records(std::uint64_t records) { return records * (256 * 8 * kRecordBytes); }

struct PairDecision {
  bool pairs = false;
  std::uint64_t records = 0;  // about so many
};

// Decides between pairs and single symbols for a plane of an even number of symbols, and fills in both choices; of pairs that
// occur, replacement[pair] is what is coded for them. A plane without two different symbols is not for pairs.
template <class Team>
WEFT_HD PairDecision choose_pairs(const PairCounts& counts, const PairWindow& window, PlaneChoice& pairs,
                                  PlaneChoice& singles, std::uint8_t replacement[256], Team& team) {
  const std::uint64_t outside = symbols_outside(counts, window, team);
  const std::uint64_t total = sum_symbols(team, [&](int s) { return counts.pairs[s]; });
  for_each_symbol(team, [&](int s) {
    singles.counts[s] = count_of_symbol(counts, window, outside, static_cast<std::uint32_t>(s));
  });
  if (normalise(singles.counts, singles.frequencies, team) < 2) return {};

  const std::uint64_t fewest = (total >> 16) + 1;
  const auto commonest =
      static_cast<std::uint32_t>(255 - (largest_of(
                                            0, 255, false, [&](std::uint32_t s) { return counts.pairs[s]; }, team) &
                                        255));
  for_each_symbol(team, [&](int s) {
    replacement[s] =
        static_cast<std::uint8_t>(replacement_of(counts.pairs, fewest, commonest, static_cast<std::uint32_t>(s)));
  });
  for_each_symbol(team, [&](int s) {
    const auto pair = static_cast<std::uint32_t>(s);
    std::uint64_t count = replacement[s] == s ? counts.pairs[s] : 0;
    const auto take = [&](std::uint32_t from) {
      if (from != pair && replacement[from] == s) count += counts.pairs[from];
    };
    if (pair == commonest) {
      for (std::uint32_t from = 0; from < kTableSymbols; from++) take(from);
    } else {  // of its row and column
      for (std::uint32_t i = 0; i < kPairSide; i++) take((pair & 0x0F) | i << 4), take((pair & 0xF0) | i);
    }
    pairs.counts[s] = count;
  });
  const std::uint64_t records = outside + halves_replaced(counts.pairs, replacement, team);
  if (normalise(pairs.counts, pairs.frequencies, team) < 2) return {};
  const std::uint64_t single = coded_length(singles, team);
  const std::uint64_t paired = coded_length(pairs, team) + length_of_records(records);
  return {paired <= single + single / kPairPrice, records};
}

}  // namespace weft::core
