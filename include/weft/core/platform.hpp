// What the single-source core needs of a compiler: host and device annotations, and a way to keep a device's compiler from
// being clever.
//
// The core is compiled three ways: by the host compiler for the portable model, again with AVX2 enabled, and by nvcc as
// device code. Core headers include no other header of weft outside this folder and none that a device cannot use.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#define WEFT_HD __host__ __device__ __forceinline__
#else
#define WEFT_HD inline __attribute__((always_inline))
#endif

// Before a loop: what a device unrolls so that its loads do not wait for each other.
#if defined(__CUDA_ARCH__)
#define WEFT_PRAGMA(text) _Pragma(#text)
#define WEFT_UNROLL(n) WEFT_PRAGMA(unroll n)
#else
#define WEFT_UNROLL(n)
#endif

namespace weft::core {

// The same number, of which a device's compiler must not know where it comes from: so an address stays one sum of a register,
// and is not taken apart for the sake of other ones.
template <class T>
WEFT_HD T opaque(T x) {
#if defined(__CUDA_ARCH__)
  asm("" : "+r"(x));
#endif
  return x;
}

}  // namespace weft::core
