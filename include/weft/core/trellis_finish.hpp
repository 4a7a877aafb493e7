// From the path of a trellis block to its planes: rANS words, and the weights that are stored apart.
//
// * Far weights are ascending in their block while its steps are not: so they are marked first, a bit for each lane and
//   step, and written when all have been counted. They are rare.
#pragma once

#include "weft/core/encode_write.hpp"
#include "weft/core/team.hpp"
#include "weft/core/trellis_encode.hpp"

namespace weft::core {

// What a lane has seen of a block's weights.
struct InwardOfRun {
  std::int64_t sum[3] = {};
  std::uint32_t count[3] = {}, far = 0, exact = 0;
  // A weight that lies this far above its level. Such offsets are multiples of 2^-25 below 2^6: a double's sum is
  // exact.
  WEFT_HD void add(std::int32_t level, float offset) {
    const std::int32_t size = level < 0 ? -level : level;
    const float inside = (level < 0 ? offset : -offset) * static_cast<float>(1 << kInwardBits);
    for (int k = 0; k < 3; k++) {  // no index into registers
      const bool mine = k < 2 ? size == k + 1 : size > 2;
      sum[k] += mine ? static_cast<std::int64_t>(inside) : 0;
      count[k] += mine ? 1 : 0;
    }
  }
  template <KernelWarp W>
  WEFT_HD void add_to(TrellisEncodeJob& job) const {
    for (int k = 0; k < 3; k++) {
      W::add(&job.inward.sum[k], static_cast<std::uint64_t>(sum[k]));
      W::add(&job.inward.count[k], count[k]);
    }
    if (far == 0) return;
    W::add(&job.far_count, far);
    W::add(&job.exact_count, exact);
  }
};

// Whether a weight that is stored apart is stored as a level.
WEFT_HD bool has_far_level(const TrellisEncoding& stream, float steps) {
  return (steps < 0 ? -steps : steps) < stream.largest_level;  // false for NaN
}

// Looks at a weight with its level: counts it, and says whether it is far from it.
WEFT_HD bool look_at_weight(const TrellisEncoding& stream, float steps, std::int32_t level, InwardOfRun& seen) {
  const float offset = steps - static_cast<float>(level);
  const std::int32_t size = level < 0 ? -level : level;
  const bool strays = stream.pins_zero != 0 && steps == 0 && level != 0;
  if (offset * offset <= stream.far_limit && static_cast<float>(size) <= stream.largest_level && !strays) {
    if (stream.correct != 0) seen.add(level, offset);
    return false;
  }
  seen.far++;
  seen.exact += has_far_level(stream, steps) ? 0 : 1;
  return true;
}

// The symbols along the path, the far weights, and the words.
template <KernelWarp W, bool kZero, bool kPredict>
WEFT_HD void code_trellis_block(TrellisEncodeJob& job) {
  using U32 = typename W::U32;
  const TrellisEncoding& stream = *job.stream;
  const Weave weave = job.weave();
  TrellisWalk<W, kZero, kPredict> walk(
      stream.states_log2, kPredict ? predictor_at(stream.predictor, stream.period) : Predictor{},
      kPredict && !kZero ? places_of_lanes<W>(job.first_element, weave.run, stream.period) : W::splat(0));
  const std::uint32_t tables = tables_in_use(kZero, kPredict);
  typename W::template PerLane<InwardOfRun> seen{};
  constexpr std::uint32_t kTogether = 4;  // steps whose memory is asked for at once
  for (std::uint32_t first = 0; first < padded_run(weave.run); first += kTogether) {
    U32 classes[kTogether], steps[kTogether];
    const U32 path = W::select(W::first_lanes(weave.lanes), W::load_table(job.path + std::size_t{first / 4} * kLanes),
                               W::splat(0x01010101u * kIndexZero));  // nobody searched for the others
    WEFT_UNROLL(4)
    for (std::uint32_t i = 0; i < kTogether; i++) {
      const std::size_t row = std::size_t{first + i} * kLanes;
      classes[i] = W::load_bytes(job.classes + row);
      steps[i] = W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
        const std::uint32_t at = lane * weave.run + first + i;
        const bool present = lane < weave.lanes && first + i < weave.run && at < weave.n;
        return present ? bits_of_float(weight_in_steps(stream, job.units, at)) : 0;
      });
    }
    WEFT_UNROLL(4)
    for (std::uint32_t i = 0; i < kTogether; i++) {
      const std::uint32_t t = first + i;
      walk.look(classes[i]);
      const U32 index =
          walk.limit((path >> static_cast<int>(8 * i)) & W::splat(255), W::gather(stream.reaches, walk.scale_class()));
      const U32 row = (walk.scale_class() - W::splat(stream.lowest_class)) * W::splat(tables) + walk.table_in_use();
      W::store_table(job.woven + std::size_t{t} * kLanes, (row << 8) + walk.symbol_of(index));
      U32 far = walk.advance(index);
      W::for_each_lane(
          [&](std::uint32_t lane, std::uint32_t& level, std::uint32_t bits) {
            const std::uint32_t at = lane * weave.run + t;
            const bool present = lane < weave.lanes && t < weave.run && at < weave.n;
            const auto number = static_cast<std::int32_t>(level) - static_cast<std::int32_t>(kLevelBias);
            level = present && look_at_weight(stream, float_of_bits(bits), number, seen[lane]) ? 1 : 0;
          },
          far, steps[i]);
      const std::uint32_t marks = W::ballot(W::less(W::splat(0), far));
      W::for_each_lane([&](std::uint32_t lane) {
        if (lane == 0) job.decisions[t] = marks;
      });
    }
  }
  W::for_each_lane([&](std::uint32_t lane) { seen[lane].template add_to<W>(job); });
  W::sync();
  const std::uint32_t count = rans_encode_woven<W, kTogether>(weave, job.woven, stream.coders, job.words_end);
  W::for_each_lane([&](std::uint32_t lane) {
    if (lane == 0) job.word_count = count;
  });
}

