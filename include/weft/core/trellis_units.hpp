// Where the words of a trellis block come from on a device, and where its units go.
//
// * Each lane has a run of its own in the output. It keeps the units of some steps in registers and stores 16 bytes at once,
//   where the runs are aligned to that.
#pragma once

#include <bit>

#include "weft/core/decode_block.hpp"
#include "weft/core/trellis_code.hpp"
#include "weft/core/trellis_job.hpp"

namespace weft::core {

// Words for decode_runs() out of a stream, which never runs out; whether it went too far is seen in the end. Lanes that a
// block does not have decode something, too, but take no words for it.
template <KernelWarp W>
class StreamedWords {
 public:
  static constexpr bool kAnyLanes = true;
  WEFT_HD StreamedWords(const std::uint16_t* words, std::uint32_t word_count, std::uint32_t cursor, std::uint32_t lanes,
                        std::uint8_t* room)
      : stream_(words + cursor, word_count - cursor, room), word_count_(word_count), active_(W::first_lanes(lanes)) {}
  WEFT_HD bool ready(std::uint32_t) {
    stream_.ready();
    return true;
  }
  WEFT_HD void take(typename W::U32& x) { W::take_words(stream_, x, active_); }
  WEFT_HD void finish(std::uint32_t& cursor) const {
    cursor = word_count_ - static_cast<std::uint32_t>(stream_.left());
  }

 private:
  typename W::WordStream stream_;
  std::uint32_t word_count_;
  typename W::Mask active_;
};

// Takes words of units (FloatUnit) and stores units, those of kSteps steps at once: at least the 32 bytes that device memory
// is written by. kInHighHalf: units of 16 bits are in the high halves of their words.
template <KernelWarp W, class Unit, bool kInHighHalf>
class UnitSink {
 public:
  using U32 = typename W::U32;
  static constexpr std::uint32_t kSteps = sizeof(Unit) == 2 ? 16 : 8;

  WEFT_HD UnitSink(const Weave& weave, std::uint8_t* out)
      : out_(out), run_(weave.run), lanes_(weave.lanes), vectors_(is_aligned(out, 16) && weave.run % kPerStore == 0) {}

  WEFT_HD void add(std::uint32_t step, U32 word) {
    if constexpr (sizeof(Unit) > 2)
      words_[step] = word;
    else if (step % 2 == 0)
      words_[step / 2] = word;
    else
      W::for_each_lane([](std::uint32_t, std::uint32_t& low,
                          std::uint32_t high) { low = permute_bytes(low, high, kInHighHalf ? 0x7632 : 0x5410); },
                       words_[step / 2], word);
  }
  WEFT_HD void flush(std::uint32_t first) {
    if (vectors_) {
      if constexpr (sizeof(Unit) == 8) {
        for (std::uint32_t i = 0; i < kWords / 2; i++) store_doubles(first + 2 * i, words_[2 * i], words_[2 * i + 1]);
      } else {
        for (std::uint32_t i = 0; i < kWords / 4; i++)
          store_words(first + i * kPerStore, words_[4 * i], words_[4 * i + 1], words_[4 * i + 2], words_[4 * i + 3]);
      }
      return;
    }
    const auto all = W::first_lanes(lanes_);
    for (std::uint32_t step = 0; step < kSteps; step++) {
      if (sizeof(Unit) > 2)
        store_one(first + step, all, words_[step]);
      else
        store_one(first + step, all, step % 2 == 0 ? words_[step / 2] : words_[step / 2] >> 16);
    }
  }
  WEFT_HD void one(std::uint32_t step, typename W::Mask active, U32 word) {
    store_one(step, active, kInHighHalf ? word >> 16 : word);
  }

 private:
  static constexpr std::uint32_t kPerStore = 16 / sizeof(Unit), kWords = sizeof(Unit) == 2 ? kSteps / 2 : kSteps;

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
          if (lane < lanes_) store_aligned(place(lane, step), Words4{{w0, w1, w2, w3}});
        },
        a, b, c, d);
  }
  WEFT_HD void store_doubles(std::uint32_t step, U32 a, U32 b) {
    W::for_each_lane(
        [&](std::uint32_t lane, std::uint32_t first, std::uint32_t second) {
          if (lane >= lanes_) return;
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

  std::uint8_t* out_;
  std::uint32_t run_, lanes_;
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
      const float value = weight_at(stream, far_level(here) * (1 << kFineBits));
      with_float_type(stream.type, [to, value](auto type) {
        using Type = decltype(type);
        if constexpr (sizeof(typename Type::Unit) == sizeof(Unit)) store_bytewise(to, Type::widen(Type::narrow(value)));
      });
    });
    units += std::size_t{count_bits(exact)} * sizeof(Unit);
  }
  return Status::kOk;
}

// A whole block, by steps of decode_runs() to words of units. `room` has W::kWordBytes, aligned to 16.
template <KernelWarp W, class Unit, class Steps>
WEFT_HD Status decode_units(const TrellisParameters& stream, const TrellisJob& job, const Weave& weave, Steps steps,
                            std::uint8_t* room, std::uint8_t* outputs) {
  std::uint8_t* out = outputs + job.out;
  UnitSink<W, Unit, Steps::kInHighHalf> sink(weave, out);
  const auto* words = reinterpret_cast<const std::uint16_t*>(job.words);
  const Status status = decode_runs<W>(
      weave, steps, words, job.word_count,
      [&](std::uint32_t cursor) { return StreamedWords<W>(words, job.word_count, cursor, weave.lanes, room); }, sink);
  if (status != Status::kOk) return status;
  W::sync();
  return put_far_weights<W, Unit>(stream, job, out);
}

}  // namespace weft::core
