// CUDA's answers as weft's errors.
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "weft/error.hpp"

namespace weft::cuda {

// `doing` completes "the GPU failed while ...".
inline void check(cudaError_t status, const char* doing) {
  if (status == cudaSuccess) return;
  throw Error(ErrorKind::kDevice, std::string("the GPU failed while ") + doing + ": " + cudaGetErrorString(status) +
                                      "; run again, or with --device cpu");
}

}  // namespace weft::cuda
