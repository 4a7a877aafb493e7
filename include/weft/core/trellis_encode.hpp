// Encoding of trellis blocks on a device, in passes that run one after the other:
//
//   weave   weights to fixed point and their classes, woven (trellis_weave.hpp)
//   search  the cheapest path, which is the CPU's (trellis_spread.hpp)
//   code    symbols along the path and their rANS words, to scratch memory; which weights are far (trellis_finish.hpp)
//   pack    words and far weights of all blocks, one after the other, for one copy to the host
//
// Read me first:
// * The host chooses models, shapes and scales, and puts the finished planes into blocks with their checksums: they are
//   a small part of what the weights were.
// * Scratch memory is 8 bytes a weight and a bit for each state (at least 8), where blocks have all 32 lanes. A woven
//   array's element is used for three things in turn: the weight in fixed point, its four candidate indices, its place in
//   the coder's tables.
// * A warp of the search has 32 chains of a block with up to 8 states, 16 with 16 states, ... and one with 256.
#pragma once

#include "weft/core/encode_survey.hpp"
#include "weft/core/scale_walk.hpp"
#include "weft/core/trellis_code.hpp"
#include "weft/core/trellis_job.hpp"
#include "weft/core/trellis_rows.hpp"

namespace weft::core {

// A stream, in device memory. Tables have a row for each class from the lowest one on and each table in use.
struct TrellisEncoding {
  ScaleParameters scales;
  const std::uint32_t* prices;     // of symbols kIndexZero - reach .. kIndexZero + reach
  const EncodeTable* coders;       // whole rows
  const std::uint32_t* predictor;  // PredictorWords; null without prediction
  std::uint32_t period;            // of its taps; at least 1
  std::uint32_t reaches[kScaleClasses];
  std::uint32_t price_reach, row_count, lowest_class;
  std::uint32_t far_cost;
  float inverse;        // steps in a unit of weight
  float offset;         // of level 0, in steps
  float far_limit;      // squared steps, beyond which a weight is stored apart
  float largest_level;  // of weights that are restored from a level
  std::uint8_t states_log2, pins_zero, correct;
  FloatType type;

  [[nodiscard]] WEFT_HD std::uint32_t price_words() const { return 2 * price_reach + 1; }
};

// Sums over weights with a level whose size is 1, 2, and 3 or more.
struct TrellisInward {
  std::uint64_t sum[3];  // how far they lie inside of their levels, in 1/2^25 steps, modulo 2^64
  std::uint32_t count[3];
};
inline constexpr int kInwardBits = 25;

struct TrellisEncodeJob {
  const TrellisEncoding* stream;
  const std::uint8_t* units;
  std::uint64_t first_element;  // of the stream
  std::uint32_t* woven;         // padded_run() * 32, as are the next two
  std::uint8_t* classes;
  std::uint32_t* path;       // indices + 128 of four steps make a word
  std::uint32_t* decisions;  // decision_words(); later the far weights, a bit for each lane, step by step
  std::uint16_t* words_end;
  std::uint32_t n;
  std::uint8_t lanes_log2;
  TrellisInward inward;  // answers, as all that follows
  std::uint32_t word_count, far_count, exact_count;

  [[nodiscard]] WEFT_HD Weave weave() const { return {n, lanes_log2}; }
  [[nodiscard]] WEFT_HD std::uint32_t far_bytes(std::uint32_t unit_bytes) const {
    return 4 * far_count + unit_bytes * exact_count;
  }
  // What pack() writes; nothing if the block is stored as it is.
  [[nodiscard]] WEFT_HD std::uint32_t packed_bytes(std::uint32_t unit_bytes) const {
    const std::uint64_t bytes = 2 * std::uint64_t{word_count} + far_bytes(unit_bytes);
    return bytes < std::uint64_t{n} * unit_bytes ? static_cast<std::uint32_t>(bytes) : 0;
  }
};

// The room of packed planes, in whole pieces of 16 bytes.
WEFT_HD std::uint64_t packed_room(const TrellisEncodeJob& job, std::uint32_t unit_bytes) {
  return round_up(job.packed_bytes(unit_bytes), 16);
}

// Searches of one stream, for one thread block: number i is part i % search_warps() of job first_job + i /
// search_warps().
struct TrellisSearchGroup {
  std::uint32_t first_job, first, count;
};

// All passes work on whole tiles of steps; those that no lane has a weight in are harmless.
inline constexpr std::uint32_t kSearchTile = 32;
WEFT_HD constexpr std::uint32_t padded_run(std::uint32_t run) {
  return (run + kSearchTile - 1) / kSearchTile * kSearchTile;
}

// Warps that search a block's paths together; lanes that share a chain's states.
inline constexpr int kLaneStatesLog2 = 3;
WEFT_HD constexpr std::uint32_t search_warps(int states_log2) {
  return states_log2 <= kLaneStatesLog2 ? 1 : 1u << (states_log2 - kLaneStatesLog2);
}
// A lane's decisions of four steps make a word.
WEFT_HD constexpr std::size_t decision_words(std::uint32_t run, int states_log2) {
  return std::size_t{padded_run(run)} / 4 * kLanes * search_warps(states_log2);
}

WEFT_HD constexpr std::uint32_t unit_bytes_of(FloatType type) {
  return type == FloatType::kF32 ? 4 : type == FloatType::kF64 ? 8 : 2;
}

// A weight in steps from level 0.
WEFT_HD float weight_in_steps(const TrellisEncoding& stream, const std::uint8_t* units, std::uint32_t i) {
  const auto value = [&]<FloatType kType>() {
    using Unit = typename FloatUnit<kType>::Unit;
    return float_of_unit<kType>(load_aligned<Unit>(units + std::size_t{i} * sizeof(Unit))) * stream.inverse -
           stream.offset;
  };
  switch (stream.type) {
    case FloatType::kBF16:
      return value.template operator()<FloatType::kBF16>();
    case FloatType::kF16:
      return value.template operator()<FloatType::kF16>();
    case FloatType::kF32:
      return value.template operator()<FloatType::kF32>();
    default:
      return value.template operator()<FloatType::kF64>();
  }
}

}  // namespace weft::core
