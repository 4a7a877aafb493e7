// The expected classes of a block's weights, lane by lane: each lane walks its own run and knows where it is in the
// factors' codes, so that only its first weight costs divisions.
//
// Read me first:
// * Eight steps are looked at together, and their classes lie in the bytes of two words. The factor that changes its code
//   with every weight (the columns) is loaded as such words; the sum of all others is added to all bytes, and where one of
//   them changes within the eight, which is rare, to the bytes from there on once more.
// * So sums have to fit a byte. The host sees to it (backends/cuda/device_scales.hpp): what is beyond all classes
//   anyhow is cut off. Most streams have no sums beyond them, and need no look at single bytes.
#pragma once

#include "weft/core/kernel_warp.hpp"
#include "weft/core/trellis_search.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::core {

inline constexpr std::uint32_t kMaxFactors = 2;    // beside the columns
inline constexpr std::uint32_t kClassesAhead = 8;  // looked at together
inline constexpr std::uint32_t kRepeatedColumns = kClassesAhead + 3;

// A factor gives element e of a stream the code number (e / inner) % count.
struct ScaleCodes {
  const std::int8_t* codes;
  std::uint64_t inner;
  std::uint32_t count;
};

// Element e has the class that is nearest to columns[e % column_count] + limited sum - below in 0 .. kScaleClasses - 1,
// where the sum is that of `base` and the factors' codes, limited to lowest_sum .. highest_sum, less lowest_sum. A stream
// without columns has some that say nothing.
struct ScaleParameters {
  const std::uint8_t* columns;  // at a multiple of 4; kRepeatedColumns more follow, which are the first ones again
  std::uint32_t column_count;   // at least kClassesAhead
  std::uint32_t below, clamps;  // clamps == 0: no sum is outside of the classes
  ScaleCodes factors[kMaxFactors];
  std::uint32_t factor_count;
  std::int32_t base, lowest_sum, highest_sum;
};

// Classes come times 2^kTimesLog2.
template <KernelWarp W, int kTimesLog2 = 0>
class ScaleWalk {
 public:
  using U32 = typename W::U32;
  static constexpr std::uint32_t kSteps = kClassesAhead;

  // `scales` stays where it is. `first`: the stream's element that the block begins with. Classes are told from `origin`
  // on, which is the lowest one at most.
  WEFT_HD ScaleWalk(const ScaleParameters& scales, std::uint64_t first, std::uint32_t run, std::uint32_t origin = 0)
      : scales_(scales), origin_(origin) {
    for_each_lane([&](std::uint32_t lane, Lane& at) {
      const std::uint64_t element = first + std::uint64_t{lane} * run;
      at.column = static_cast<std::uint32_t>(element % scales_.column_count);
      for (std::uint32_t f = 0; f < kMaxFactors; f++) {
        if (f >= scales_.factor_count) break;
        const ScaleCodes& factor = scales_.factors[f];
        const std::uint64_t until = factor.inner - element % factor.inner;
        at.left_of[f] = until < kFar ? static_cast<std::uint32_t>(until) : kFar;
        at.index[f] = static_cast<std::uint32_t>(element / factor.inner % factor.count);
      }
      look_up(at);
    });
    fetch();
  }

  // The classes of the lanes' next weights, after which no more are looked at together.
  WEFT_HD U32 next() {
    for_each_lane([this](std::uint32_t, Lane& at) {
      at.low = at.sum + scales_.columns[at.column];
      at.column = at.column + 1 == scales_.column_count ? 0 : at.column + 1;
      if (--at.left == 0) move_on(at);
      if (scales_.clamps != 0) at.low = clamped(at.low);
    });
    return low_ << kTimesLog2;
  }

  // Looks at the next eight weights of the lanes; then coming(step) has their classes.
  WEFT_HD void look_ahead() {
    for_each_lane([this](std::uint32_t, Lane& at) {
      const std::uint32_t shift = 8 * (at.column & 3);
      at.low = funnel(at.words[0], at.words[1], shift) + at.sum * kEach;
      at.high = funnel(at.words[1], at.words[2], shift) + at.sum * kEach;
      at.column += kSteps;
      at.column -= at.column < scales_.column_count ? 0 : scales_.column_count;
    });
    fetch();
    if (W::any(W::less(left_, W::splat(kSteps + 1)))) {
      for_each_lane([this](std::uint32_t, Lane& at) {
        std::uint32_t done = 0;  // of the eight
        while (done + at.left <= kSteps) {
          done += at.left;
          change(at, done);
        }
        at.left -= kSteps - done;
      });
    } else {
      left_ = left_ - W::splat(kSteps);
    }
    if (scales_.clamps != 0)
      for_each_lane([this](std::uint32_t, Lane& at) {
        for (std::uint32_t* word : {&at.low, &at.high}) {
          std::uint32_t bytes = 0;
          for (std::uint32_t i = 0; i < 32; i += 8) bytes |= clamped(*word >> i & 255) << i;
          *word = bytes;
        }
      });
    low_ = low_ << kTimesLog2;
    high_ = high_ << kTimesLog2;
  }
  [[nodiscard]] WEFT_HD U32 coming(std::uint32_t step) const {
    U32 word = step < 4 ? low_ : high_;
    W::for_each_lane(
        [step](std::uint32_t, std::uint32_t& bytes) { bytes = permute_bytes(bytes, 0, 0x4440 | (step & 3)); }, word);
    return word;
  }

