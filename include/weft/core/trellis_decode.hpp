// Decoding of a trellis block by one warp, from its words to finished units.
//
// Read me first:
// * A thread block decodes blocks of one segment at a time. What they share lies in its shared memory (TrellisMemory): the
//   unit of every level, what a predictor looks up, and the stream's compact rows. Without predicted means there is a faster
//   way, for which more memory is needed (trellis_maps.hpp).
// * A step is that of TrellisWalk (trellis_code.hpp), which CPUs and encoders take, lane by lane and in the fewest instructions:
//   what is looked up is spread out so that nothing has to be limited before, and levels and classes of the past are numbers of
//   their own. Tests compare the two.
#pragma once

#include "weft/core/trellis_rows.hpp"
#include "weft/core/trellis_units.hpp"

namespace weft::core {

// The parts of what a thread block shares, in words.
struct TrellisMemory {
  // No index that a row can say is further from zero than 96 + 28, so levels lie within 256.
  static constexpr std::uint32_t kValueBias = 256, kValues = 0;
  static_assert(2 * (kMaxReach + (kMaxMean + 8) / 8) + 1 < kValueBias);
  // By the place in the period, again and again, so that a tile of steps finds its taps side by side: the taps, and what
  // takes the bias of a history's bytes back, kMaxNormal.
  static constexpr std::uint32_t kTaps = 2 * kValueBias, kTapPairs = kMaxPeriod + kClassesAhead;
  // Shifts, signed bytes, by an eighth of the energy, what it will lose. It stays below eight times the largest error.
  static constexpr std::uint32_t kShifts = kTaps + 2 * kTapPairs, kShiftBytes = kLargestError + 1;
  static_assert(kEnergyEntries << 5 == kShiftBytes << kEnergyDecay);
  // Of each class, kErrorScale and kDeviation side by side.
  static constexpr std::uint32_t kClasses = kShifts + kShiftBytes / 4, kRows = kClasses + 2 * kScaleClasses;
  static_assert(kClasses % 2 == 0);
};

// Bytes of it.
WEFT_HD constexpr std::uint32_t trellis_memory_bytes(std::uint32_t row_words, std::uint32_t row_count) {
  return 4 * (TrellisMemory::kRows + row_words * row_count);
}

// One of `threads` threads that fill the memory together. kExact: with rows that exact_symbol() knows.
template <bool kExact>
WEFT_HD void fill_trellis_memory(const TrellisGroup& group, std::uint32_t* memory, std::uint32_t thread,
                                 std::uint32_t threads) {
  using Memory = TrellisMemory;
  const TrellisParameters& stream = *group.stream;
  for (std::uint32_t i = thread; i < 2 * Memory::kValueBias; i += threads) {
    const std::int32_t level = static_cast<std::int32_t>(i) - static_cast<std::int32_t>(Memory::kValueBias);
    memory[Memory::kValues + i] = unit_word(group, level);
  }
  if constexpr (kExact) {
    const std::uint32_t words = exact_row_words(stream.row_words);
    for (std::uint32_t i = thread; i < words * stream.row_count; i += threads) {
      const std::uint32_t* row = stream.rows + i / words * stream.row_words;
      const std::uint32_t at = i % words;
      memory[Memory::kRows + i] = at < kParts ? exact_part(row, at) : row[kBucketWords + at - kParts];
    }
  } else {
    for (std::uint32_t i = thread; i < stream.row_words * stream.row_count; i += threads)
      memory[Memory::kRows + i] = stream.rows[i];
  }
  const std::uint32_t* predictor = stream.predictor;
  if (predictor == nullptr) return;
  for (std::uint32_t i = thread; i < Memory::kTapPairs; i += threads) {
    const std::uint32_t taps = predictor[PredictorWords::kTaps + i % stream.period];
    memory[Memory::kTaps + 2 * i] = taps;
    memory[Memory::kTaps + 2 * i + 1] =
        static_cast<std::uint32_t>(dot_bytes(taps, 0x01010101) * -static_cast<std::int32_t>(kMaxNormal));
  }
  auto* shifts = reinterpret_cast<std::uint8_t*>(memory + Memory::kShifts);
  for (std::uint32_t i = thread; i < Memory::kShiftBytes; i += threads)
    shifts[i] = static_cast<std::uint8_t>(
        predictor[PredictorWords::kShifts + i / (Memory::kShiftBytes / kEnergyEntries)] - kMaxShift);
  for (std::uint32_t i = thread; i < 2 * kScaleClasses; i += threads)
    memory[Memory::kClasses + i] =
        predictor[(i % 2 == 0 ? PredictorWords::kErrorScales : PredictorWords::kDeviations) + i / 2];
}

// Steps of decode_runs() to words of units.
template <KernelWarp W, bool kZero, bool kPredict, bool kExact>
class RowSteps {
 public:
  using U32 = typename W::U32;
  static constexpr std::uint32_t kTile = ScaleWalk<W>::kSteps;

