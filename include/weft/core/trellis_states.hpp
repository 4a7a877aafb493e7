// Where a device's search has the states of a trellis, and what it keeps near (trellis_spread.hpp).
//
// * State n of a chain that is spread is number r of its lane L, where h1 is bit 0 of r (so that a butterfly stays in a
//   lane) and the top bit of n one of L (so that a lane knows one quantizer). Both maps are linear over GF(2).
// * They are chosen so that the exchange of old costs through shared memory meets no bank twice (with 16 states:
//   twice).
#pragma once

#include "weft/core/trellis_encode.hpp"

namespace weft::core {

inline constexpr std::uint32_t kLaneStates = 1u << kLaneStatesLog2;

// Where 16 states and more are: the bits of a state that are bit 0 (after which h1 is taken out), 1 and 2 of its number
// in a lane. The others, in order, are the lane's.
struct StateSplit {
  std::uint8_t bit[kLaneStatesLog2];
};
WEFT_HD constexpr StateSplit state_split(int states_log2) {
  switch (states_log2) {
    case 4:
      return {{1, 0, 2}};
    case 5:
      return {{2, 0, 3}};
    case 6:
      return {{1, 3, 4}};
    case 7:
      return {{5, 2, 3}};
    default:
      return {{3, 5, 6}};
  }
}

// A state of a chain: which of its lanes, and its number there.
struct StatePlace {
  std::uint32_t part, number;
};
WEFT_HD constexpr StatePlace place_of_state(int states_log2, std::uint32_t state) {
  const StateSplit split = state_split(states_log2);
  const std::uint32_t pair = state >> split.bit[0] & 1;
  const std::uint32_t rest = pair != 0 ? state ^ parity_of(states_log2).h1 : state;
  StatePlace place{0, pair | (rest >> split.bit[1] & 1) << 1 | (rest >> split.bit[2] & 1) << 2};
  for (int bit = 0, to = 0; bit < states_log2; bit++)
    if (bit != split.bit[0] && bit != split.bit[1] && bit != split.bit[2]) place.part |= (rest >> bit & 1) << to++;
  return place;
}
WEFT_HD constexpr std::uint32_t state_at(int states_log2, StatePlace place) {
  const StateSplit split = state_split(states_log2);
  std::uint32_t state = (place.number >> 1 & 1) << split.bit[1] | (place.number >> 2 & 1) << split.bit[2];
  for (int bit = 0, from = 0; bit < states_log2; bit++)
    if (bit != split.bit[0] && bit != split.bit[1] && bit != split.bit[2]) state |= (place.part >> from++ & 1) << bit;
  return (place.number & 1) != 0 ? state ^ parity_of(states_log2).h1 : state;
}

// What the warps of a thread block share, in words; then a room for each of them.
struct SearchMemory {
  // By state: the first lane of its part, plus 256 times its number there.
  static constexpr std::uint32_t kReaches = 0, kPlaces = kScaleClasses, kTaps = kPlaces + (1u << kMaxStatesLog2);
  static constexpr std::uint32_t kShifts = kTaps + PredictorWords::kShifts;
  static constexpr std::uint32_t kErrorScales = kTaps + PredictorWords::kErrorScales;
  static constexpr std::uint32_t kDeviations = kTaps + PredictorWords::kDeviations;
  static constexpr std::uint32_t kPrices = kTaps + PredictorWords::kCount;
};
WEFT_HD constexpr std::uint32_t search_memory_bytes(std::uint32_t price_words, std::uint32_t row_count) {
  return 16 * ((SearchMemory::kPrices + price_words * row_count + 3) / 4);
}
// A warp's states that other lanes read, double-buffered, and the branches of a tile.
inline constexpr std::uint32_t kWarpStates = kLanes * kLaneStates, kBranchWords = 4 * 2 * kLanes;
WEFT_HD constexpr std::uint32_t search_room_words(int states_log2, bool predicts) {
  if (states_log2 <= kLaneStatesLog2) return 0;
  return predicts ? 3 * 2 * kWarpStates : 2 * kWarpStates + kBranchWords;
}

// One of `threads` threads that fill the memory together.
WEFT_HD void fill_search_memory(const TrellisEncoding& stream, std::uint32_t* memory, std::uint32_t thread,
                                std::uint32_t threads) {
  const int log2 = stream.states_log2;
  for (std::uint32_t i = thread; i < kScaleClasses; i += threads)
    memory[SearchMemory::kReaches + i] = stream.reaches[i];
  for (std::uint32_t i = thread; log2 > kLaneStatesLog2 && i < 1u << log2; i += threads) {
    const StatePlace place = place_of_state(log2, i);
    memory[SearchMemory::kPlaces + i] = place.part * (kLanes / search_warps(log2)) | place.number << 8;
  }
  for (std::uint32_t i = thread; stream.predictor != nullptr && i < PredictorWords::kCount; i += threads)
    memory[SearchMemory::kTaps + i] = stream.predictor[i];
  for (std::uint32_t i = thread; i < stream.price_words() * stream.row_count; i += threads)
    memory[SearchMemory::kPrices + i] = stream.prices[i];
}

// Rows of prices in that memory, as branches_of() asks for them.
template <Warp W, bool kZero, bool kPredict>
struct NearPrices {
  using U32 = typename W::U32;
  const std::uint32_t* prices;
  std::uint32_t words, class_words, first;  // `first`: where class 0 would have its symbol 0
  WEFT_HD NearPrices(const TrellisEncoding& stream, const std::uint32_t* memory)
      : prices(memory + SearchMemory::kPrices),
        words(stream.price_words()),
        class_words(words * tables_in_use(kZero, kPredict)),
        first(0 - class_words * stream.lowest_class - (kIndexZero - stream.price_reach)) {}
  WEFT_HD U32 of_class(U32 classes) const { return classes * W::splat(class_words) + W::splat(first); }
  WEFT_HD U32 natural(U32 class_rows, std::uint32_t q, U32 table) const {
    return class_rows + (kPredict ? table * W::splat(words) : W::splat(q * words));
  }
  WEFT_HD U32 odd_zero(U32 class_rows) const { return class_rows + W::splat(words); }
};

}  // namespace weft::core
