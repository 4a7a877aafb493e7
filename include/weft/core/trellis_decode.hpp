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
  // What levels stand for, by twice the index plus the quantizer. No index that a row can say is further from zero than
  // 96 + 28, so they lie within 256.
  static constexpr std::uint32_t kValueBias = 256, kValues = 0;
  static_assert(2 * (kMaxReach + (kMaxMean + 8) / 8) + 1 < kValueBias);
  // What the trellis's state is xored with, by the same numbers' lowest two bits.
  static constexpr std::uint32_t kFlips = 2 * kValueBias;
  // By the place in the period, again and again, so that a tile of steps finds its taps side by side: the taps, and what
  // takes the bias of a history's bytes back, kMaxNormal.
  static constexpr std::uint32_t kTaps = kFlips + 4, kTapPairs = kMaxPeriod + kClassesAhead;
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

// The state is kept in bits 2 to 9 of a word, so that the quantizer is what its levels are shifted by, in quarter steps. Where
// a unit leaves room for it, a value's word says what the state is xored with, too: the unit is in its high half then.
inline constexpr std::uint32_t kStateMask = 255u << 2;
template <class Unit>
inline constexpr bool kFlipsInWords = sizeof(Unit) == 2;

// How classes are counted: with exact rows times eight, as a table of pairs of words is.
template <bool kExact>
inline constexpr int kClassLog2 = kExact ? 3 : 0;

// One of `threads` threads that fill the memory together. kExact: with rows that exact_symbol() knows.
template <class Unit, bool kZero, bool kExact>
WEFT_HD void fill_trellis_memory(const TrellisGroup& group, std::uint32_t* memory, std::uint32_t thread,
                                 std::uint32_t threads) {
  using Memory = TrellisMemory;
  const TrellisParameters& stream = *group.stream;
  const Parity parity = parity_of(stream.states_log2);
  const auto flip_of = [&parity](std::uint32_t number) {
    return ((number & 1) != 0 ? parity.h0 << 2 : 0) ^ ((number & 2) != 0 ? parity.h1 << 2 : 0);
  };
  for (std::uint32_t i = thread; i < 2 * Memory::kValueBias; i += threads) {
    const std::int32_t number = static_cast<std::int32_t>(i) - static_cast<std::int32_t>(Memory::kValueBias);
    const std::uint32_t word = unit_word(group, level_of_index(kZero, number >> 1, number & 1));
    memory[Memory::kValues + i] = kFlipsInWords<Unit> ? word << 16 | flip_of(i) : word;
  }
  for (std::uint32_t i = thread; i < 4; i += threads) memory[Memory::kFlips + i] = flip_of(i);
  if constexpr (kExact) {
    const std::uint32_t words = exact_row_words(stream.row_words);
    for (std::uint32_t i = thread; i < words * stream.row_count; i += threads)
      memory[Memory::kRows + i] =
          exact_row_word(stream.rows + i / words * stream.row_words, stream.row_words, i % words);
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
        (predictor[PredictorWords::kShifts + i / (Memory::kShiftBytes / kEnergyEntries)] - kMaxShift)
        << kClassLog2<kExact>);
  for (std::uint32_t i = thread; i < 2 * kScaleClasses; i += threads)
    memory[Memory::kClasses + i] =
        predictor[(i % 2 == 0 ? PredictorWords::kErrorScales : PredictorWords::kDeviations) + i / 2];
}

#if defined(__CUDACC__)
static __constant__ std::int32_t kMinusMostMean = -kMaxMean;
#endif
// -kMaxMean, which a device's compiler must not know: it would add it to one number of a sum before the other one.
WEFT_HD std::int32_t minus_most_mean() {
#if defined(__CUDA_ARCH__)
  return kMinusMostMean;
#else
  return -kMaxMean;
#endif
}

