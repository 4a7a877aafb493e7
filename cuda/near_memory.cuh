// Memory near a warp by its own addresses: on a GPU shared memory by 32-bit ones. Generic pointers, and what a compiler
// makes of them, would cost an addition or two for each symbol that is coded.
#pragma once

#include <cuda_runtime.h>

#include <cstring>

#include "weft/core/kernel_warp.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::cuda {

#define WEFT_DEVICE static __device__ __forceinline__

#if defined(__CUDA_ARCH__)
struct NearMemory {
  using Address = std::uint32_t;
  WEFT_DEVICE Address address_of(const void* p) { return static_cast<Address>(__cvta_generic_to_shared(p)); }
  // Shared memory does not begin at address zero on every GPU (a kilobyte before it is the system's on sm_90), so no table's
  // address is aligned to more than 1 KB, whatever alignas says: the offset has to be added, never ored.
  WEFT_DEVICE core::NearPair load_pair(Address table, std::uint32_t offset) {
    core::NearPair pair;
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(pair.first), "=r"(pair.second) : "r"(table + offset));
    return pair;
  }
  WEFT_DEVICE core::NearPair load_pair(Address table, std::uint32_t bytes, std::uint32_t factors) {
    return load_pair(core::dot_all_unsigned(bytes, factors, table), 0);
  }
  // ptxas knows how shared memory's addresses are made, and would make this one anew each time.
  WEFT_DEVICE Address in_register(Address at) { return __shfl_sync(0xFFFFFFFFu, at, 0); }
  WEFT_DEVICE std::uint32_t load_half(Address at) {
    std::uint32_t half;
    asm volatile("ld.shared.u16 %0, [%1];" : "=r"(half) : "r"(at));
    return half;
  }
  // A branch would have its condition compared a second time.
  WEFT_DEVICE void store_half_if(bool condition, Address at, std::uint32_t half) {
    asm volatile("{ .reg .pred p; setp.ne.u32 p, %2, 0; @p st.shared.u16 [%0], %1; }" ::"r"(at),
                 "h"(static_cast<std::uint16_t>(half)), "r"(std::uint32_t{condition})
                 : "memory");
  }
};
#else
// For the emulation in the tests.
struct NearMemory {
  using Address = std::uint8_t*;
  WEFT_DEVICE Address address_of(const void* p) { return const_cast<Address>(static_cast<const std::uint8_t*>(p)); }
  WEFT_DEVICE core::NearPair load_pair(const std::uint8_t* table, std::uint32_t offset) {
    core::NearPair pair{};
    std::memcpy(&pair, table + offset, sizeof pair);
    return pair;
  }
  WEFT_DEVICE core::NearPair load_pair(const std::uint8_t* table, std::uint32_t bytes, std::uint32_t factors) {
    return load_pair(table, core::dot_all_unsigned(bytes, factors, 0));
  }
  WEFT_DEVICE Address in_register(Address at) { return at; }
  WEFT_DEVICE std::uint32_t load_half(Address at) {
    std::uint16_t half = 0;
    std::memcpy(&half, at, sizeof half);
    return half;
  }
  WEFT_DEVICE void store_half_if(bool condition, Address at, std::uint32_t half) {
    if (!condition) return;
    const auto value = static_cast<std::uint16_t>(half);
    std::memcpy(at, &value, sizeof value);
  }
};
#endif

#undef WEFT_DEVICE

}  // namespace weft::cuda