 private:
  static_assert((std::uint32_t{kScaleClasses} - 1) << kTimesLog2 < 256);  // in a byte
  static constexpr std::uint32_t kFar = 1u << 30;                         // further than any block reaches
  static constexpr std::uint32_t kEach = 0x01010101;
  // Of one lane: its column, the other codes' limited sum and for how many elements it stays, the words from the column on,
  // the bytes of eight classes; and for each factor, as it was when the sum began, how many elements it stays and where it
  // is.
  struct Lane {
    std::uint32_t column, sum, left, words[3], low, high, left_of[kMaxFactors], index[kMaxFactors];
  };

  template <class F>
  WEFT_HD void for_each_lane(F f) {
    W::for_each_lane(
        [&f](std::uint32_t lane, std::uint32_t& column, std::uint32_t& sum, std::uint32_t& left, std::uint32_t& word0,
             std::uint32_t& word1, std::uint32_t& word2, std::uint32_t& low, std::uint32_t& high, std::uint32_t& left0,
             std::uint32_t& left1, std::uint32_t& index0, std::uint32_t& index1) {
          Lane at{column, sum, left, {word0, word1, word2}, low, high, {left0, left1}, {index0, index1}};
          f(lane, at);
          column = at.column, sum = at.sum, left = at.left, low = at.low, high = at.high;
          word0 = at.words[0], word1 = at.words[1], word2 = at.words[2];
          left0 = at.left_of[0], left1 = at.left_of[1];
          index0 = at.index[0], index1 = at.index[1];
        },
        column_, sum_, left_, words_[0], words_[1], words_[2], low_, high_, left_of_[0], left_of_[1], index_[0],
        index_[1]);
  }

  // Words that the next eight columns lie in, asked for long before they are needed.
  WEFT_HD void fetch() {
    for_each_lane([this](std::uint32_t, Lane& at) {
      const std::uint8_t* from = scales_.columns + (at.column & ~3u);
      for (std::uint32_t i = 0; i < 3; i++) at.words[i] = load_aligned<std::uint32_t>(from + 4 * i);
    });
  }
  WEFT_HD static std::uint32_t funnel(std::uint32_t low, std::uint32_t high, std::uint32_t shift) {
    return static_cast<std::uint32_t>((std::uint64_t{high} << 32 | low) >> shift);
  }
  // A class of a stream that clamps.
  WEFT_HD std::uint32_t clamped(std::uint32_t byte) const {
    const std::uint32_t above = byte < scales_.below ? 0 : byte - scales_.below;
    return (above < kScaleClasses ? above : kScaleClasses - 1) - origin_;
  }

  // The sum of the factors' codes where they are, and how long it stays.
  WEFT_HD void look_up(Lane& at) const {
    std::int32_t sum = scales_.base;
    at.left = kFar;
    for (std::uint32_t f = 0; f < kMaxFactors; f++) {
      if (f >= scales_.factor_count) break;
      sum += scales_.factors[f].codes[at.index[f]];
      if (at.left_of[f] < at.left) at.left = at.left_of[f];
    }
    const std::int32_t low = scales_.lowest_sum, high = scales_.highest_sum;
    at.sum = static_cast<std::uint32_t>((sum < low ? low : sum < high ? sum : high) - low);
    if (scales_.clamps == 0)
      at.sum -= scales_.below + origin_;  // below zero perhaps, until a column's code comes to it
  }
  // The sum has stayed for as long as it could.
  WEFT_HD void move_on(Lane& at) const {
    std::uint32_t stayed = kFar;
    for (std::uint32_t f = 0; f < kMaxFactors; f++)
      if (f < scales_.factor_count && at.left_of[f] < stayed) stayed = at.left_of[f];
    for (std::uint32_t f = 0; f < kMaxFactors; f++) {
      if (f >= scales_.factor_count) break;
      at.left_of[f] -= stayed;
      if (at.left_of[f] != 0) continue;
      const ScaleCodes& factor = scales_.factors[f];
      at.left_of[f] = factor.inner < kFar ? static_cast<std::uint32_t>(factor.inner) : kFar;
      at.index[f] = at.index[f] + 1 == factor.count ? 0 : at.index[f] + 1;
    }
    look_up(at);
  }
  // Gives the bytes from number `first` on another sum.
  WEFT_HD void change(Lane& at, std::uint32_t first) const {
    const std::uint64_t mask = first < kSteps ? ~std::uint64_t{0} << (8 * first) : 0;
    const std::uint64_t each = std::uint64_t{kEach} << 32 | kEach;
    std::uint64_t bytes = (std::uint64_t{at.high} << 32 | at.low) - (at.sum * each & mask);
    move_on(at);
    bytes += at.sum * each & mask;
    at.low = static_cast<std::uint32_t>(bytes);
    at.high = static_cast<std::uint32_t>(bytes >> 32);
  }

  const ScaleParameters& scales_;
  std::uint32_t origin_;
  U32 column_ = W::splat(0), sum_ = W::splat(0), left_ = W::splat(0);
  U32 words_[3] = {}, low_ = W::splat(0), high_ = W::splat(0);
  U32 left_of_[kMaxFactors] = {}, index_[kMaxFactors] = {};
};

}  // namespace weft::core
