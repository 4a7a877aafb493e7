// What a device is told about trellis blocks that it shall decode.
//
// * Whoever fills in a job has checked its sizes; what the bytes say is checked where they are decoded.
#pragma once

#include "weft/core/dequantize.hpp"
#include "weft/core/scale_walk.hpp"

namespace weft::core {

// What a predictor looks up, in words of device memory: taps by place, shifts by energy, kErrorScale, kDeviation.
struct PredictorWords {
  static constexpr std::uint32_t kTaps = 0, kShifts = kMaxPeriod, kErrorScales = kShifts + kEnergyEntries;
  static constexpr std::uint32_t kDeviations = kErrorScales + kScaleClasses, kCount = kDeviations + kScaleClasses;
};
WEFT_HD Predictor predictor_at(const std::uint32_t* words, std::uint32_t period) {
  return {words + PredictorWords::kTaps, words + PredictorWords::kShifts, words + PredictorWords::kErrorScales,
          words + PredictorWords::kDeviations, period};
}

// Where in the period the lanes of a block begin; or those of so many chains from there on, again and again.
template <KernelWarp W>
WEFT_HD typename W::U32 places_of_lanes(std::uint64_t first_element, std::uint32_t run, std::uint32_t period,
                                        std::uint32_t chains = kLanes) {
  return W::each_lane_value([=](std::uint32_t lane) {
    return static_cast<std::uint32_t>((first_element + std::uint64_t{lane % chains} * run) % period);
  });
}

// A stream, in device memory.
struct TrellisParameters {
  ScaleParameters scales;
  const std::uint32_t* rows;       // compact, [class - lowest_class][table in use]
  const std::uint32_t* predictor;  // PredictorWords; null without prediction
  std::uint32_t period;            // of its taps; at least 1
  std::uint32_t row_words;         // of a row
  std::uint32_t row_count;
  std::uint32_t lowest_class;
  float fine_step;
  std::int32_t offset;  // of level 0, in fine steps
  std::uint8_t states_log2;
  FloatType type;
};

// Blocks of one segment.
struct TrellisGroup {
  const TrellisParameters* stream;
  std::uint32_t first_job, job_count, jobs_before;  // of the groups before it
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

// FloatUnit's word of a level of the group's.
WEFT_HD std::uint32_t unit_word(const TrellisGroup& group, std::int32_t level) {
  const float value = weight_at(*group.stream, fine_level(level, group.corrections));
  return with_float_type(group.stream->type, [value](auto unit) { return decltype(unit)::narrow(value); });
}

}  // namespace weft::core
