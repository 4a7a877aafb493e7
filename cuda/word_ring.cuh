// A plane's words in shared memory, a little ahead of the warp that takes them.
//
// Read me first:
// * A warp's next step waits for its words, and device memory is hundreds of cycles away: without this, decoding is bound
//   by that, whatever else it does (bench/results/gpu-decode-variants.json).
// * The ring has three chunks, filled by asynchronous copies of 16 bytes a lane, and behind them the first one again, so
//   that a tile's words, a chunk at most, always lie in one piece and a lane's address is one multiply-add.
// * Two chunks are ordered in the beginning and one in a tile while there is room: what a tile may take has landed when at
//   most one group of copies is under way.
#pragma once

#include <cuda_pipeline_primitives.h>

#include <cstdint>
#include <cstring>

#include "near_memory.cuh"
#include "weft/core/rans_params.hpp"

namespace weft::cuda {

#define WEFT_DEVICE __device__ __forceinline__

#if defined(__CUDA_ARCH__)
struct RingMemory {
  using Address = NearMemory::Address;
  // Copies `n` <= 16 bytes to the 16 at `to`, the rest of which become zero, at some time before arrived().
  static WEFT_DEVICE void order(Address to, const std::uint8_t* from, std::uint32_t n) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(n) : "memory");
  }
  // Closes a group of orders; waits for all groups but the last.
  static WEFT_DEVICE void close() { asm volatile("cp.async.commit_group;" ::: "memory"); }
  static WEFT_DEVICE void arrived() { asm volatile("cp.async.wait_group 1;" ::: "memory"); }
  static WEFT_DEVICE void all_arrived() { asm volatile("cp.async.wait_all;" ::: "memory"); }
};
#else
// For the emulation in the tests.
struct RingMemory {
  using Address = NearMemory::Address;
  static WEFT_DEVICE void order(Address to, const std::uint8_t* from, std::uint32_t n) {
    __pipeline_memcpy_async(to, from, 16, 16 - n);
  }
  static WEFT_DEVICE void close() { __pipeline_commit(); }
  static WEFT_DEVICE void arrived() { __pipeline_wait_prior(1); }
  static WEFT_DEVICE void all_arrived() { __pipeline_wait_prior(0); }
};
#endif

class WordRing {
 public:
  static constexpr std::uint32_t kRoom = 2048;  // bytes, aligned to 16

  WEFT_DEVICE WordRing(const std::uint16_t* words, std::uint32_t count, std::uint8_t* room)
      : ring_(NearMemory::address_of(room)), words_(words), bytes_(2 * count), next_(ring_ + lead()) {
    RingMemory::all_arrived();  // what was ordered for another plane must not come later
    for (int chunk = 0; chunk < 2; chunk++) order_chunk();
  }
  WEFT_DEVICE void ready() {
    if (next_ - ring_ >= kRing) {
      next_ -= kRing;
      turns_ += kRing;
    }
    if (ordered_ - position() <= kRing - kChunk)
      order_chunk();
    else
      RingMemory::close();
    RingMemory::arrived();
    __syncwarp();
  }
  // The word that is `rank` words on.
  WEFT_DEVICE std::uint32_t ahead(std::uint32_t rank) const { return NearMemory::load_half(next_ + 2 * rank); }
  WEFT_DEVICE void advance(std::uint32_t words) { next_ += 2 * words; }
  WEFT_DEVICE std::uint32_t taken() const { return (position() - lead()) / 2; }

 private:
  static constexpr std::uint32_t kChunk = 512, kRing = 3 * kChunk;
  static_assert(kRing + kChunk == kRoom);

  // Copies begin at the multiple of 16 before the first word; positions count from there.
  WEFT_DEVICE std::uint32_t lead() const {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(words_) % 16);
  }
  WEFT_DEVICE std::uint32_t position() const { return turns_ + static_cast<std::uint32_t>(next_ - ring_); }
  WEFT_DEVICE void order_chunk() {
    const std::uint32_t lane_at = 16 * (threadIdx.x % core::kLanes), at = ordered_ + lane_at, end = lead() + bytes_;
    const std::uint32_t left = at < end ? end - at : 0, n = left < 16 ? left : 16;
    const std::uint8_t* from = reinterpret_cast<const std::uint8_t*>(words_) - lead() + (n > 0 ? at : 0);
    const std::uint32_t slot = ordered_ % kRing;
    __syncwarp();  // all lanes have read what is written over
    RingMemory::order(ring_ + slot + lane_at, from, n);
    if (slot == 0) RingMemory::order(ring_ + kRing + lane_at, from, n);
    ordered_ += kChunk;
    RingMemory::close();
  }

  NearMemory::Address ring_;
  const std::uint16_t* words_;
  std::uint32_t bytes_;
  NearMemory::Address next_;  // of the next word; a tile may run into the chunk behind the ring
  std::uint32_t turns_ = 0, ordered_ = 0;
};

#undef WEFT_DEVICE

}  // namespace weft::cuda
