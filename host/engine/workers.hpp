// Threads of one run: items in ascending order, exceptions carried home, results in order where that matters.
//
// * Items start in ascending order. When several fail, the error of the lowest item is thrown, so that a run ends with
//   the same message whatever the number of threads.
// * A Turnstile lets the owners of items pass one by one, in the order of the items; an aborted run wakes the waiting.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>

namespace weft::engine {

// The number of threads for `wanted` (0: all cores) when each needs `bytes_per_worker` of `memory_limit`.
// Throws Error(kMemory) when not even one fits.
[[nodiscard]] std::uint32_t thread_count(std::uint32_t wanted, std::uint64_t memory_limit,
                                         std::uint64_t bytes_per_worker);

// Calls body(worker, item) for all items below `count`, on `threads` threads numbered from 0. Before each item `cancel`
// is polled; true ends the run with Error(kInterrupted). `on_failure` is called once, when the first item fails.
void run_parallel(std::uint32_t threads, std::size_t count, const std::atomic<bool>* cancel,
                  const std::function<void(std::uint32_t worker, std::size_t item)>& body,
                  const std::function<void()>& on_failure = {});

class Turnstile {
 public:
  // Waits until all items before this one have passed, runs f, and lets the next one pass. After abort(), throws
  // Aborted instead.
  void pass(std::size_t item, const std::function<void()>& f);
  void abort();

  // Not an error of its own: run_parallel reports the failure that caused it.
  struct Aborted {};

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  std::size_t next_ = 0;
  bool aborted_ = false;
};

}  // namespace weft::engine
