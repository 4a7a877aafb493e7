// The encoder's search: the cheapest path through the trellis for the 32 lanes of a block (Viterbi).
//
// Read me first:
// * Cost is squared error plus lambda times rate, in integers (one squared step is 4096), so every machine finds the same
//   path; ties go to the even index.
// * Only four branches exist per weight: the best index of each parity in each quantizer. With prediction all states use
//   the mean that the cheapest survivor predicts; any path decodes, and the chosen one is priced exactly when it is coded.
// * An error beyond `far_cost` is cut off there: such a weight is stored apart, which costs a fixed number of bits.
// * Arrays are woven: element [t * W::kWidth + lane] is the lane's t-th weight.
#pragma once

#include "weft/core/trellis.hpp"
#include "weft/core/warp.hpp"

namespace weft::core {

inline constexpr std::uint32_t kLevelBias = 512;
inline constexpr std::uint32_t kPinnedCost = 1u << 24;  // more than any far_cost

// What the past of a lane is turned into; all null without prediction. Lanes gather from these.
struct Predictor {
  const std::uint32_t* taps;          // [period]: four signed bytes, in 1/32, that of the last weight lowest
  const std::uint32_t* shifts;        // [kEnergyEntries]: by how many classes an energy moves a weight, plus kMaxShift
  const std::uint32_t* error_scales;  // kErrorScale
  const std::uint32_t* deviations;    // kDeviation
  std::uint32_t period;               // at least 1
};

struct SearchInput {
  const std::uint32_t* fixed;   // woven: weights in 1/256 steps, two's complement, |x| <= kMaxIndex * 512
  const std::uint8_t* classes;  // woven
  const std::uint32_t* prices;  // [class * kClassTables + table][256]: lambda times code length
  const std::uint32_t* reach;   // per class: largest |symbol - kIndexZero|
  Predictor predictor;
  const std::uint32_t* places;  // where in the period the lanes begin, with prediction
  std::uint32_t far_cost;       // below 2^24
  bool pins_zero =
      false;  // with the zero-keeping labelling: a weight that is 0 gets another level only where that saves
              // kPinnedCost, and is then for the caller to store apart
};

struct SearchScratch {
  std::uint32_t* decisions;  // [run][states]: one bit per lane
  std::uint32_t* indices;    // [run][W::kWidth]: four candidate indices + 128, a byte each: quantizer * 2 + parity
};

// Rounded to nearest, ties to even.
WEFT_HD std::int32_t nearest_integer(float value) {
#if defined(__CUDA_ARCH__)
  return static_cast<std::int32_t>(rintf(value));
#else
  return static_cast<std::int32_t>(__builtin_rintf(value));
#endif
}

inline constexpr float kFixedLimit = kMaxIndex * 512 - 512;  // in 1/256 steps: what a search is given at most

// A weight, given in steps, as a search takes it; what is no number is zero.
WEFT_HD std::int32_t search_weight(float steps) {
  const float scaled = steps * static_cast<float>(1 << kStepBits);
  const float number = scaled == scaled ? scaled : 0.0f;
  return nearest_integer(number < -kFixedLimit ? -kFixedLimit : kFixedLimit < number ? kFixedLimit : number);
}

// Of the functions up to dot_bytes() a model may know a shorter way than the warp's operations are.

// v / 2^bits, rounded down, of a signed number.
template <Warp W>
WEFT_HD typename W::U32 shift_signed(typename W::U32 v, int bits) {
  if constexpr (requires { W::shift_signed(v, bits); })
    return W::shift_signed(v, bits);
  else
    return ((v + W::splat(1u << 31)) >> bits) - W::splat((1u << 31) >> bits);
}

// bit ? value : 0, for a bit that is 0 or 1.
template <Warp W>
WEFT_HD typename W::U32 when_bit(typename W::U32 bit, typename W::U32 value) {
  return (W::splat(0) - bit) & value;
}

template <Warp W>
WEFT_HD typename W::U32 smaller(typename W::U32 a, typename W::U32 b) {
  if constexpr (requires { W::smaller(a, b); })
    return W::smaller(a, b);
  else
    return W::select(W::less(a, b), a, b);
}

// Signed a < b, for sizes below 2^30.
template <Warp W>
WEFT_HD typename W::Mask signed_less(typename W::U32 a, typename W::U32 b) {
  if constexpr (requires { W::signed_less(a, b); }) {
    return W::signed_less(a, b);
  } else {
    const auto bias = W::splat(1u << 30);
    return W::less(a + bias, b + bias);
  }
}

template <Warp W>
WEFT_HD typename W::U32 negate_where(typename W::Mask mask, typename W::U32 x) {
  return W::select(mask, W::splat(0) - x, x);
}

// 0 .. top, whichever is nearest to x; |x| below 2^30.
template <Warp W>
WEFT_HD typename W::U32 clamp_signed(typename W::U32 x, std::uint32_t top) {
  if constexpr (requires { W::clamp_signed(x, top); }) {
    return W::clamp_signed(x, top);
  } else {
    const auto zero = W::splat(0);
    return smaller<W>(W::select(signed_less<W>(x, zero), zero, x), W::splat(top));
  }
}

// |x|, for sizes below 2^30.
template <Warp W>
WEFT_HD typename W::U32 size_of(typename W::U32 x) {
  if constexpr (requires { W::size_of(x); })
    return W::size_of(x);
  else
    return negate_where<W>(signed_less<W>(x, W::splat(0)), x);
}

// The products of four signed bytes each, added up.
template <Warp W>
WEFT_HD typename W::U32 dot_bytes(typename W::U32 a, typename W::U32 b) {
  if constexpr (requires { W::dot_bytes(a, b); }) {
    return W::dot_bytes(a, b);
  } else {
    const auto byte = [](typename W::U32 x, int i) {
      return (((x >> (8 * i)) & W::splat(255)) ^ W::splat(128)) - W::splat(128);
    };
    auto sum = W::splat(0);
    for (int i = 0; i < 4; i++) sum = sum + byte(a, i) * byte(b, i);
    return sum;
  }
}

// Where the lanes' next weights stand in the period of the taps.
template <Warp W>
class PeriodWalk {
 public:
  using U32 = typename W::U32;
  WEFT_HD PeriodWalk(U32 first, std::uint32_t period) : place_(first), period_(period) {}
  WEFT_HD U32 next() {
    const U32 here = place_, then = here + W::splat(1);
    place_ = W::select(W::less(then, W::splat(period_)), then, W::splat(0));
    return here;
  }

