// Decoding of a trellis block by one warp, from its words to finished units.
//
// Read me first:
// * A thread block decodes blocks of one segment. What they share lies in its shared memory (TrellisMemory): the unit of
//   every level, what a predictor looks up, and the stream's compact rows.
// * Each lane has a run of its own in the output. It keeps the units of eight steps in registers and stores 16 bytes at once,
//   where the runs are aligned to that.
// * Whoever fills in a job has checked its sizes; what the bytes say is checked here.
#pragma once

#include <bit>

#include "weft/core/decode_block.hpp"
#include "weft/core/scale_walk.hpp"
#include "weft/core/trellis_code.hpp"
#include "weft/core/trellis_rows.hpp"

namespace weft::core {

// A stream, in device memory.
struct TrellisParameters {
  ScaleParameters scales;
  const std::uint32_t* rows;       // compact, [class - lowest_class][table in use]
  const std::uint32_t* predictor;  // kPredictorWords; null without prediction
  std::uint32_t row_words;         // of a row
  std::uint32_t row_count;
  std::uint32_t lowest_class;
  float fine_step;
  std::uint8_t states_log2;
  FloatType type;
};

// Blocks of one segment, decoded by one thread block.
struct TrellisGroup {
  const TrellisParameters* stream;
  std::uint32_t first_job, job_count;
  std::int8_t corrections[3];
};

struct TrellisJob {
  const std::uint8_t* words;
  const std::uint8_t* far;      // the records, then units of those that say kFarExact
  std::uint64_t out;            // offset from where all jobs of a launch write
  std::uint64_t first_element;  // of the stream
  std::uint32_t n, word_count, far_count;
  std::uint8_t lanes_log2;
};

// The parts of what a thread block shares, in words.
struct TrellisMemory {
  // No index that a row can say is further from zero than 96 + 28, so levels lie within 256.
  static constexpr std::uint32_t kValueBias = 256, kValues = 0;
  static_assert(2 * (kMaxReach + (kMaxMean + 8) / 8) + 1 < kValueBias);
  static constexpr std::uint32_t kTaps = 2 * kValueBias, kShifts = kTaps + kMaxTaps * kRatios;
  static constexpr std::uint32_t kErrorScales = kShifts + kEnergyEntries, kRows = kErrorScales + kScaleClasses;
  static constexpr std::uint32_t kPredictorWords = kRows - kTaps;
};

// Bytes of it.
WEFT_HD constexpr std::uint32_t trellis_memory_bytes(std::uint32_t row_words, std::uint32_t row_count) {
  return 4 * (TrellisMemory::kRows + row_words * row_count);
}

// Calls f(FloatUnit of the type).
template <class F>
WEFT_HD auto with_float_type(FloatType type, F f) {
  switch (type) {
    case FloatType::kBF16:
      return f(FloatUnit<FloatType::kBF16>{});
    case FloatType::kF16:
      return f(FloatUnit<FloatType::kF16>{});
    case FloatType::kF32:
      return f(FloatUnit<FloatType::kF32>{});
    default:
      return f(FloatUnit<FloatType::kF64>{});
  }
}

// One of `threads` threads that fill the memory together.
WEFT_HD void fill_trellis_memory(const TrellisGroup& group, std::uint32_t* memory, std::uint32_t thread,
                                 std::uint32_t threads) {
  const TrellisParameters& stream = *group.stream;
  for (std::uint32_t i = thread; i < 2 * TrellisMemory::kValueBias; i += threads) {
    const std::int32_t level = static_cast<std::int32_t>(i) - static_cast<std::int32_t>(TrellisMemory::kValueBias);
    const float value = static_cast<float>(fine_level(level, group.corrections)) * stream.fine_step;
    memory[TrellisMemory::kValues + i] =
        with_float_type(stream.type, [value](auto unit) { return decltype(unit)::narrow(value); });
  }
  for (std::uint32_t i = thread; stream.predictor != nullptr && i < TrellisMemory::kPredictorWords; i += threads)
    memory[TrellisMemory::kTaps + i] = stream.predictor[i];
  for (std::uint32_t i = thread; i < stream.row_words * stream.row_count; i += threads)
    memory[TrellisMemory::kRows + i] = stream.rows[i];
}

// The rows in a thread block's memory, as decode_path() asks for them.
template <KernelWarp W>
struct CompactRows {
  const std::uint32_t* rows;
  std::uint32_t row_words, tables, skipped;  // words of the classes that have no rows
  template <class Walk>
  WEFT_HD typename W::U32 step(const Walk& walk, typename W::U32& x) const {
    auto symbol = walk.scale_class() * W::splat(tables) + walk.table_in_use();
    W::for_each_lane([this](std::uint32_t, std::uint32_t& row,
                            std::uint32_t& state) { row = compact_step(rows + (row * row_words - skipped), state); },
                     symbol, x);
    return symbol;
  }
};

// Words for decode_path() out of a stream, which never runs out; whether it went too far is seen in the end.
template <KernelWarp W>
class StreamedWords {
 public:
  WEFT_HD StreamedWords(const std::uint16_t* words, std::uint32_t word_count, std::uint32_t cursor, std::uint8_t* room)
      : stream_(words + cursor, word_count - cursor, room), count_(word_count - cursor), before_(cursor) {}
  WEFT_HD bool ready(std::uint32_t) {
    stream_.ready();
    return true;
  }
  WEFT_HD void take(typename W::U32& x) { W::take_words(stream_, x); }
  WEFT_HD bool finish(std::uint32_t& cursor) const {
    cursor = before_ + stream_.taken();
    return stream_.taken() <= count_;
  }

