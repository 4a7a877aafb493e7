// What tests of the CUDA backend run on: every GPU of this machine, or the emulated one (tests/emulation).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/cuda/find_devices.hpp"

namespace weft::testing {

// At least one, or these tests do not run; found once, whatever use_devices() says later.
[[nodiscard]] const std::vector<std::shared_ptr<cuda::Device>>& devices();

// The first of them, with so much memory at most. Ends the program if something has not been given back in the end.
[[nodiscard]] std::shared_ptr<cuda::Device> a_device(std::uint64_t memory = std::uint64_t{1} << 32);

// For INSTANTIATE_TEST_SUITE_P.
inline constexpr auto name_of_device = [](const auto& device) { return "gpu" + std::to_string(device.index); };

}  // namespace weft::testing