  // taps: eight times the lanes' places in the period.
  WEFT_HD RowSteps(const TrellisParameters& stream, const std::uint32_t* memory, ScaleWalk<W> classes, U32 taps)
      : memory_(reinterpret_cast<const std::uint8_t*>(memory)),
        row_bytes_(4 * (kExact ? exact_row_words(stream.row_words) : stream.row_words)),
        class_bytes_(row_bytes_ * tables_in_use(kZero, kPredict)),
        skipped_(stream.lowest_class * class_bytes_),
        flips_(flips_of(parity_of(stream.states_log2))),
        period_bytes_(8 * stream.period),
        tile_bytes_(8 * (kTile % stream.period)),
        classes_(classes),
        taps_(taps) {}

  WEFT_HD void look_ahead() { classes_.look_ahead(); }
  WEFT_HD U32 coming(std::uint32_t i, U32& x) {
    const U32 unit = step(classes_.coming(i), i, x);
    if (i == kTile - 1) move_taps(tile_bytes_);
    return unit;
  }
  WEFT_HD U32 next(U32& x) {
    const U32 unit = step(classes_.next(), 0, x);
    move_taps(8);
    return unit;
  }

 private:
  using Memory = TrellisMemory;
  static constexpr bool kMeans = kPredict && !kZero;

  // What a lane knows of its past: the trellis's state, the energy, what levels have left, plus kMaxNormal in each byte.
  struct Past {
    std::uint32_t state, energy, history;
  };
  // What it finds out about the next weight: where the class's row is, its kErrorScale, and the predicted mean as it is seen
  // from the quantizer, in quarter steps and 4 more.
  struct Look {
    std::uint32_t row, scale, mean;
  };

  // What a state is xored with, a byte each: by the quantizer, plus twice the index's parity.
  WEFT_HD static std::uint32_t flips_of(const Parity& parity) {
    return parity.h0 << 8 | parity.h1 << 16 | (parity.h0 ^ parity.h1) << 24;
  }
  WEFT_HD std::uint32_t word_at(std::uint32_t first_word, std::int32_t byte) const {
    return load_aligned<std::uint32_t>(memory_ + 4 * first_word + byte);
  }
  WEFT_HD static std::int32_t limited(std::int32_t x, std::int32_t low, std::int32_t high) {
    return x < low ? low : high < x ? high : x;
  }
  WEFT_HD static std::int32_t size_of(std::int32_t x) { return x < 0 ? -x : x; }
  // Of a mean, from -4 to 3, and mirrored below zero.
  WEFT_HD static std::int32_t phase_of(std::int32_t mean) { return (mean & 7) - 4; }

  // To the places after these bytes of taps.
  WEFT_HD void move_taps(std::uint32_t bytes) {
    if constexpr (kMeans)
      W::for_each_lane(
          [this, bytes](std::uint32_t, std::uint32_t& taps) {
            taps += bytes;
            taps -= taps < period_bytes_ ? 0 : period_bytes_;
          },
          taps_);
  }

