// The order of a tensor that is coded with the axes of a box reversed (FORMAT.md 2.4).
#pragma once

#include "weft/core/platform.hpp"

namespace weft::core {

// Units [first, first + count) of the tensor's data, from all units as they were coded.
struct ViewCopy {
  const std::uint8_t* from;
  std::uint8_t* to;
  std::uint32_t sides[3];  // at most 2^24 units
  std::uint32_t first, count;
  std::uint32_t unit_bytes;
};

// One of `threads` threads that copy together, byte by byte where the output lies at an odd address.
WEFT_HD void copy_from_view(const ViewCopy& copy, std::uint32_t thread, std::uint32_t threads) {
  for (std::uint32_t at = thread; at < copy.count; at += threads) {
    const std::uint32_t unit = copy.first + at, row = unit / copy.sides[2];
    const std::uint32_t i = row / copy.sides[1], j = row % copy.sides[1], k = unit % copy.sides[2];
    const std::uint32_t coded = (k * copy.sides[1] + j) * copy.sides[0] + i;
    for (std::uint32_t byte = 0; byte < copy.unit_bytes; byte++)
      copy.to[std::size_t{at} * copy.unit_bytes + byte] = copy.from[std::size_t{coded} * copy.unit_bytes + byte];
  }
}

}  // namespace weft::core