// Steps of decode_runs() to words of units.
template <KernelWarp W, class Unit, bool kZero, bool kPredict, bool kExact>
class RowSteps {
 public:
  using U32 = typename W::U32;
  using Classes = ScaleWalk<W, kClassLog2<kExact>>;
  static constexpr std::uint32_t kTile = Classes::kSteps;
  static constexpr bool kInHighHalf = kFlipsInWords<Unit>;

  // taps: eight times the lanes' places in the period.
  WEFT_HD RowSteps(const TrellisParameters& stream, const std::uint32_t* memory, Classes classes, U32 taps)
      : memory_(reinterpret_cast<const std::uint8_t*>(memory)),
        row_bytes_(4 * (kExact ? exact_row_words(stream.row_words) : stream.row_words)),
        class_bytes_((row_bytes_ * tables_in_use(kZero, kPredict)) >> kClassLog2<kExact>),
        skipped_(stream.lowest_class * (class_bytes_ << kClassLog2<kExact>)),
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
  // What it finds out about the next weight: where the class's row is, its kErrorScale, the predicted mean, in quarter steps
  // and kMaxMean more, and by how much it is above the quantizer's nearest level: -4 to 3.
  struct Look {
    std::uint32_t row, scale, mean, phase;
  };
  // Four times twice an index plus the quantizer, the level if zero does not belong to both; and how far the level is from
  // the mean, in quarter steps.
  struct Landing {
    std::int32_t number, error;
  };

