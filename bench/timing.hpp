// The fastest of many runs of one thread.
//
// Time is the thread's own processor time, not the wall's: on a machine that does other work the wall clock would measure that.
#pragma once

#include <algorithm>
#include <ctime>

namespace weft::bench {

inline double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Seconds of the fastest call of f, of at least three and for at least `budget` seconds.
template <class F>
double fastest(F f, double budget = 0.25) {
  double best = 1e300;
  const double begin = thread_seconds();
  for (int runs = 0; runs < 3 || thread_seconds() - begin < budget; runs++) {
    const double start = thread_seconds();
    f();
    best = std::min(best, thread_seconds() - start);
  }
  return best;
}

}  // namespace weft::bench
