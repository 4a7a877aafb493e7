// Weights of a trellis block in the order and the numbers of its search: fixed point, and classes.
#pragma once

#include "weft/core/trellis_encode.hpp"

namespace weft::core {

// Steps [first, first + kSearchTile) of a block.
template <KernelWarp W>
WEFT_HD void weave_tile(const TrellisEncodeJob& job, std::uint32_t first) {
  const TrellisEncoding& stream = *job.stream;
  const Weave weave = job.weave();
  ScaleWalk<W> classes(stream.scales, job.first_element + first, weave.run);
  for (std::uint32_t at = first; at < first + kSearchTile; at += ScaleWalk<W>::kSteps) {
    classes.look_ahead();
    WEFT_UNROLL(8)
    for (std::uint32_t step = 0; step < ScaleWalk<W>::kSteps; step++) {
      const std::size_t row = std::size_t{at + step} * kLanes;
      const auto fixed = W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
        const std::uint32_t i = lane * weave.run + at + step;
        const bool present = lane < weave.lanes && at + step < weave.run && i < job.n;
        return present ? static_cast<std::uint32_t>(search_weight(weight_in_steps(stream, job.units, i))) : 0;
      });
      W::store_table(job.woven + row, fixed);
      W::store_bytes(job.classes + row, classes.coming(step));
    }
  }
}

}  // namespace weft::core
