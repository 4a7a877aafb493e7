// The expected classes of a block's weights, lane by lane: each lane walks its own run and counts where it is in the
// factors' codes, so that only its first weight costs divisions.
//
// Eight steps are looked at together: most often no factor but that of the columns changes its code in them, and the codes
// of the columns lie side by side.
#pragma once

#include "weft/core/kernel_warp.hpp"
#include "weft/core/trellis_search.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::core {

inline constexpr std::uint32_t kMaxFactors = 3;
inline constexpr std::uint32_t kCodeBias = 128;  // codes are kept positive

// A factor gives element e of a stream the code number (e / inner) % count.
struct ScaleCodes {
  const std::uint8_t* codes;  // + kCodeBias; at a multiple of 4, and so many bytes can be read
  std::uint64_t inner;
  std::uint32_t count;
};

struct ScaleParameters {
  ScaleCodes factors[kMaxFactors];
  std::uint32_t factor_count;
  std::int32_t base;  // |base| <= 1024
};

template <KernelWarp W>
class ScaleWalk {
 public:
  using U32 = typename W::U32;
  static constexpr std::uint32_t kSteps = 8;

  // `first`: the stream's element that the block begins with.
  WEFT_HD ScaleWalk(const ScaleParameters& scales, std::uint64_t first, std::uint32_t run)
      : count_(scales.factor_count), base_(static_cast<std::uint32_t>(scales.base)) {
    for (std::uint32_t f = 0; f < kMaxFactors; f++) {
      if (f >= count_) break;
      base_ -= kCodeBias;
      const ScaleCodes from = scales.factors[f];
      Factor& factor = factors_[f];
      factor = {from.codes, from.inner < kFar ? static_cast<std::uint32_t>(from.inner) : kFar, from.count};
      W::for_each_lane(
          [&](std::uint32_t lane, std::uint32_t& left, std::uint32_t& index) {
            const std::uint64_t element = first + std::uint64_t{lane} * run;
            const std::uint64_t until = from.inner - element % from.inner;
            left = until < kFar ? static_cast<std::uint32_t>(until) : kFar;
            index = static_cast<std::uint32_t>(element / from.inner % from.count);
          },
          left_[f], index_[f]);
    }
  }

  // The classes of the lanes' next weights.
  WEFT_HD U32 next() {
    U32 sum = W::splat(0);
    W::for_each_lane(
        [this](std::uint32_t, std::uint32_t& code_sum, std::uint32_t& left0, std::uint32_t& index0,
               std::uint32_t& left1, std::uint32_t& index1, std::uint32_t& left2, std::uint32_t& index2) {
          Lane lane{{left0, left1, left2}, {index0, index1, index2}};
          code_sum = step(lane);
          keep(lane, left0, index0, left1, index1, left2, index2);
        },
        sum, left_[0], index_[0], left_[1], index_[1], left_[2], index_[2]);
    return clamp_signed<W>(sum, kScaleClasses - 1);
  }

  // Looks at the next eight weights of the lanes; then coming(step) has their classes.
  WEFT_HD void look_ahead() {
    W::for_each_lane(
        [this](std::uint32_t, std::uint32_t& sum, std::uint32_t& low, std::uint32_t& high, std::uint32_t& left0,
               std::uint32_t& index0, std::uint32_t& left1, std::uint32_t& index1, std::uint32_t& left2,
               std::uint32_t& index2) {
          Lane lane{{left0, left1, left2}, {index0, index1, index2}};
          ahead(lane, sum, low, high);
          keep(lane, left0, index0, left1, index1, left2, index2);
        },
        sum_, low_, high_, left_[0], index_[0], left_[1], index_[1], left_[2], index_[2]);
  }
  [[nodiscard]] WEFT_HD U32 coming(std::uint32_t step) const {
    const U32 codes = (step < 4 ? low_ : high_) >> static_cast<int>(8 * (step % 4));
    return clamp_signed<W>(sum_ + (codes & W::splat(255)), kScaleClasses - 1);
  }