  // taps: where they are.
  WEFT_HD Look look(const Past& past, std::uint32_t expected, std::uint32_t taps) const {
    Look to{};
    auto scale_class = static_cast<std::int32_t>(expected);
    NearPair of_class{};
    if constexpr (kPredict) {
      of_class = load_aligned<NearPair>(memory_ + 4 * Memory::kClasses + 8 * expected);
      to.scale = of_class.first;
      scale_class += static_cast<std::int8_t>(memory_[4 * Memory::kShifts + (past.energy >> kEnergyDecay)]);
      scale_class = limited(scale_class, 0, kScaleClasses - 1);
    }
    std::uint32_t table = past.state & 1;
    if constexpr (kMeans) {
      constexpr int kShift = kTapBits + kNormalBits + kDeviationBits;
      const auto of_place = load_aligned<NearPair>(memory_ + 4 * Memory::kTaps + taps);
      const std::int32_t normal = dot_unsigned_bytes(past.history, of_place.first, signed_of(of_place.second));
      const std::int32_t sum = normal * signed_of(of_class.second) + (1 << (kShift - 1)) + (kMaxMean << kShift);
      const std::int32_t mean =
          clamp_to(sum >> kShift, 2 * kMaxMean) + (4 - kMaxMean) - static_cast<std::int32_t>(4 * table);
      to.mean = static_cast<std::uint32_t>(mean);
      table = static_cast<std::uint32_t>(size_of(phase_of(mean)));
    }
    to.row = static_cast<std::uint32_t>(scale_class) * class_bytes_ + table * row_bytes_ - skipped_;
    return to;
  }

  // From a symbol's distance to the word of its level's unit.
  WEFT_HD std::uint32_t move_on(Past& past, const Look& to, std::int32_t distance) const {
    const auto q = static_cast<std::int32_t>(past.state & 1);
    std::int32_t index = distance, level = 0;
    if constexpr (kMeans) {
      const std::int32_t centre = signed_of(to.mean) >> 3;
      index = phase_of(signed_of(to.mean)) < 0 ? centre - distance : centre + distance;
    } else if constexpr (!kZero) {
      index = q != 0 ? -distance : distance;
    }
    if constexpr (kZero)
      level = 2 * index - (q == 0 ? 0 : index < 0 ? -1 : index > 0 ? 1 : 0);
    else
      level = 2 * index + q;
    const auto flip = static_cast<std::uint32_t>(kZero ? (2 * index & 2) | q : level & 3);
    past.state = past.state >> 1 ^ permute_bytes(flips_, 0, flip);  // and byte 0 above it, which is zero
    if constexpr (kPredict) {
      // The level is as far from the mean as the symbol's distance from the mean's phase.
      const std::int32_t error = kMeans ? 8 * distance - size_of(phase_of(signed_of(to.mean))) : 4 * level;
      const std::uint32_t scaled = static_cast<std::uint32_t>(size_of(error)) * to.scale >> 8;
      past.energy += (scaled < kLargestError ? scaled : kLargestError) - (past.energy >> kEnergyDecay);
    }
    if constexpr (kMeans) {
      constexpr int kShift = 14 - kQuarterBits - kNormalBits, kMost = static_cast<int>(kMaxNormal);
      const std::int32_t left = level * signed_of(to.scale) + (1 << (kShift - 1)) + (kMost << kShift);
      past.history = permute_bytes(unsigned_of(clamp_to(left >> kShift, 2 * kMost)), past.history, 0x6540);
    }
    return word_at(Memory::kValues + Memory::kValueBias, 4 * level);
  }

