// The CUDA model of a warp: one thread is one lane, a U32 is one register.
//
// Read me first:
// * All 32 threads of a warp must call every function together (the core branches on warp-uniform values alone), in a
//   one-dimensional thread block whose size is a multiple of 32. Plain numbers of the core, such as cursors and counts,
//   are the same in all threads.
// * The full-mask intrinsics below also order memory between the lanes, but nothing relies on it: sync() stands wherever
//   a lane reads what another one has written.
// * Only lanes of the mask touch memory. So expand_load never reads more than expand_load_exact, and compress_store
//   scribbles on nothing; both are allowed to by the concept.
#pragma once

#include "near_memory.cuh"
#include "weft/core/kernel_warp.hpp"
#include "weft/core/vector_memory.hpp"
#include "word_ring.cuh"

namespace weft::cuda {

#define WEFT_DEVICE static __device__ __forceinline__

#if defined(__CUDACC__)
// 2^16, which the compiler must not know: it would take the shift, and shifts are what decoding has too many of already.
static __constant__ std::uint32_t kWordBase = 1u << core::kWordBits;
#endif

struct CudaWarp {
  static constexpr std::uint32_t kWidth = core::kLanes;
  struct U32 {
    std::uint32_t value;
  };
  struct Mask {
    bool value;
  };
  static constexpr unsigned kAll = 0xFFFFFFFFu;

  WEFT_DEVICE std::uint32_t lane() { return threadIdx.x % core::kLanes; }
  // Lanes of the mask, as bits; and how many of them are below this one.
  WEFT_DEVICE std::uint32_t ballot(Mask m) { return __ballot_sync(kAll, m.value); }
  WEFT_DEVICE std::uint32_t rank(std::uint32_t bits) { return popcount(bits & ((1u << lane()) - 1)); }
  WEFT_DEVICE std::uint32_t popcount(std::uint32_t bits) { return static_cast<std::uint32_t>(__popc(bits)); }

  WEFT_DEVICE U32 splat(std::uint32_t u) { return {u}; }
  WEFT_DEVICE Mask first_lanes(std::uint32_t n) { return {lane() < n}; }
  WEFT_DEVICE U32 load_bytes(const std::uint8_t* p) { return {p[lane()]}; }
  WEFT_DEVICE U32 load_bytes(const std::uint8_t* p, Mask m) { return {m.value ? p[lane()] : 0u}; }
  WEFT_DEVICE void store_bytes(std::uint8_t* p, U32 x) { p[lane()] = static_cast<std::uint8_t>(x.value); }
  WEFT_DEVICE void store_bytes(std::uint8_t* p, U32 x, Mask m) {
    if (m.value) store_bytes(p, x);
  }
  WEFT_DEVICE U32 gather(const std::uint32_t* table, U32 index) { return {table[index.value]}; }
  // The bits are one instruction, and their place in the table another.
  WEFT_DEVICE U32 gather(const std::uint32_t* table, U32 index, std::uint32_t mask) {
    return {table[core::opaque(index.value & mask)]};
  }
  WEFT_DEVICE U32 select(Mask m, U32 a, U32 b) { return m.value ? a : b; }
  WEFT_DEVICE Mask less(U32 a, U32 b) { return {a.value < b.value}; }
  WEFT_DEVICE Mask both(Mask a, Mask b) { return {a.value && b.value}; }
  WEFT_DEVICE std::uint32_t count(Mask m) { return popcount(ballot(m)); }
  WEFT_DEVICE bool all_equal(U32 x, std::uint32_t u, Mask m) { return __all_sync(kAll, !m.value || x.value == u) != 0; }
  WEFT_DEVICE U32 expand_load(const std::uint16_t* p, Mask m) { return expand_load_exact(p, m); }
  WEFT_DEVICE U32 expand_load_exact(const std::uint16_t* p, Mask m) {
    const std::uint32_t bits = ballot(m);
    return {m.value ? p[rank(bits)] : 0u};
  }
  WEFT_DEVICE std::uint32_t compress_store(std::uint16_t* end, U32 x, Mask m) {
    const std::uint32_t bits = ballot(m), stored = popcount(bits);
    if (m.value) (end - stored)[rank(bits)] = static_cast<std::uint16_t>(x.value);
    return stored;
  }
  // Little-endian like every GPU; the bytes may lie anywhere, and a GPU loads a word from a multiple of four only.
  WEFT_DEVICE U32 load_words(const std::uint8_t* p) {
    p += 4 * lane();
    if (core::is_aligned(p, 4)) return {core::load_aligned<std::uint32_t>(p)};
    return {p[0] | static_cast<std::uint32_t>(p[1]) << 8 | static_cast<std::uint32_t>(p[2]) << 16 |
            static_cast<std::uint32_t>(p[3]) << 24};
  }
  WEFT_DEVICE U32 load_aligned_words(const std::uint8_t* p) {
    return {core::load_aligned<std::uint32_t>(p + 4 * lane())};
  }
  WEFT_DEVICE U32 load_table(const std::uint32_t* p) { return {p[lane()]}; }
  WEFT_DEVICE std::uint32_t xor_lanes(U32 x) { return __reduce_xor_sync(kAll, x.value); }  // sm_80 and later
  WEFT_DEVICE U32 mul_high(U32 a, U32 b) { return {__umulhi(a.value, b.value)}; }
  WEFT_DEVICE U32 shift_right(U32 x, U32 n) { return {__funnelshift_r(x.value, 0, n.value)}; }
  WEFT_DEVICE U32 lane_numbers() { return {lane()}; }
  WEFT_DEVICE void store_table(std::uint32_t* p, U32 x) { p[lane()] = x.value; }
  WEFT_DEVICE void store_halves(std::uint16_t* p, U32 x) { p[lane()] = static_cast<std::uint16_t>(x.value); }