 private:
  U32 place_;
  std::uint32_t period_;
};

// The mean that the last levels predict, in quarter steps. history: what leave() made of them, a byte each, the last one
// lowest; taps: the word for the weight's place.
template <Warp W>
WEFT_HD typename W::U32 predict_mean(typename W::U32 taps, typename W::U32 history, typename W::U32 deviation) {
  constexpr int kBits = kTapBits + kNormalBits + kDeviationBits;
  const auto sum = dot_bytes<W>(taps, history) * deviation + W::splat(1u << (kBits - 1));
  const auto mean = shift_signed<W>(sum, kBits) + W::splat(kMaxMean);
  return clamp_signed<W>(mean, 2 * kMaxMean) - W::splat(kMaxMean);
}

// What a level (biased by kLevelBias) leaves to the weights after it: its size against what its class expects, in a byte.
template <Warp W>
WEFT_HD typename W::U32 leave(typename W::U32 level, typename W::U32 scale) {
  constexpr int kBits = 14 - kQuarterBits - kNormalBits;
  const auto normal = shift_signed<W>((level - W::splat(kLevelBias)) * scale + W::splat(1u << (kBits - 1)), kBits);
  const auto limited = clamp_signed<W>(normal + W::splat(kMaxNormal), 2 * kMaxNormal) - W::splat(kMaxNormal);
  return limited & W::splat(255);
}

// A history after one more level, and an energy after one more error.
template <Warp W>
WEFT_HD typename W::U32 push_level(typename W::U32 history, typename W::U32 left) {
  return (history << 8) | left;
}
template <Warp W>
WEFT_HD typename W::U32 next_energy(typename W::U32 energy, typename W::U32 error) {
  return energy - (energy >> kEnergyDecay) + error;
}

// The class of a weight after the lane's energy has moved it.
template <Warp W>
WEFT_HD typename W::U32 moved_class(typename W::U32 classes, typename W::U32 energy, const std::uint32_t* shifts) {
  const auto moved = classes + W::gather(shifts, smaller<W>(energy >> 5, W::splat(kEnergyEntries - 1)));
  return clamp_signed<W>(moved - W::splat(kMaxShift), kScaleClasses - 1);
}

// What a level (biased by kLevelBias) adds to the energy; scale: the class's kErrorScale.
template <Warp W>
WEFT_HD typename W::U32 error_of(typename W::U32 level, typename W::U32 mean, typename W::U32 scale) {
  const auto size = size_of<W>(((level - W::splat(kLevelBias)) << kQuarterBits) - mean);
  return smaller<W>((size * scale) >> 8, W::splat(kLargestError));
}

// Where quantizer Q's indices stand around a mean: the nearest index, which table, and whether it is mirrored.
template <Warp W>
struct Placement {
  typename W::U32 index, table;
  typename W::Mask mirrored;
};
// offset: the mean minus Q, in quarter steps.
template <Warp W>
WEFT_HD Placement<W> place(typename W::U32 offset) {
  const auto index = shift_signed<W>(offset + W::splat(4), 3);
  const auto phase = offset - (index << 3);  // -4 .. 3
  const auto mirrored = signed_less<W>(phase, W::splat(0));
  return {index, negate_where<W>(mirrored, phase), mirrored};
}

template <Warp W>
struct Branch {
  typename W::U32 cost, index, level;  // index + 128, level + kLevelBias
};

// The squared error of level m for weight x, and the price; cut off at far_cost.
template <Warp W>
WEFT_HD typename W::U32 branch_cost(typename W::U32 difference, typename W::U32 price, std::uint32_t far_cost) {
  const auto size = smaller<W>(size_of<W>(difference), W::splat((1u << 15) - 1));
  return smaller<W>((size * size) >> 4, W::splat(far_cost)) + price;
}

// The better of the nearest index of parity z and its neighbour towards the mean.
template <Warp W>
WEFT_HD Branch<W> natural_branch(typename W::U32 x, std::uint32_t q, std::uint32_t z, const Placement<W>& p,
                                 typename W::U32 reach, const std::uint32_t* prices, typename W::U32 row,
                                 std::uint32_t far_cost) {
  using U32 = typename W::U32;
  constexpr std::uint32_t kBias = 256;  // indices are kept positive here
  const U32 nearest = (((x + W::splat((1u << 18) + 512 - 256 * q - 512 * z)) >> 10) << 1) + W::splat(z + kBias - 512);
  const U32 centre = p.index + W::splat(kBias);
  const U32 low = centre - reach, high = centre + reach;
  U32 k = W::select(W::less(high, nearest), high - ((high ^ nearest) & W::splat(1)), nearest);
  k = W::select(W::less(k, low), low + ((low ^ k) & W::splat(1)), k);
  const U32 inner = W::select(W::less(centre, k), k - W::splat(2), k + W::splat(2));
  const auto cost = [&](U32 index) {
    const U32 distance = index - centre;
    const U32 symbol = W::splat(kIndexZero) + negate_where<W>(p.mirrored, distance);
    const U32 level = (index << 1) + W::splat(q - 2 * kBias);
    return branch_cost<W>(x - (level << kStepBits), W::gather(prices, row + symbol), far_cost);
  };
  const U32 cost_k = cost(k), cost_inner = cost(inner);
  const auto better = W::less(cost_inner, cost_k);
  const U32 chosen = W::select(better, inner, k);
  return {W::select(better, cost_inner, cost_k), chosen - W::splat(kBias - 128),
          (chosen << 1) + W::splat(q - 2 * kBias + kLevelBias)};
}

// The same in the odd quantizer of the zero-keeping labelling, whose levels are 0, 1, 3, 5, ... and their negatives.
template <Warp W>
WEFT_HD Branch<W> odd_zero_branch(typename W::U32 x, std::uint32_t z, typename W::U32 reach,
                                  const std::uint32_t* prices, typename W::U32 row, std::uint32_t far_cost) {
  using U32 = typename W::U32;
  const auto negative = signed_less<W>(x, W::splat(0));
  const U32 size = negate_where<W>(negative, x);
  const U32 nearest = (((size + W::splat(z != 0 ? 256 : 768)) >> 10) << 1) + W::splat(z);
  const U32 k = W::select(W::less(reach, nearest), reach - ((reach ^ nearest) & W::splat(1)), nearest);
  const U32 inner = W::select(W::less(W::splat(1), k), k - W::splat(2), k);
  const auto level_of = [](U32 index) {
    return (index << 1) - W::select(W::less(W::splat(0), index), W::splat(1), W::splat(0));
  };
  const auto cost = [&](U32 index) {
    const U32 symbol = W::splat(kIndexZero) + negate_where<W>(negative, index);
    return branch_cost<W>(size - (level_of(index) << kStepBits), W::gather(prices, row + symbol), far_cost);
  };
  const U32 cost_k = cost(k), cost_inner = cost(inner);
  const auto better = W::less(cost_inner, cost_k);
  const U32 chosen = W::select(better, inner, k);
  return {W::select(better, cost_inner, cost_k), W::splat(kIndexZero) + negate_where<W>(negative, chosen),
          W::splat(kLevelBias) + negate_where<W>(negative, level_of(chosen))};
}

// What a pinned zero adds to the cost of a level (biased).
template <Warp W>
WEFT_HD typename W::U32 stray_cost(typename W::U32 x, typename W::U32 level) {
  const auto none = W::splat(0), some = W::splat(1);
  const auto strays = W::select(W::less(none, level ^ W::splat(kLevelBias)), W::splat(kPinnedCost), none);
  return W::select(W::less(size_of<W>(x), some), strays, none);
}

// Prices as a CPU has them: [class * kClassTables + table][256].
template <Warp W>
struct PriceRows {
  using U32 = typename W::U32;
  const std::uint32_t* prices;
  WEFT_HD U32 of_class(U32 classes) const { return classes * W::splat(kClassTables * 256); }
  WEFT_HD U32 natural(U32 class_rows, std::uint32_t, U32 table) const { return class_rows + (table << 8); }
  WEFT_HD U32 odd_zero(U32 class_rows) const { return class_rows + W::splat(kOddZeroTable * 256); }
};

// The four branches of a weight, [quantizer][parity], and their indices in one word, as SearchScratch has them.
template <Warp W>
struct Branches {
  Branch<W> of[2][2];
  typename W::U32 indices;
};
template <Warp W, bool kZero, class Rows>
WEFT_HD Branches<W> branches_of(typename W::U32 x, typename W::U32 mean, typename W::U32 classes, const Rows& rows,
                                const std::uint32_t* reaches, std::uint32_t far_cost, bool pins_zero) {
  using U32 = typename W::U32;
  Branches<W> r;
  const U32 reach = W::gather(reaches, classes), class_rows = rows.of_class(classes);
  for (std::uint32_t q = 0; q < 2; q++) {
    if (kZero && q == 1) {
      const U32 row = rows.odd_zero(class_rows);
      for (std::uint32_t z = 0; z < 2; z++) r.of[q][z] = odd_zero_branch<W>(x, z, reach, rows.prices, row, far_cost);
    } else {
      const Placement<W> p = place<W>(mean - W::splat(4 * q));
      const U32 row = rows.natural(class_rows, q, p.table);
      for (std::uint32_t z = 0; z < 2; z++)
        r.of[q][z] = natural_branch<W>(x, q, z, p, reach, rows.prices, row, far_cost);
    }
  }
  r.indices = r.of[0][0].index | r.of[0][1].index << 8 | r.of[1][0].index << 16 | r.of[1][1].index << 24;
  if (kZero && pins_zero)
    for (auto& quantizer : r.of)
      for (Branch<W>& branch : quantizer) branch.cost = branch.cost + stray_cost<W>(x, branch.level);
  return r;
}

// Finds the path and writes its indices + 128, woven, to `path` ([run * W::kWidth] bytes).
template <Warp W, int kStatesLog2, bool kZero, bool kPredict>
WEFT_HD void search_trellis(const Weave& weave, const SearchInput& in, const SearchScratch& scratch,
                            std::uint8_t* path) {
  using U32 = typename W::U32;
  constexpr std::uint32_t kStates = 1u << kStatesLog2, kHalf = kStates / 2;
  constexpr Parity kParity = parity_of(kStatesLog2);
  constexpr std::uint32_t kUnreached = 1u << 29;
  U32 costs[2][kStates], histories[2][kPredict ? kStates : 1], energies[2][kPredict ? kStates : 1];
  for (std::uint32_t s = 0; s < kStates; s++) costs[0][s] = W::splat(s == 0 ? 0 : kUnreached);
  if (kPredict)
    for (std::uint32_t s = 0; s < kStates; s++) {
      histories[0][s] = W::splat(0);
      energies[0][s] = W::splat(kFirstEnergy);
    }
  PeriodWalk<W> place(kPredict && !kZero ? W::load_table(in.places) : W::splat(0), in.predictor.period);

  for (std::uint32_t t = 0; t < weave.run; t++) {
    const U32 *old = costs[t & 1], *old_history = histories[t & 1], *old_energy = energies[t & 1];
    U32 *next = costs[~t & 1], *next_history = histories[~t & 1], *next_energies = energies[~t & 1];
    const U32 x = W::load_table(in.fixed + std::size_t{t} * W::kWidth);
    const U32 expected = W::load_bytes(in.classes + std::size_t{t} * W::kWidth);
    U32 mean = W::splat(0), base = W::splat(0), classes = expected;
    if (kPredict || (t & 15) == 0) {
      base = old[0];
      U32 history = old_history[0], energy = old_energy[0];
      for (std::uint32_t s = 1; s < kStates; s++) {
        const auto better = W::less(old[s], base);
        base = W::select(better, old[s], base);
        if (kPredict && !kZero) history = W::select(better, old_history[s], history);
        if (kPredict) energy = W::select(better, old_energy[s], energy);
      }
      if (kPredict) {
        if (!kZero)
          mean = predict_mean<W>(W::gather(in.predictor.taps, place.next()), history,
                                 W::gather(in.predictor.deviations, expected));
        classes = moved_class<W>(expected, energy, in.predictor.shifts);
      }
    }
    const Branches<W> branches =
        branches_of<W, kZero>(x, mean, classes, PriceRows<W>{in.prices}, in.reach, in.far_cost, in.pins_zero);
    W::store_table(scratch.indices + std::size_t{t} * W::kWidth, branches.indices);
    U32 added[2][2], error[2][2], left[2][2];
    const U32 scale = kPredict ? W::gather(in.predictor.error_scales, expected) : W::splat(0);
    for (int q = 0; q < 2; q++)
      for (int z = 0; z < 2; z++) {
        added[q][z] = branches.of[q][z].cost - base;
        if (kPredict) error[q][z] = error_of<W>(branches.of[q][z].level, mean, scale);
        if (kPredict && !kZero) left[q][z] = leave<W>(branches.of[q][z].level, scale);
      }
    const std::uint32_t count = weave.active(t);
    const auto active = W::first_lanes(count);
    std::uint32_t* decisions = scratch.decisions + std::size_t{t} * kStates;
    for (std::uint32_t n = 0; n < kStates; n++) {
      if ((n ^ kParity.h1) < n) continue;  // the pair n, n ^ h1 is done together
      const std::uint32_t pair = n ^ kParity.h1, q = n >= kHalf ? 1 : 0;
      const std::uint32_t s0 = 2 * ((n ^ (q != 0 ? kParity.h0 : 0)) & (kHalf - 1)) + q;
      const std::uint32_t s1 = 2 * ((pair ^ (q != 0 ? kParity.h0 : 0)) & (kHalf - 1)) + q;
      const U32 a0 = old[s0] + added[q][0], a1 = old[s1] + added[q][1];
      const U32 b0 = old[s1] + added[q][0], b1 = old[s0] + added[q][1];
      const auto odd_a = W::less(a1, a0), odd_b = W::less(b1, b0);
      next[n] = W::select(odd_a, a1, a0);
      next[pair] = W::select(odd_b, b1, b0);
      decisions[n] = W::ballot(odd_a);
      decisions[pair] = W::ballot(odd_b);
      if (kPredict) {
        const auto remember = [&](std::uint32_t to, typename W::Mask odd, std::uint32_t even_from,
                                  std::uint32_t odd_from) {
          if (!kZero) {
            const U32 history = W::select(odd, old_history[odd_from], old_history[even_from]);
            next_history[to] = push_level<W>(history, W::select(odd, left[q][1], left[q][0]));
          }
          const U32 energy = W::select(odd, old_energy[odd_from], old_energy[even_from]);
          next_energies[to] = next_energy<W>(energy, W::select(odd, error[q][1], error[q][0]));
        };
        remember(n, odd_a, s0, s1);
        remember(pair, odd_b, s1, s0);
      }
    }
    if (count < W::kWidth)
      for (std::uint32_t s = 0; s < kStates; s++) next[s] = W::select(active, next[s], old[s]);
  }

  const U32* last = costs[weave.run & 1];
  U32 state = W::splat(0), best = last[0];
  for (std::uint32_t s = 1; s < kStates; s++) {
    const auto better = W::less(last[s], best);
    best = W::select(better, last[s], best);
    state = W::select(better, W::splat(s), state);
  }
  const U32 lane = W::lane_numbers();
  for (std::uint32_t t = weave.run; t-- > 0;) {
    const U32 z = W::shift_right(W::gather(scratch.decisions + std::size_t{t} * kStates, state), lane) & W::splat(1);
    const U32 q = state >> (kStatesLog2 - 1);
    const U32 packed = W::load_table(scratch.indices + std::size_t{t} * W::kWidth);
    const U32 index = W::shift_right(packed, (q << 4) + (z << 3)) & W::splat(255);
    W::store_bytes(path + std::size_t{t} * W::kWidth, index);
    const U32 before =
        (state ^ when_bit<W>(q, W::splat(kParity.h0)) ^ when_bit<W>(z, W::splat(kParity.h1))) & W::splat(kHalf - 1);
    const U32 previous = (before << 1) + q;
    state = W::select(W::first_lanes(weave.active(t)), previous, state);
  }
}

}  // namespace weft::core