 private:
  typename W::WordStream stream_;
  std::uint32_t count_, before_;
};

// Takes levels and stores units. `values` are the words of the units (FloatUnit), by level.
template <KernelWarp W, class Unit>
class UnitSink {
 public:
  using U32 = typename W::U32;
  static constexpr std::uint32_t kSteps = 8;

  WEFT_HD UnitSink(const Weave& weave, const std::uint32_t* values, std::uint8_t* out)
      : values_(values), out_(out), run_(weave.run), vectors_(is_aligned(out, 16) && weave.run % kPerStore == 0) {}

  WEFT_HD void add(std::uint32_t step, U32 levels) {
    const U32 word = word_of(levels);
    if (sizeof(Unit) > 2)
      words_[step] = word;
    else if (step % 2 == 0)
      words_[step / 2] = word;
    else
      words_[step / 2] = words_[step / 2] | word << 16;
  }
  WEFT_HD void flush(std::uint32_t first) {
    if (vectors_) {
      if constexpr (sizeof(Unit) == 8) {
        for (int i = 0; i < 4; i++) store_doubles(first + 2 * i, words_[2 * i], words_[2 * i + 1]);
      } else {
        for (std::uint32_t i = 0; i < kWords / 4; i++)
          store_words(first + i * kPerStore, words_[4 * i], words_[4 * i + 1], words_[4 * i + 2], words_[4 * i + 3]);
      }
      return;
    }
    const auto all = W::first_lanes(kLanes);
    for (std::uint32_t step = 0; step < kSteps; step++) {
      if (sizeof(Unit) > 2)
        store_one(first + step, all, words_[step]);
      else
        store_one(first + step, all, step % 2 == 0 ? words_[step / 2] : words_[step / 2] >> 16);
    }
  }
  WEFT_HD void one(std::uint32_t step, typename W::Mask active, U32 levels) {
    store_one(step, active, word_of(levels));
  }

 private:
  static constexpr std::uint32_t kPerStore = 16 / sizeof(Unit), kWords = sizeof(Unit) == 2 ? 4 : 8;

  WEFT_HD U32 word_of(U32 levels) const {
    return W::gather(values_, levels - W::splat(kLevelBias - TrellisMemory::kValueBias));
  }
  WEFT_HD std::uint8_t* place(std::uint32_t lane, std::uint32_t step) const {
    return out_ + (std::size_t{lane} * run_ + step) * sizeof(Unit);
  }
  WEFT_HD static Unit unit_of(std::uint32_t word) {
    if constexpr (sizeof(Unit) == 8) return FloatUnit<FloatType::kF64>::widen(word);
    return static_cast<Unit>(word);
  }
  WEFT_HD void store_words(std::uint32_t step, U32 a, U32 b, U32 c, U32 d) {
    W::for_each_lane(
        [&](std::uint32_t lane, std::uint32_t w0, std::uint32_t w1, std::uint32_t w2, std::uint32_t w3) {
          store_aligned(place(lane, step), Words4{{w0, w1, w2, w3}});
        },
        a, b, c, d);
  }
  WEFT_HD void store_doubles(std::uint32_t step, U32 a, U32 b) {
    W::for_each_lane(
        [&](std::uint32_t lane, std::uint32_t first, std::uint32_t second) {
          const std::uint64_t x = unit_of(first), y = unit_of(second);
          store_aligned(place(lane, step),
                        Words4{{static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(x >> 32),
                                static_cast<std::uint32_t>(y), static_cast<std::uint32_t>(y >> 32)}});
        },
        a, b);
  }
  WEFT_HD void store_one(std::uint32_t step, typename W::Mask active, U32 words) {
    U32 stored = W::select(active, W::splat(1), W::splat(0));
    W::for_each_lane(
        [&](std::uint32_t lane, std::uint32_t is_stored, std::uint32_t word) {
          if (is_stored != 0) store_bytewise(place(lane, step), unit_of(word));
        },
        stored, words);
  }

