// Trellis-coded quantization: what both directions know (FORMAT.md 3.4).
//
// Read me first:
// * In state s a weight's index k stands for the level m = 2 k + Q with Q = s & 1, in steps of half a cell; the parity of
//   k leads to the next state. So the two quantizers are the even and the odd levels, and k costs a bit less than m.
// * The zero-keeping labelling has m = 2 k - sign(k) in the odd quantizer, so that both quantizers have a zero.
// * n = (s >> 1) ^ (s & 1 ? H0 : 0) ^ (k & 1 ? H1 : 0), where only H0 has its top bit set: the predecessors of n and of
//   n ^ H1 are the same two states, both of one quantizer, which makes the search a butterfly.
//
// Source: Ungerboeck, "Channel coding with multilevel/phase signals", IEEE Trans. IT-28 (1982), table I; Marcellin and
// Fischer, "Trellis coded quantization of memoryless and Gauss-Markov sources", IEEE Trans. COM-38 (1990).
#pragma once

#include "weft/core/rans_params.hpp"

namespace weft::core {

inline constexpr int kMinStatesLog2 = 2, kMaxStatesLog2 = 8;  // of a trellis; one state is a uniform quantizer
WEFT_HD constexpr bool is_states_log2(int log2) {
  return log2 == 0 || (kMinStatesLog2 <= log2 && log2 <= kMaxStatesLog2);
}
inline constexpr int kStepBits = 8;       // a weight in fixed point is in 1/256 steps
inline constexpr int kIndexZero = 128;    // the symbol of an index that is where it was predicted
inline constexpr int kMaxReach = 96;      // |index - predicted index| never exceeds it
inline constexpr int kMaxIndex = 96;      // nor does |index|
inline constexpr int kQuarterBits = 2;    // a predicted level is in 1/4 steps
inline constexpr int kMaxMean = 224;      // and its size at most this: 56 steps
inline constexpr int kScaleClasses = 32;  // deviation of a class: 2^(class / 3) / 16 steps
inline constexpr int kClassTables = 6;    // per class: distance of the mean from an index, 0 to 4 eighths; 5: odd, zero
inline constexpr int kOddZeroTable = 5;
inline constexpr int kMaxTaps = 4;               // of a place in the period
inline constexpr std::uint32_t kMaxPeriod = 64;  // that taps repeat with: a kernel's weights
inline constexpr int kTapBits = 5;               // a tap is in 1/32
inline constexpr int kNormalBits = 4;            // a level that predicts others is in 1/16 deviations
inline constexpr std::uint32_t kMaxNormal = 127;
inline constexpr std::int32_t kMaxOffset = 1 << 22;  // fine steps of level 0: a float32 holds those of every level

// The weight that lies so many fine steps from level 0 of a stream, which has a fine_step and an offset.
template <class Stream>
WEFT_HD float weight_at(const Stream& stream, std::int32_t fine) {
  return static_cast<float>(fine + stream.offset) * stream.fine_step;
}

// The parity checks' upper bits; the lowest bit of h0 is what Q feeds back.
struct Parity {
  std::uint32_t h0, h1;
};
WEFT_HD constexpr Parity parity_of(int states_log2) {
  switch (states_log2) {
    case 0:
      return {0, 0};
    case 2:
      return {05 >> 1, 02 >> 1};
    case 3:
      return {013 >> 1, 04 >> 1};
    case 4:
      return {023 >> 1, 04 >> 1};
    case 5:
      return {045 >> 1, 010 >> 1};
    case 6:
      return {0103 >> 1, 024 >> 1};
    case 7:
      return {0235 >> 1, 0126 >> 1};
    default:
      return {0515 >> 1, 0362 >> 1};
  }
}

// The level of an index in a quantizer, 0 or 1.
WEFT_HD constexpr std::int32_t level_of_index(bool keeps_zero, std::int32_t index, std::int32_t quantizer) {
  const std::int32_t sign = index < 0 ? -1 : index > 0 ? 1 : 0;
  return 2 * index + quantizer * (keeps_zero ? -sign : 1);
}

// A class's deviation in 1/16 quarter steps: 4 * 2^(class / 3).
inline constexpr int kDeviationBits = 4;
inline constexpr std::uint32_t kDeviation[kScaleClasses] = {
    4,   5,   6,   8,   10,  13,  16,  20,  25,   32,   40,   51,   64,   81,   102,  128,
    161, 203, 256, 323, 406, 512, 645, 813, 1024, 1290, 1625, 2048, 2580, 3251, 4096, 5161};

// Local energy: how large the last errors of prediction in a lane were, against what their classes expect. It moves the
// class of the next weight up or down.
inline constexpr int kEnergyBins = 12;
// By how many classes local energy usually moves a weight: what is cheapest to store.
inline constexpr int kUsualShifts[kEnergyBins] = {-2, -1, -1, -1, -1, 0, 0, 1, 1, 2, 2, 2};
inline constexpr int kMaxShift = 4;                   // classes up or down
inline constexpr int kEnergyDecay = 3;                // an error's weight falls by 1/8 with each that follows
inline constexpr std::uint32_t kFirstEnergy = 384;    // 3/4 of a deviation, in 1/512
inline constexpr std::uint32_t kLargestError = 1023;  // in 1/64 deviations
inline constexpr std::uint32_t kEnergyEntries = 256;  // energies in 1/16 deviations

// The bin of an energy in 1/16 deviations: a third of an octave each.
WEFT_HD constexpr int energy_bin(std::uint32_t energy) {
  constexpr std::uint32_t kEdges[kEnergyBins - 1] = {4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40};
  int bin = 0;
  while (bin < kEnergyBins - 1 && energy >= kEdges[bin]) bin++;
  return bin;
}

// What an error in quarter steps is multiplied by to be in 1/2^14 deviations of a class, the quantizer's own error
// included: 4096 / sqrt(4^(class / 3) / 256 + 1 / 3).
inline constexpr std::uint32_t kErrorScale[kScaleClasses] = {
    7053, 7029, 6992, 6934, 6844, 6709, 6510, 6228, 5847, 5363, 4793, 4173, 3547, 2955, 2425, 1968,
    1584, 1269, 1013, 807,  642,  511,  406,  322,  256,  203,  161,  128,  102,  81,   64,   51};

// A weight that is stored apart: its place in the block in the lower bits, and above them a level, or kFarExact where the
// unit itself is stored.
inline constexpr int kFarLevelBits = 14, kFarPositionBits = 32 - kFarLevelBits;
inline constexpr std::int32_t kFarExact = -(1 << (kFarLevelBits - 1));
WEFT_HD constexpr std::uint32_t far_position(std::uint32_t record) { return record & ((1u << kFarPositionBits) - 1); }
WEFT_HD constexpr std::int32_t far_level(std::uint32_t record) {
  return static_cast<std::int32_t>(record) >> kFarPositionBits;
}
WEFT_HD constexpr std::uint32_t far_record(std::uint32_t position, std::int32_t level) {
  return position | static_cast<std::uint32_t>(level) << kFarPositionBits;
}

// The order of a block: lane l has the units from l * run on, so that a weight's left neighbours are in its own lane. In woven
// arrays unit t of lane l is element t * width + l, and width is at least the number of lanes.
struct Weave {
  std::uint32_t n, lanes, run, width;
  WEFT_HD constexpr Weave(std::uint32_t units, int lanes_log2, std::uint32_t w = kLanes)
      : n(units), lanes(1u << lanes_log2), run((units + lanes - 1) >> lanes_log2), width(w) {}
  [[nodiscard]] WEFT_HD constexpr std::size_t elements() const { return std::size_t{run} * width; }
  // Steps in which all lanes have a unit.
  [[nodiscard]] WEFT_HD constexpr std::uint32_t whole_steps() const {
    return n > (lanes - 1) * run ? n - (lanes - 1) * run : 0;
  }
  // Lanes that have a unit in step t < run: always the first ones.
  WEFT_HD constexpr std::uint32_t active(std::uint32_t t) const {
    const std::uint32_t count = (n - t + run - 1) / run;
    return count < lanes ? count : lanes;
  }
};

}  // namespace weft::core
