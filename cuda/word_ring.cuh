// A plane's words in shared memory, a little ahead of the warp that takes them.
//
// Read me first:
// * A warp's next step waits for its words, and device memory is hundreds of cycles away: without this, decoding is bound
//   by that, whatever else it does (bench/results/gpu-decode-variants.json).
// * The ring has three chunks, filled by asynchronous copies of 16 bytes a lane, and behind them the first one again, so
//   that a tile's words, a chunk at most, always lie in one piece and a lane's address is one multiply-add.
// * Two chunks are ordered in the beginning, and another one as soon as the warp has come to the last one that has landed:
//   what a tile may take has landed when at most one group of copies is under way. Most tiles end in the chunk that they
//   begin in, and then ready() is a comparison.
#pragma once

#include <cuda_pipeline_primitives.h>

#include <cstdint>
#include <cstring>

#include "near_memory.cuh"
#include "weft/core/rans_params.hpp"
#include "weft/core/vector_memory.hpp"

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
      : from_(reinterpret_cast<const std::uint8_t*>(words) - lead(words)),
        unordered_(static_cast<std::int32_t>(lead(words) + 2 * count)),
        ring_(NearMemory::address_of(room)),
        next_(ring_ + lead(words)),
        due_(ring_) {
    RingMemory::all_arrived();  // what was ordered for another plane must not come later
    for (std::uint32_t chunk = 0; chunk < 2; chunk++) order_chunk(ring_ + chunk * kChunk);
  }
  WEFT_DEVICE void ready() {
    if (next_ < due_) return;
    if (next_ - ring_ >= kRing) {
      next_ -= kRing;
      due_ -= kRing;
    }
    order_chunk(due_ == ring_ ? ring_ + 2 * kChunk : due_ - kChunk);  // two chunks on
    due_ += kChunk;
    RingMemory::arrived();
    __syncwarp();
  }
  // The word that is `rank` words on.
  WEFT_DEVICE std::uint32_t ahead(std::uint32_t rank) const { return NearMemory::load_half(next_ + 2 * rank); }
  WEFT_DEVICE void advance(std::uint32_t words) { next_ += 2 * words; }
  WEFT_DEVICE std::int32_t left() const {
    return (unordered_ + static_cast<std::int32_t>(2 * kChunk) + static_cast<std::int32_t>(due_ - next_)) / 2;
  }

 private:
  static constexpr std::uint32_t kChunk = 512, kRing = 3 * kChunk;
  static_assert(kRing + kChunk == kRoom);

  // Copies begin at the multiple of 16 before the first word.
  static WEFT_DEVICE std::uint32_t lead(const std::uint16_t* words) {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(words) % 16);
  }
  // The next one, to a third of the ring. Of copies of no bytes only the address is beyond the words.
  WEFT_DEVICE void order_chunk(NearMemory::Address to) {
    const std::uint32_t at = 16 * (threadIdx.x % core::kLanes);
    const auto n = static_cast<std::uint32_t>(core::clamp_to(unordered_ - static_cast<std::int32_t>(at), 16));
    __syncwarp();  // all lanes have read what is written over
    RingMemory::order(to + at, from_ + at, n);
    if (to == ring_) RingMemory::order(ring_ + kRing + at, from_ + at, n);
    RingMemory::close();
    from_ += kChunk;
    unordered_ -= static_cast<std::int32_t>(kChunk);
  }

  const std::uint8_t* from_;  // the next chunk
  std::int32_t unordered_;    // bytes; below zero beyond the last word
  NearMemory::Address ring_;
  NearMemory::Address next_;  // of the next word; a tile may run into the chunk behind the ring
  NearMemory::Address due_;   // the begin of the last chunk that has landed: who comes there orders another one
};

#undef WEFT_DEVICE

}  // namespace weft::cuda
