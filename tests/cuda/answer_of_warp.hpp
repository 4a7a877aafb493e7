// Runs core code in all lanes of the CUDA model.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <array>

#include "warp_cuda.cuh"

namespace weft::cuda {

// The lanes must agree on the answer: in the core a plain number is the same in the whole warp.
template <class F>
auto answer_of_warp(F f) {
  std::array<decltype(f()), core::kLanes> answers{};
  emulation::run_warp([&] { answers[CudaWarp::lane()] = f(); });
  for (const auto& answer : answers) EXPECT_EQ(answer, answers[0]);
  return answers[0];
}

}  // namespace weft::cuda
