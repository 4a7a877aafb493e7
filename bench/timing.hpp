// The fastest of many runs: what else runs on the machine only ever adds time.
#pragma once

#include <algorithm>
#include <chrono>

namespace weft::bench {

inline double seconds_now() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

// Seconds of the fastest call of f, of at least three and for at least `budget` seconds.
template <class F>
double fastest(F f, double budget = 0.25) {
  double best = 1e300;
  const double begin = seconds_now();
  for (int runs = 0; runs < 3 || seconds_now() - begin < budget; runs++) {
    const double start = seconds_now();
    f();
    best = std::min(best, seconds_now() - start);
  }
  return best;
}

}  // namespace weft::bench
