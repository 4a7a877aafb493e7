// Copies to shared memory that happen meanwhile (CUDA's pipeline primitives), for the emulation.
#pragma once

#include "emulation/thread_block.hpp"

inline void __pipeline_memcpy_async(void* to, const void* from, std::size_t n, std::size_t zeros = 0) {
  weft::emulation::order_copy({to, from, n - zeros, zeros});
}
inline void __pipeline_commit() { weft::emulation::close_copies(); }
inline void __pipeline_wait_prior(std::size_t groups_left) { weft::emulation::wait_for_copies(groups_left); }
