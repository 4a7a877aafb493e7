// What cuda/warp_cuda.cuh needs of CUDA, for a host compiler: 32 threads that meet at every warp-wide intrinsic.
//
// So the semantics of the CUDA model are tested on machines without a GPU. A lane that did not take part in an intrinsic
// would leave the others waiting for ever, as on the device: the test's time limit catches it.
#pragma once

#include <array>
#include <atomic>
#include <barrier>
#include <cstdint>
#include <thread>
#include <vector>

#define __device__
#define __forceinline__ inline

namespace weft::emulation {

struct Exchange {
  std::array<std::uint32_t, 32> value{};
  std::barrier<> arrived{32};
  std::barrier<> left{32};
};
inline Exchange* exchange = nullptr;
struct ThreadIndex {
  unsigned x = 0;
};
inline thread_local ThreadIndex thread_index;

// Every lane gives a value; all get f of the 32 values.
template <class F>
auto all_lanes(std::uint32_t value, F f) {
  exchange->value[thread_index.x] = value;
  exchange->arrived.arrive_and_wait();
  const auto result = f(exchange->value);
  exchange->left.arrive_and_wait();
  return result;
}

// Runs f in 32 lanes.
template <class F>
void run_warp(F f) {
  Exchange fresh;
  exchange = &fresh;
  std::vector<std::thread> lanes;
  for (unsigned i = 0; i < 32; i++)
    lanes.emplace_back([&f, i] {
      thread_index.x = i;
      f();
    });
  for (std::thread& lane : lanes) lane.join();
  exchange = nullptr;
}

}  // namespace weft::emulation

#define threadIdx weft::emulation::thread_index

inline unsigned __ballot_sync(unsigned, bool predicate) {
  return weft::emulation::all_lanes(predicate ? 1 : 0, [](const auto& values) {
    unsigned bits = 0;
    for (unsigned i = 0; i < 32; i++) bits |= values[i] << i;
    return bits;
  });
}
inline void __syncwarp() {
  weft::emulation::all_lanes(0, [](const auto&) { return 0; });
}
inline int __any_sync(unsigned mask, bool predicate) { return __ballot_sync(mask, predicate) != 0 ? 1 : 0; }
inline int __all_sync(unsigned mask, bool predicate) { return __ballot_sync(mask, predicate) == ~0u ? 1 : 0; }
inline unsigned __reduce_xor_sync(unsigned, unsigned value) {
  return weft::emulation::all_lanes(value, [](const auto& values) {
    unsigned r = 0;
    for (const unsigned v : values) r ^= v;
    return r;
  });
}
inline unsigned __reduce_or_sync(unsigned, unsigned value) {
  return weft::emulation::all_lanes(value, [](const auto& values) {
    unsigned r = 0;
    for (const unsigned v : values) r |= v;
    return r;
  });
}
inline unsigned __shfl_sync(unsigned, unsigned value, int from) {
  return weft::emulation::all_lanes(value,
                                    [from](const auto& values) { return values[static_cast<unsigned>(from) & 31]; });
}
template <class T>
T atomicAdd(T* at, T value) {
  return std::atomic_ref<T>(*at).fetch_add(value);
}
template <class T>
T __ldg(const T* at) {
  return *at;
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) >> (shift & 31));
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((std::uint64_t{high} << 32 | low) << (shift & 31) >> 32);
}
inline int __vimin_s32_relu(int a, int b) {
  const int low = a < b ? a : b;
  return low < 0 ? 0 : low;
}
inline unsigned __vibmin_u32(unsigned a, unsigned b, bool* is_first) {
  *is_first = a <= b;
  return a <= b ? a : b;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((std::uint64_t{a} * b) >> 32); }
