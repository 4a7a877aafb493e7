// What the emulation promises to the tests that stand on it: a mistake in a kernel shows.
#include <cuda_pipeline_primitives.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "support/sanitizer.hpp"

namespace weft::emulation {
namespace {

TEST(Emulation, WarpsMeetInVotesAndShuffles) {
  std::vector<unsigned> answers(64);
  run_grid(1, 64, [&] {
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const unsigned votes = __ballot_sync(~0u, (lane % 2 == warp) ? 1 : 0);
    const unsigned neighbour = __shfl_sync(~0u, 100 * warp + lane, static_cast<int>(lane + 1));
    const bool same = __all_sync(~0u, votes == (warp == 0 ? 0x55555555u : 0xAAAAAAAAu)) != 0;
    answers[threadIdx.x] = same && __any_sync(~0u, lane == 7) != 0 ? neighbour : 0;
  });
  for (unsigned i = 0; i < 64; i++) EXPECT_EQ(answers[i], 100 * (i / 32) + (i + 1) % 32) << i;
}

TEST(Emulation, BarriersPutAThreadBlockInOrder) {
  std::vector<unsigned> sums(3 * 96);
  run_grid(3, 96, [&] {
    __shared__ unsigned values[96];
    values[threadIdx.x] = threadIdx.x + blockIdx.x;
    __syncthreads();
    unsigned sum = 0;
    for (const unsigned value : values) sum += value;
    const bool all = __syncthreads_and(sum > 0 ? 1 : 0) != 0;
    values[threadIdx.x] = 0;
    sums[blockIdx.x * blockDim.x + threadIdx.x] = all ? sum : 0;
  });
  for (unsigned i = 0; i < sums.size(); i++) EXPECT_EQ(sums[i], 95 * 96 / 2 + 96 * (i / 96)) << i;
}

// Without a barrier, what a thread sees depends on who came first; launches differ in that.
TEST(Emulation, AMissingBarrierShows) {
  if (testing::kThreadSanitized) GTEST_SKIP() << "ThreadSanitizer ends the program there, as it should";
  std::set<std::vector<unsigned>> seen;
  for (int launch = 0; launch < 6; launch++) {
    std::vector<unsigned> values(32), neighbours(32);
    run_warp([&] {
      values[threadIdx.x] = threadIdx.x + 1;
      neighbours[threadIdx.x] = values[(threadIdx.x + 1) % 32];
      __syncwarp();
    });
    seen.insert(neighbours);
  }
  EXPECT_GE(seen.size(), 3u);
}

TEST(Emulation, AsynchronousCopiesLandWhenTheyAreWaitedForAtTheLatest) {
  const unsigned from[4] = {1, 2, 3, 4};
  int early = 0;
  for (int launch = 0; launch < 20; launch++) {
    unsigned to[4] = {9, 9, 9, 9};
    run_grid(1, 1, [&] {
      __pipeline_memcpy_async(to, from, 16, 8);
      __pipeline_commit();
      early += to[0] == 1 ? 1 : 0;
      __pipeline_wait_prior(0);
    });
    EXPECT_EQ(std::vector(to, to + 4), (std::vector<unsigned>{1, 2, 0, 0}));
  }
  EXPECT_GT(early, 0);
  EXPECT_LT(early, 20);
}

TEST(EmulationDeathTest, EndsWhatWouldHangOrIsUndefined) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(run_warp([] {
                 if (threadIdx.x < 7) __syncwarp();
                 if (threadIdx.x >= 7) (void)__ballot_sync(~0u, 1);
               }),
               "threads that must act together are in __");
  EXPECT_DEATH(run_grid(1, 64,
                        [] {
                          if (threadIdx.x != 40) __syncthreads();
                          if (threadIdx.x == 40) __syncwarp();
                        }),
               "waits for");
}

// Those that have ended are waited for by nobody.
TEST(Emulation, ThreadsMayEndEarly) {
  unsigned last = 0;
  run_grid(1, 64, [&] {
    if (threadIdx.x < 32) return;
    __syncthreads();
    if (threadIdx.x != 63) return;
    __syncwarp();
    last = threadIdx.x;
  });
  EXPECT_EQ(last, 63u);
}

}  // namespace
}  // namespace weft::emulation