  WEFT_HD std::uint32_t word_at(std::uint32_t first_word, std::int32_t byte) const {
    return load_aligned<std::uint32_t>(memory_ + 4 * first_word + byte);
  }
  WEFT_HD static std::int32_t size_of(std::int32_t x) { return x < 0 ? -x : x; }

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
      of_class = load_aligned<NearPair>(memory_ + 4 * Memory::kClasses + (expected << (3 - kClassLog2<kExact>)));
      to.scale = of_class.first;
      scale_class += static_cast<std::int8_t>(memory_[4 * Memory::kShifts + (past.energy >> kEnergyDecay)]);
      scale_class = clamp_to(scale_class, (kScaleClasses - 1) << kClassLog2<kExact>);
    }
    std::uint32_t table = past.state >> 2 & 1;
    if constexpr (kMeans) {
      constexpr int kShift = kTapBits + kNormalBits + kDeviationBits;
      const auto of_place = load_aligned<NearPair>(memory_ + 4 * Memory::kTaps + taps);
      const std::int32_t normal = dot_unsigned_bytes(past.history, of_place.first, signed_of(of_place.second));
      const std::int32_t sum = normal * signed_of(of_class.second) + (1 << (kShift - 1)) + (kMaxMean << kShift);
      to.mean = unsigned_of(clamp_to(sum >> kShift, 2 * kMaxMean));
      const std::int32_t phase = signed_bits<3>(to.mean ^ (past.state & 4));
      to.phase = unsigned_of(phase);
      table = unsigned_of(size_of(phase));
    }
    to.row = unsigned_of(scale_class) * class_bytes_ + table * row_bytes_ - skipped_;
    return to;
  }

  // Where a symbol's distance leads to.
  WEFT_HD static Landing landing(const Past& past, const Look& to, std::int32_t distance) {
    const std::int32_t quantizer = signed_of(past.state & 4);
    if constexpr (kMeans) {
      // Where the mean is below that level, the table is mirrored.
      const std::int32_t phase = signed_of(to.phase), error = distance * ((phase & ~15) | 8) - phase;
      return {signed_of(to.mean) + minus_most_mean() + error, error};
    } else if constexpr (kZero) {
      const std::int32_t size = 8 * size_of(distance) - quantizer;
      return {8 * distance + quantizer, size < 0 ? 0 : size};
    } else {
      const std::int32_t index = quantizer != 0 ? -distance : distance;
      return {8 * index + quantizer, 0};
    }
  }

  // From a symbol's distance to the word of its level's unit.
  WEFT_HD std::uint32_t move_on(Past& past, const Look& to, std::int32_t distance) const {
    const Landing at = landing(past, to, distance);
    const std::uint32_t word = word_at(Memory::kValues + Memory::kValueBias, at.number);
    const std::uint32_t flip = kFlipsInWords<Unit> ? word : word_at(Memory::kFlips, at.number & 12);
    past.state = opaque((past.state >> 1 ^ flip) & kStateMask);
    if constexpr (kPredict) {
      const std::uint32_t scaled = unsigned_of(size_of(at.error)) * to.scale >> 8;
      past.energy += (scaled < kLargestError ? scaled : kLargestError) - (past.energy >> kEnergyDecay);
    }
    if constexpr (kMeans) {
      constexpr int kShift = 14 - kNormalBits, kMost = static_cast<int>(kMaxNormal);
      const std::int32_t left = at.number * signed_of(to.scale) + (1 << (kShift - 1)) + (kMost << kShift);
      past.history = permute_bytes(unsigned_of(clamp_to(left >> kShift, 2 * kMost)), past.history, 0x6540);
    }
    return word;
  }

  // Calls f(past, value, look, x, taps) for each lane.
  template <class F>
  WEFT_HD void for_each_lane(F f, U32& value, U32 (&look)[4], U32& x) {
    W::for_each_lane(
        [&f](std::uint32_t, std::uint32_t& value_of, std::uint32_t& row, std::uint32_t& scale, std::uint32_t& mean,
             std::uint32_t& phase, std::uint32_t& coder, std::uint32_t& state, std::uint32_t& energy,
             std::uint32_t& history, std::uint32_t taps) {
          Past past{state, energy, history};
          Look to{row, scale, mean, phase};
          f(past, value_of, to, coder, taps);
          row = to.row, scale = to.scale, mean = to.mean, phase = to.phase;
          state = past.state, energy = past.energy, history = past.history;
        },
        value, look[0], look[1], look[2], look[3], x, state_, energy_, history_, taps_);
  }
  WEFT_HD static std::int32_t signed_of(std::uint32_t x) { return static_cast<std::int32_t>(x); }
  WEFT_HD static std::uint32_t unsigned_of(std::int32_t x) { return static_cast<std::uint32_t>(x); }

  // `ahead`: of the taps, in places.
  WEFT_HD U32 step(U32 value, std::uint32_t ahead, U32& x) {
    U32 looks[4] = {};
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
          const std::uint8_t* rows = memory_ + 4 * Memory::kRows;
          if constexpr (kExact)
            row_then_symbol = exact_symbol(rows, row_then_symbol, coder);
          else
            row_then_symbol += compact_symbol(rows + row_then_symbol, coder);
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
  std::uint32_t row_bytes_, class_bytes_, skipped_, period_bytes_, tile_bytes_;
  Classes classes_;
  U32 state_ = W::splat(0), energy_ = W::splat(kFirstEnergy), history_ = W::splat(kMaxNormal * 0x01010101), taps_;
};

// A whole block. `memory` has been filled for its group; `room` has W::kWordBytes, aligned to 16.
template <KernelWarp W, class Unit, bool kZero, bool kPredict, bool kExact>
WEFT_HD Status decode_trellis_block(const TrellisParameters& stream, const TrellisJob& job, const std::uint32_t* memory,
                                    std::uint8_t* room, std::uint8_t* outputs) {
  const Weave weave(job.n, job.lanes_log2);
  using Steps = RowSteps<W, Unit, kZero, kPredict, kExact>;
  const auto taps =
      kPredict && !kZero ? places_of_lanes<W>(job.first_element, weave.run, stream.period) << 3 : W::splat(0);
  const typename Steps::Classes classes(stream.scales, job.first_element, weave.run);
  return decode_units<W, Unit>(stream, job, weave, Steps(stream, memory, classes, taps), room, outputs);
}

}  // namespace weft::core
