// The tests of this program run on the GPUs of this machine; without one they are skipped.
#include <gtest/gtest.h>

#include <cstdio>

#include "backends/cuda/find_devices.hpp"

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  const weft::cuda::DeviceList found = weft::cuda::find_devices();
  if (found.devices.empty()) {
    std::printf("skipped: %s\n", found.why_none.c_str());
    return kSkipped;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
