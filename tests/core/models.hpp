// Tests that run once per Warp model of this machine: a new model joins them by joining available_kernels().
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "backends/cpu/kernels.hpp"

namespace weft::test {

using ModelTest = ::testing::TestWithParam<const cpu::Kernels*>;

inline std::string model_name(const ::testing::TestParamInfo<const cpu::Kernels*>& info) {
  return std::string(info.param->name);
}

}  // namespace weft::test

#define WEFT_FOR_ALL_MODELS(fixture)                                                                   \
  INSTANTIATE_TEST_SUITE_P(                                                                            \
      Models, fixture,                                                                                 \
      ::testing::ValuesIn(weft::cpu::available_kernels().begin(), weft::cpu::available_kernels().end()), \
      weft::test::model_name)