  WEFT_DEVICE void prefetch([[maybe_unused]] const std::uint8_t* p) {  // from DRAM to L2
#if defined(__CUDA_ARCH__)
    asm volatile("prefetch.global.L2 [%0];" ::"l"(__cvta_generic_to_global(p)));
#endif
  }

  using Near = NearMemory::Address;
  WEFT_DEVICE Near near(std::uint8_t* p) { return NearMemory::address_of(p); }
  WEFT_DEVICE Near kept_near(std::uint8_t* p) { return NearMemory::in_register(near(p)); }
  WEFT_DEVICE core::NearPair load_pair(Near table, std::uint32_t offset) {
    return NearMemory::load_pair(table, offset);
  }
  WEFT_DEVICE core::NearPair load_pair(Near table, std::uint32_t bytes, std::uint32_t factors) {
    return NearMemory::load_pair(table, bytes, factors);
  }
  WEFT_DEVICE std::uint32_t compress_store_near(Near end, U32 x, Mask m) {
    const std::uint32_t bits = ballot(m);
    NearMemory::store_half_if(m.value, end - 2 * popcount(bits >> lane()), x.value);  // with those after it
    return popcount(bits);
  }

  using WordStream = WordRing;
  static constexpr std::size_t kWordBytes = WordRing::kRoom;
  WEFT_DEVICE void take_words(WordStream& stream, U32& x) { take_words(stream, x, {true}); }
  WEFT_DEVICE void take_words(WordStream& stream, U32& x, Mask active) {
    const bool low = active.value && x.value < core::kStateLow;
    const std::uint32_t bits = __ballot_sync(kAll, low);
    const std::uint32_t word = stream.ahead(rank(bits));
    x.value = low ? x.value * word_base() + word : x.value;
    stream.advance(popcount(bits));
  }
  WEFT_DEVICE std::uint32_t word_base() {
#if defined(__CUDA_ARCH__)
    return kWordBase;
#else
    return 1u << core::kWordBits;
#endif
  }
  template <class T>
  struct PerLane {
    T value;
    __device__ __forceinline__ T& operator[](std::uint32_t) { return value; }
    __device__ __forceinline__ const T& operator[](std::uint32_t) const { return value; }
  };
  WEFT_DEVICE U32 clamp_signed(U32 x, std::uint32_t top) {
    return {
        static_cast<std::uint32_t>(core::clamp_to(static_cast<std::int32_t>(x.value), static_cast<std::int32_t>(top)))};
  }
  WEFT_DEVICE U32 dot_bytes(U32 a, U32 b) { return {static_cast<std::uint32_t>(core::dot_bytes(a.value, b.value))}; }

  WEFT_DEVICE void sync() { __syncwarp(); }
  template <class F, class... Values>
  WEFT_DEVICE void for_each_lane(F f, Values&... values) {
    f(lane(), values.value...);
  }
  template <class F>
  WEFT_DEVICE U32 each_lane_value(F f) {
    return {f(lane())};
  }
  WEFT_DEVICE U32 from_lane(U32 x, U32 number) { return {__shfl_sync(kAll, x.value, static_cast<int>(number.value))}; }
  WEFT_DEVICE U32 least(U32 a, U32 b, Mask& is_second) {
    bool is_first = false;
    const U32 both{__vibmin_u32(a.value, b.value, &is_first)};  // one instruction since sm_90
    is_second.value = !is_first;
    return both;
  }
  WEFT_DEVICE U32 shift_left(U32 x, U32 n) { return {__funnelshift_l(0, x.value, n.value)}; }
  WEFT_DEVICE bool any(Mask m) { return __any_sync(kAll, m.value) != 0; }
  WEFT_DEVICE std::uint32_t or_lanes(U32 x) { return __reduce_or_sync(kAll, x.value); }
  WEFT_DEVICE std::uint32_t sum_lanes(U32 x) { return __reduce_add_sync(kAll, x.value); }
  WEFT_DEVICE void add(std::uint32_t* at, std::uint32_t value) { atomicAdd(at, value); }
  WEFT_DEVICE void add(std::uint64_t* at, std::uint64_t value) {
    atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
  }
};

WEFT_DEVICE CudaWarp::U32 operator+(CudaWarp::U32 a, CudaWarp::U32 b) { return {a.value + b.value}; }
WEFT_DEVICE CudaWarp::U32 operator-(CudaWarp::U32 a, CudaWarp::U32 b) { return {a.value - b.value}; }
WEFT_DEVICE CudaWarp::U32 operator*(CudaWarp::U32 a, CudaWarp::U32 b) { return {a.value * b.value}; }
WEFT_DEVICE CudaWarp::U32 operator&(CudaWarp::U32 a, CudaWarp::U32 b) { return {a.value & b.value}; }
WEFT_DEVICE CudaWarp::U32 operator|(CudaWarp::U32 a, CudaWarp::U32 b) { return {a.value | b.value}; }
WEFT_DEVICE CudaWarp::U32 operator^(CudaWarp::U32 a, CudaWarp::U32 b) { return {a.value ^ b.value}; }
WEFT_DEVICE CudaWarp::U32 operator<<(CudaWarp::U32 x, int n) { return {x.value << n}; }
WEFT_DEVICE CudaWarp::U32 operator>>(CudaWarp::U32 x, int n) { return {x.value >> n}; }

#undef WEFT_DEVICE

static_assert(core::KernelWarp<CudaWarp>);

}  // namespace weft::cuda
