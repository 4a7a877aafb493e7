// Thread blocks of CUDA on the host: every thread is a fiber, and they take turns where CUDA lets threads wait for each
// other.
//
// Read me first:
// * A thread runs until it waits; who is next differs from launch to launch (the last that arrived, the first, any), so
//   that a result that hangs on an order which nothing guarantees comes out differently and fails a test.
// * What hardware leaves undefined or hangs on ends the program with a sentence: lanes that meet in different functions,
//   a barrier that some threads never reach.
// * The thread blocks of a grid run one after the other, in any order; a kernel in which they wait for each other hangs.
// * Under ThreadSanitizer the threads of a thread block are threads to it, which only what CUDA promises puts in order:
//   __syncwarp and __syncthreads, not votes and shuffles. So it finds races in shared memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace weft::emulation {

inline constexpr std::uint32_t kWarp = 32;

struct Dim {
  unsigned x = 0, y = 0, z = 0;
};

// What all lanes of a warp that are still there gave. `what` names the function: all must have called the same one.
using Values = std::array<std::uint32_t, kWarp>;
[[nodiscard]] const Values& meet_warp(const char* what, std::uint32_t value);
// Waits for all of them; what they did before comes before what they do after it.
void sync_warp();
// Waits for all threads of the thread block that are still there; whether all of them said yes.
bool meet_block(const char* what, bool yes);

// A copy that happens at some time before its thread waits for it.
struct AsyncCopy {
  void* to;
  const void* from;
  std::size_t n, zeros;  // bytes that are copied, and those behind them that become zero
};
void order_copy(const AsyncCopy& copy);
void close_copies();
void wait_for_copies(std::size_t groups_left);

// Calls f in every thread of every thread block. One-dimensional.
void run_grid(std::uint32_t blocks, std::uint32_t threads, const std::function<void()>& f);

// Calls f in the 32 lanes of a warp.
template <class F>
void run_warp(F f) {
  run_grid(1, kWarp, f);
}

}  // namespace weft::emulation

// Of the thread that runs, by CUDA's names; each host thread that launches has its own.
inline constinit thread_local weft::emulation::Dim threadIdx{}, blockIdx{}, blockDim{}, gridDim{};
