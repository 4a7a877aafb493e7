// The expected classes of a block's weights, lane by lane: each lane walks its own run and counts where it is in the
// factors' codes, so that only its first weight costs divisions.
#pragma once

#include "weft/core/kernel_warp.hpp"
#include "weft/core/trellis.hpp"

namespace weft::core {

inline constexpr std::uint32_t kMaxFactors = 3;
inline constexpr std::uint32_t kCodeBias = 128;  // codes are kept positive

// A factor gives element e of a stream the code number (e / inner) % count.
struct ScaleCodes {
  const std::uint32_t* words;  // codes + kCodeBias, four in a word, filled up
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

  // `first`: the stream's element that the block begins with.
  WEFT_HD ScaleWalk(const ScaleParameters& scales, std::uint64_t first, std::uint32_t run)
      : count_(scales.factor_count), base_(static_cast<std::uint32_t>(scales.base) + kSumBias) {
    for (std::uint32_t f = 0; f < kMaxFactors; f++) {
      if (f >= count_) break;
      Walker& walker = walkers_[f];
      const ScaleCodes codes = scales.factors[f];
      walker.words = codes.words;
      walker.count = codes.count;
      walker.inner = codes.inner < kFar ? static_cast<std::uint32_t>(codes.inner) : kFar;
      base_ -= kCodeBias;
      W::for_each_lane(
          [&](std::uint32_t lane, std::uint32_t& left, std::uint32_t& index, std::uint32_t& word) {
            const std::uint64_t element = first + std::uint64_t{lane} * run;
            const std::uint64_t until = codes.inner - element % codes.inner;
            left = until < kFar ? static_cast<std::uint32_t>(until) : kFar;
            index = static_cast<std::uint32_t>(element / codes.inner % codes.count);
            word = codes.words[index / 4] >> (8 * (index % 4));
          },
          walker.left, walker.index, walker.word);
    }
  }

  // The classes of the lanes' next weights.
  WEFT_HD U32 next() {
    U32 sum = W::splat(base_);
    for (std::uint32_t f = 0; f < kMaxFactors; f++) {
      if (f >= count_) break;
      Walker& walker = walkers_[f];
      sum = sum + (walker.word & W::splat(255));
      W::for_each_lane(
          [&walker](std::uint32_t, std::uint32_t& left, std::uint32_t& index, std::uint32_t& word) {
            if (--left != 0) return;
            left = walker.inner;
            index = index + 1 == walker.count ? 0 : index + 1;
            word = index % 4 == 0 ? walker.words[index / 4] : word >> 8;
          },
          walker.left, walker.index, walker.word);
    }
    const U32 low = W::select(W::less(sum, W::splat(kSumBias)), W::splat(kSumBias), sum) - W::splat(kSumBias);
    return W::select(W::less(low, W::splat(kScaleClasses - 1)), low, W::splat(kScaleClasses - 1));
  }

 private:
  static constexpr std::uint32_t kSumBias = 2048;  // sums stay positive
  static constexpr std::uint32_t kFar = 1u << 30;  // further than any block reaches
  struct Walker {
    const std::uint32_t* words;
    std::uint32_t inner, count;
    U32 left, index, word;  // elements until the next code; where it is; its word, the code lowest
  };
  Walker walkers_[kMaxFactors];
  std::uint32_t count_, base_;
};

}  // namespace weft::core
