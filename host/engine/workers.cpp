#include "engine/workers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

#include "weft/error.hpp"

namespace weft::engine {

std::uint32_t thread_count(std::uint32_t wanted, std::uint64_t memory_limit, std::uint64_t bytes_per_worker) {
  if (wanted == 0) wanted = std::max(1u, std::thread::hardware_concurrency());
  const std::uint64_t fit = memory_limit / std::max<std::uint64_t>(1, bytes_per_worker);
  if (fit == 0) {
    constexpr double kMiB = 1 << 20;
    throw Error(
        ErrorKind::kMemory,
        fmt::format("the memory limit of {:.1f} MiB is too small: one thread needs {:.1f} MiB for this network; "
                    "raise --memory-limit",
                    static_cast<double>(memory_limit) / kMiB, static_cast<double>(bytes_per_worker) / kMiB));
  }
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, fit));
}

void run_parallel(std::uint32_t threads, std::size_t count, const std::atomic<bool>* cancel,
                  const std::function<void(std::uint32_t, std::size_t)>& body,
                  const std::function<void()>& on_failure) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr error;
  std::size_t failed_item = 0;

  const auto record = [&](std::size_t item) {
    {
      const std::lock_guard lock(mutex);
      if (!error || item < failed_item) error = std::current_exception(), failed_item = item;
    }
    if (!failed.exchange(true) && on_failure) on_failure();
  };
  const auto work = [&](std::uint32_t worker) {
    for (;;) {
      if (failed) return;
      const std::size_t item = next++;
      if (item >= count) return;
      try {
        if (cancel != nullptr && *cancel) throw Error(ErrorKind::kInterrupted, "interrupted; nothing was left behind");
        body(worker, item);
      } catch (const Turnstile::Aborted&) {
        return;
      } catch (...) {
        record(item);
      }
    }
  };

  {
    std::vector<std::jthread> others;
    const std::size_t useful = std::min<std::size_t>(threads, count);
    for (std::uint32_t worker = 1; worker < useful; worker++) others.emplace_back(work, worker);
    work(0);
  }
  if (error) std::rethrow_exception(error);
}

void Turnstile::pass(std::size_t item, const std::function<void()>& f) {
  std::unique_lock lock(mutex_);
  moved_.wait(lock, [&] { return aborted_ || next_ == item; });
  if (aborted_) throw Aborted{};
  f();
  next_++;
  moved_.notify_all();
}

void Turnstile::abort() {
  const std::lock_guard lock(mutex_);
  aborted_ = true;
  moved_.notify_all();
}

}  // namespace weft::engine
