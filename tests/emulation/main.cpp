// The tests of this program find the emulated GPU.
#include <gtest/gtest.h>

#include "backends/cuda/find_devices.hpp"

int main(int argc, char** argv) {
  weft::cuda::use_devices(weft::cuda::cuda_devices());
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