// Writes a block's far weights: the records, then the units of those that no level stands for. `scratch`: 32 numbers.
template <KernelWarp W>
WEFT_HD void write_far_weights(const TrellisEncodeJob& job, std::uint8_t* out, std::uint64_t* scratch) {
  const TrellisEncoding& stream = *job.stream;
  const Weave weave = job.weave();
  const std::uint32_t unit_bytes = unit_bytes_of(stream.type);
  // Calls f(position, weight in steps) for the far ones of a lane, in order.
  const auto for_far = [&](std::uint32_t lane, auto f) {
    for (std::uint32_t t = 0; t < weave.run; t++)
      if ((job.decisions[t] >> lane & 1) != 0)
        f(lane * weave.run + t, weight_in_steps(stream, job.units, lane * weave.run + t));
  };
  W::for_each_lane([&](std::uint32_t lane) {
    std::uint32_t far = 0, exact = 0;
    for_far(lane, [&](std::uint32_t, float steps) {
      far++;
      exact += has_far_level(stream, steps) ? 0 : 1;
    });
    scratch[lane] = std::uint64_t{exact} << 32 | far;
  });
  W::sync();
  W::for_each_lane([&](std::uint32_t lane) {
    std::uint64_t before = 0;
    for (std::uint32_t other = 0; other < lane; other++) before += scratch[other];
    std::uint8_t* record = out + 4 * (before & 0xFFFFFFFF);
    std::uint8_t* exact = out + 4 * std::size_t{job.far_count} + (before >> 32) * unit_bytes;
    for_far(lane, [&](std::uint32_t position, float steps) {
      const bool fits = has_far_level(stream, steps);
      store_bytewise(record, far_record(position, fits ? nearest_integer(steps) : kFarExact));
      record += 4;
      if (fits) return;
      for (std::uint32_t i = 0; i < unit_bytes; i++) *exact++ = job.units[std::size_t{position} * unit_bytes + i];
    });
  });
  W::sync();  // scratch is free again
}

// Writes the planes of jobs[index] behind those of the jobs before it: words, then far weights. Every warp finds out
// for itself where that is. `scratch`: 32 numbers of its own, near the warp.
template <KernelWarp W>
WEFT_HD void pack_trellis_block(const TrellisEncodeJob* jobs, std::uint32_t index, std::uint8_t* out,
                                std::uint64_t* scratch) {
  const TrellisEncodeJob& job = jobs[index];
  if (job.packed_bytes(unit_bytes_of(job.stream->type)) == 0) return;
  WarpTeam<W> team{scratch};
  const std::uint64_t begin = reduce(
      team,
      [&](std::uint32_t lane) {
        std::uint64_t sum = 0;
        for (std::uint32_t i = lane; i < index; i += kLanes)
          sum += packed_room(jobs[i], unit_bytes_of(jobs[i].stream->type));
        return sum;
      },
      [](std::uint64_t a, std::uint64_t b) { return a + b; });
  const std::uint16_t* words = job.words_end - job.word_count;
  copy_bytes<W>(out + begin, reinterpret_cast<const std::uint8_t*>(words), 2 * job.word_count);
  if (job.far_count > 0) write_far_weights<W>(job, out + begin + 2 * std::size_t{job.word_count}, scratch);
}

}  // namespace weft::core
