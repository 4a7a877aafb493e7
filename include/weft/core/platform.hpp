// What the single-source core needs of a compiler: host and device annotations, and nothing else.
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