 private:
  static constexpr std::uint32_t kFar = 1u << 30;  // further than any block reaches
  struct Factor {
    const std::uint8_t* codes;
    std::uint32_t inner, count;
  };
  // Of one lane, for each factor: elements until its code changes, and where that is.
  struct Lane {
    std::uint32_t left[kMaxFactors], index[kMaxFactors];
  };
  WEFT_HD static void keep(const Lane& lane, std::uint32_t& left0, std::uint32_t& index0, std::uint32_t& left1,
                           std::uint32_t& index1, std::uint32_t& left2, std::uint32_t& index2) {
    left0 = lane.left[0], left1 = lane.left[1], left2 = lane.left[2];
    index0 = lane.index[0], index1 = lane.index[1], index2 = lane.index[2];
  }

  // The unclamped class of the lane's next weight.
  WEFT_HD std::uint32_t step(Lane& lane) const {
    std::uint32_t sum = base_;
    for (std::uint32_t f = 0; f < kMaxFactors; f++) {
      if (f >= count_) break;
      const Factor& factor = factors_[f];
      sum += factor.codes[lane.index[f]];
      if (--lane.left[f] != 0) continue;
      lane.left[f] = factor.inner;
      lane.index[f] = lane.index[f] + 1 == factor.count ? 0 : lane.index[f] + 1;
    }
    return sum;
  }
  // The next eight classes are sum + a byte of low and high each.
  WEFT_HD void ahead(Lane& lane, std::uint32_t& sum, std::uint32_t& low, std::uint32_t& high) const {
    sum = base_;
    low = high = 0;
    bool steady = true;
    std::uint32_t columns = kMaxFactors;  // a factor that changes with every weight
    for (std::uint32_t f = 0; f < kMaxFactors; f++) {
      if (f >= count_) break;
      const Factor& factor = factors_[f];
      if (factor.inner == 1 && columns == kMaxFactors) {
        columns = f;
        steady = steady && factor.count - lane.index[f] > kSteps;
        if (steady) load_eight(factor.codes, lane.index[f], low, high);
      } else {
        sum += factor.codes[lane.index[f]];
        steady = steady && lane.left[f] > kSteps;
      }
    }
    if (steady) {
      for (std::uint32_t f = 0; f < kMaxFactors; f++) {
        if (f >= count_) break;
        if (f == columns)
          lane.index[f] += kSteps;
        else
          lane.left[f] -= kSteps;
      }
      return;
    }
    low = high = 0;
    for (std::uint32_t i = 0; i < kSteps; i++) {
      const auto code_sum = static_cast<std::int32_t>(step(lane));
      const std::int32_t top = kScaleClasses - 1;
      const auto scale_class = static_cast<std::uint32_t>(code_sum < 0 ? 0 : code_sum < top ? code_sum : top);
      // The first one is at the bottom when all eight have been pushed in at the top.
      low = low >> 8 | high << 24;
      high = high >> 8 | scale_class << 24;
    }
    sum = 0;
  }
  WEFT_HD static void load_eight(const std::uint8_t* codes, std::uint32_t index, std::uint32_t& low,
                                 std::uint32_t& high) {
    const std::uint8_t* at = codes + (index & ~3u);
    const std::uint32_t shift = 8 * (index & 3);
    low = load_aligned<std::uint32_t>(at);
    high = load_aligned<std::uint32_t>(at + 4);
    if (shift == 0) return;
    const auto next = load_aligned<std::uint32_t>(at + 8);
    low = low >> shift | high << (32 - shift);
    high = high >> shift | next << (32 - shift);
  }

  Factor factors_[kMaxFactors] = {};
  U32 left_[kMaxFactors] = {}, index_[kMaxFactors] = {};
  U32 sum_ = W::splat(0), low_ = W::splat(0), high_ = W::splat(0);
  std::uint32_t count_, base_;
};

}  // namespace weft::core
