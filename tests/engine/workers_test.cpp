#include "engine/workers.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <thread>
#include <vector>

#include "support/expect_error.hpp"

namespace weft::engine {
namespace {

using namespace std::chrono_literals;
using testing::expect_error;

TEST(Workers, EveryItemRunsOnce) {
  for (const std::uint32_t threads : {1u, 2u, 7u}) {
    std::vector<std::atomic<int>> runs(1000);
    run_parallel(threads, runs.size(), nullptr, [&](std::uint32_t worker, std::size_t item) {
      EXPECT_LT(worker, threads);
      runs[item]++;
    });
    for (const auto& n : runs) EXPECT_EQ(n, 1);
  }
  run_parallel(4, 0, nullptr, [](std::uint32_t, std::size_t) { ADD_FAILURE() << "there is no item"; });
}

TEST(Workers, AWorkerRunsOneItemAtATime) {
  std::vector<std::atomic<bool>> busy(5);
  run_parallel(5, 500, nullptr, [&](std::uint32_t worker, std::size_t) {
    EXPECT_FALSE(busy[worker].exchange(true));
    std::this_thread::yield();
    busy[worker] = false;
  });
}

TEST(Workers, OneThreadKeepsTheOrder) {
  std::vector<std::size_t> order;
  const auto caller = std::this_thread::get_id();
  run_parallel(1, 50, nullptr, [&](std::uint32_t, std::size_t item) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    order.push_back(item);
  });
  for (std::size_t i = 0; i < order.size(); i++) EXPECT_EQ(order[i], i);
}

TEST(Workers, TheErrorOfTheLowestItemIsThrown) {
  for (const std::uint32_t threads : {1u, 2u, 7u}) {
    int failures = 0;
    expect_error(ErrorKind::kIo, {"item 10"}, [&] {
      run_parallel(
          threads, 1000, nullptr,
          [](std::uint32_t, std::size_t item) {
            if (item == 10) std::this_thread::sleep_for(20ms);  // later ones fail first
            if (item >= 10) throw Error(ErrorKind::kIo, "item " + std::to_string(item));
          },
          [&] { failures++; });
    });
    EXPECT_EQ(failures, 1);
  }
}

TEST(Workers, NothingNewStartsAfterAFailure) {
  std::atomic<std::size_t> started{0};
  EXPECT_THROW(run_parallel(3, 100000, nullptr,
                            [&](std::uint32_t, std::size_t item) {
                              started++;
                              if (item == 5) throw std::runtime_error("no");
                              std::this_thread::sleep_for(1ms);
                            }),
               std::runtime_error);
  EXPECT_LT(started, 1000u);
}

TEST(Workers, CancelEndsTheRun) {
  std::atomic<bool> cancel{false};
  std::atomic<std::size_t> last{0};
  expect_error(ErrorKind::kInterrupted, {"interrupted"}, [&] {
    run_parallel(2, 1000000, &cancel, [&](std::uint32_t, std::size_t item) {
      last = item;
      if (item == 20) cancel = true;
    });
  });
  EXPECT_LT(last, 100000u);
}

TEST(Workers, TheTurnstileLetsPassInOrder) {
  for (const std::uint32_t threads : {1u, 2u, 7u}) {
    Turnstile turnstile;
    std::vector<std::size_t> order;
    run_parallel(threads, 200, nullptr, [&](std::uint32_t, std::size_t item) {
      if (item % 7 == 0) std::this_thread::sleep_for(100us);
      turnstile.pass(item, [&] { order.push_back(item); });
    });
    ASSERT_EQ(order.size(), 200u);
    for (std::size_t i = 0; i < order.size(); i++) EXPECT_EQ(order[i], i);
  }
}

TEST(Workers, AFailureWakesThoseWhoWaitAtTheTurnstile) {
  for (int round = 0; round < 50; round++) {
    Turnstile turnstile;
    std::set<std::size_t> passed;
    expect_error(ErrorKind::kIo, {"the third"}, [&] {
      run_parallel(
          7, 100, nullptr,
          [&](std::uint32_t, std::size_t item) {
            if (item == 3) throw Error(ErrorKind::kIo, "the third");
            turnstile.pass(item, [&] { passed.insert(item); });
          },
          [&] { turnstile.abort(); });
    });
    for (const std::size_t item : passed) EXPECT_LT(item, 3u);
  }
}

TEST(Workers, AFailureInsideTheTurnstileEndsTheRun) {
  Turnstile turnstile;
  expect_error(ErrorKind::kIo, {"inside"}, [&] {
    run_parallel(
        4, 100, nullptr,
        [&](std::uint32_t, std::size_t item) {
          turnstile.pass(item, [&] {
            if (item == 9) throw Error(ErrorKind::kIo, "inside");
          });
        },
        [&] { turnstile.abort(); });
  });
}

TEST(Workers, ThreadCountFollowsTheMemoryLimit) {
  EXPECT_EQ(thread_count(4, 100, 10), 4u);
  EXPECT_EQ(thread_count(4, 39, 10), 3u);
  EXPECT_EQ(thread_count(4, 10, 10), 1u);
  EXPECT_GE(thread_count(0, UINT64_MAX, 0), 1u);
  expect_error(ErrorKind::kMemory, {"3.0 MiB", "5.0 MiB", "--memory-limit"},
               [] { (void)thread_count(1, 3 << 20, 5 << 20); });
}

}  // namespace
}  // namespace weft::engine
