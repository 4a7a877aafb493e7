// The search of trellis_single.hpp on a device: a lane has a chain, and what a thread block shares is that of
// trellis_states.hpp.
#pragma once

#include "weft/core/trellis_single.hpp"
#include "weft/core/trellis_spread.hpp"

namespace weft::core {

template <KernelWarp W, bool kZero, bool kPredict>
class SingleSearch {
 public:
  using U32 = typename W::U32;

  WEFT_HD SingleSearch(const TrellisEncodeJob& job, const std::uint32_t* memory)
      : woven_(job.woven),
        classes_(job.classes),
        path_(job.path),
        steps_(padded_run(job.weave().run)),
        walk_(NearPrices<W, kZero, kPredict>(*job.stream, memory), memory + SearchMemory::kReaches,
              predictor_at(memory + SearchMemory::kTaps, job.stream->period),
              kPredict && !kZero ? places_of_lanes<W>(job.first_element, job.weave().run, job.stream->period)
                                 : W::splat(0),
              job.stream->far_cost, job.stream->pins_zero != 0) {}

  // Four steps at a time, whose weights are fetched four steps before.
  WEFT_HD void run() {
    fetch(0);
    for (std::uint32_t t = 0; t < steps_; t += kTogether) {
      const U32 x[kTogether] = {x_[0], x_[1], x_[2], x_[3]};
      const U32 expected[kTogether] = {expected_[0], expected_[1], expected_[2], expected_[3]};
      fetch(t + kTogether < steps_ ? t + kTogether : 0);
      U32 four = W::splat(0);
      WEFT_UNROLL(4)
      for (std::uint32_t i = 0; i < kTogether; i++)
        four = four | walk_.take(x[i], expected[i]) << static_cast<int>(8 * i);
      W::store_table(path_ + std::size_t{t / kTogether} * kLanes, four);
    }
  }

 private:
  static constexpr std::uint32_t kTogether = 4;

  WEFT_HD void fetch(std::uint32_t t) {
    WEFT_UNROLL(4)
    for (std::uint32_t i = 0; i < kTogether; i++) {
      x_[i] = W::load_table(woven_ + std::size_t{t + i} * kLanes);
      expected_[i] = W::load_bytes(classes_ + std::size_t{t + i} * kLanes);
    }
  }

  const std::uint32_t* woven_;
  const std::uint8_t* classes_;
  std::uint32_t* path_;
  const std::uint32_t steps_;
  SingleWalk<W, kZero, kPredict, NearPrices<W, kZero, kPredict>> walk_;
  U32 x_[kTogether], expected_[kTogether];
};

}  // namespace weft::core