  const std::uint32_t* values_;
  std::uint8_t* out_;
  std::uint32_t run_;
  bool vectors_;
  U32 words_[kWords] = {};
};

// Puts the far weights in their places, after all positions have proved to be ascending and within the block.
template <KernelWarp W, class Unit>
WEFT_HD Status put_far_weights(const TrellisParameters& stream, const TrellisJob& job, std::uint8_t* out) {
  const std::uint32_t count = job.far_count;
  const auto record = [&job](std::uint32_t i) { return load_bytewise<std::uint32_t>(job.far + 4 * std::size_t{i}); };
  const auto position_of = [&record](std::uint32_t i) { return far_position(record(i)); };
  if (!ascend_within<W>(count, job.n, position_of)) return Status::kExceptions;
  W::sync();
  const std::uint8_t* units = job.far + 4 * std::size_t{count};
  for (std::uint32_t first = 0; first < count; first += kLanes) {
    const auto is_exact = W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
      return first + lane < count && far_level(record(first + lane)) == kFarExact ? 1 : 0;
    });
    const std::uint32_t exact = W::ballot(W::less(W::splat(0), is_exact));
    W::for_each_lane([&](std::uint32_t lane) {
      if (first + lane >= count) return;
      const std::uint32_t here = record(first + lane);
      std::uint8_t* to = out + std::size_t{far_position(here)} * sizeof(Unit);
      if ((exact >> lane & 1) != 0) {
        const std::uint32_t before = count_bits(exact & ((1u << lane) - 1));
        store_bytewise(to, load_bytewise<Unit>(units + std::size_t{before} * sizeof(Unit)));
        return;
      }
      const float value = static_cast<float>(far_level(here) * (1 << kFineBits)) * stream.fine_step;
      with_float_type(stream.type, [to, value](auto type) {
        using Type = decltype(type);
        if constexpr (sizeof(typename Type::Unit) == sizeof(Unit)) store_bytewise(to, Type::widen(Type::narrow(value)));
      });
    });
    units += std::size_t{count_bits(exact)} * sizeof(Unit);
  }
  return Status::kOk;
}

// A whole block. `memory` has been filled for its group; `room` has W::kWordBytes, aligned to 16.
template <KernelWarp W, class Unit, bool kZero, bool kPredict>
WEFT_HD Status decode_trellis_block(const TrellisParameters& stream, const TrellisJob& job, const std::uint32_t* memory,
                                    std::uint8_t* room, std::uint8_t* outputs) {
  const Weave weave(job.n, job.lanes_log2);
  const Predictor predictor{memory + TrellisMemory::kTaps, memory + TrellisMemory::kShifts,
                            memory + TrellisMemory::kErrorScales};
  std::uint8_t* out = outputs + job.out;
  UnitSink<W, Unit> sink(weave, memory + TrellisMemory::kValues, out);
  const std::uint32_t tables = tables_in_use(kZero, kPredict);
  const CompactRows<W> rows{memory + TrellisMemory::kRows, stream.row_words, tables,
                            stream.lowest_class * tables * stream.row_words};
  const auto* words = reinterpret_cast<const std::uint16_t*>(job.words);
  const Status status = decode_path<W>(
      weave, TrellisWalk<W, kZero, kPredict>(stream.states_log2, predictor), rows,
      ScaleWalk<W>(stream.scales, job.first_element, weave.run), words, job.word_count,
      [&](std::uint32_t cursor) { return StreamedWords<W>(words, job.word_count, cursor, room); }, sink);
  if (status != Status::kOk) return status;
  W::sync();
  return put_far_weights<W, Unit>(stream, job, out);
}

}  // namespace weft::core
