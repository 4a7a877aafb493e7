// A kernel that does nothing but fused multiply-adds.
#pragma once

#include <cuda_runtime_api.h>

namespace weft::bench {

// Starts it, and returns how many multiply-adds it does.
double launch_fma(cudaStream_t stream, int multiprocessors);

}  // namespace weft::bench