  // Calls f(past, value, look, x, taps) for each lane.
  template <class F>
  WEFT_HD void for_each_lane(F f, U32& value, U32 (&look)[3], U32& x) {
    W::for_each_lane(
        [&f](std::uint32_t, std::uint32_t& value_of, std::uint32_t& row, std::uint32_t& scale, std::uint32_t& mean,
             std::uint32_t& coder, std::uint32_t& state, std::uint32_t& energy, std::uint32_t& history,
             std::uint32_t taps) {
          Past past{state, energy, history};
          Look to{row, scale, mean};
          f(past, value_of, to, coder, taps);
          row = to.row, scale = to.scale, mean = to.mean;
          state = past.state, energy = past.energy, history = past.history;
        },
        value, look[0], look[1], look[2], x, state_, energy_, history_, taps_);
  }
  WEFT_HD static std::int32_t signed_of(std::uint32_t x) { return static_cast<std::int32_t>(x); }
  WEFT_HD static std::uint32_t unsigned_of(std::int32_t x) { return static_cast<std::uint32_t>(x); }

  // `ahead`: of the taps, in places.
  WEFT_HD U32 step(U32 value, std::uint32_t ahead, U32& x) {
    U32 looks[3] = {};
    for_each_lane([this, ahead](Past& past, std::uint32_t& expected, Look& to, std::uint32_t&,
                                std::uint32_t taps) { to = look(past, expected, taps + 8 * ahead); },
                  value, looks, x);
    value = find_symbol(looks[0], x);
    for_each_lane(
        [this](Past& past, std::uint32_t& packed_then_unit, Look& to, std::uint32_t& coder, std::uint32_t) {
          const std::uint32_t packed = packed_then_unit;
          coder = symbol_frequency(packed) * (coder >> kProbBits) + slots_after(packed, coder);
          packed_then_unit = move_on(past, to, symbol_distance(packed));
        },
        value, looks, x);
    return value;
  }

  // The word of the state's symbol in a row.
  WEFT_HD U32 find_symbol(U32 row, U32& x) const {
    U32 packed = W::splat(0), wrong = W::splat(0);
    W::for_each_lane(
        [this](std::uint32_t, std::uint32_t& row_then_symbol, std::uint32_t& word, std::uint32_t& coder) {
          const std::uint8_t* begin = memory_ + 4 * Memory::kRows + row_then_symbol;
          row_then_symbol += kExact ? exact_symbol(begin, coder) : compact_symbol(begin, coder);
          word = word_at(Memory::kRows, signed_of(row_then_symbol));
        },
        row, packed, x);
    while (!kExact) {
      W::for_each_lane(
          [](std::uint32_t, std::uint32_t& is_wrong, std::uint32_t& word, std::uint32_t& coder) {
            is_wrong = slots_after(word, coder) < symbol_frequency(word) ? 0 : 1;
          },
          wrong, packed, x);
      if (!W::any(W::less(W::splat(0), wrong))) break;  // most often at once
      W::for_each_lane(
          [this](std::uint32_t, std::uint32_t& is_wrong, std::uint32_t& symbol, std::uint32_t& word) {
            symbol += 4 * is_wrong;
            word = word_at(Memory::kRows, signed_of(symbol));
          },
          wrong, row, packed);
    }
    return packed;
  }

  const std::uint8_t* memory_;
  std::uint32_t row_bytes_, class_bytes_, skipped_, flips_, period_bytes_, tile_bytes_;
  ScaleWalk<W> classes_;
  U32 state_ = W::splat(0), energy_ = W::splat(kFirstEnergy), history_ = W::splat(kMaxNormal * 0x01010101), taps_;
};

// A whole block. `memory` has been filled for its group; `room` has W::kWordBytes, aligned to 16.
template <KernelWarp W, class Unit, bool kZero, bool kPredict, bool kExact>
WEFT_HD Status decode_trellis_block(const TrellisParameters& stream, const TrellisJob& job, const std::uint32_t* memory,
                                    std::uint8_t* room, std::uint8_t* outputs) {
  const Weave weave(job.n, job.lanes_log2);
  const auto taps =
      kPredict && !kZero ? places_of_lanes<W>(job.first_element, weave.run, stream.period) << 3 : W::splat(0);
  return decode_units<W, Unit>(stream, job, weave,
                               RowSteps<W, kZero, kPredict, kExact>(
                                   stream, memory, ScaleWalk<W>(stream.scales, job.first_element, weave.run), taps),
                               room, outputs);
}

}  // namespace weft::core
