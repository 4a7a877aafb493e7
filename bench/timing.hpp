// The fastest of many runs on one thread.
//
// Time is the thread's own processor time, not the wall's: on a machine that does other work the wall clock would
// measure that.
#pragma once

#include <algorithm>
#include <ctime>

namespace weft::bench {

inline double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Reads and changes the value as far as the compiler can tell, which would leave out work that nobody looks at.
template <class T>
void keep(T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

// Seconds that a call of f takes at best, from at least three batches and for at least `budget` seconds. A batch has so
// many calls that it takes a millisecond, because the clock may stand still for shorter times.
template <class F>
double fastest(F f, double budget = 0.25) {
  const auto time_batch = [&](int calls) {
    const double start = thread_seconds();
    for (int i = 0; i < calls; i++) f();
    return thread_seconds() - start;
  };
  int calls = 1;
  double best = time_batch(calls);
  while (best < 1e-3) best = time_batch(calls *= 2);
  const double begin = thread_seconds();
  for (int batch = 1; batch < 3 || thread_seconds() - begin < budget; batch++) best = std::min(best, time_batch(calls));
  return best / calls;
}

}  // namespace weft::bench
