// A sample of a tensor: runs of consecutive weights, evenly spread, so that neighbours are there.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace weft::trellis {

struct Sample {
  std::vector<float> values;          // the runs, one after the other
  std::vector<std::uint64_t> begins;  // where each of them begins in the stream
  std::size_t run = 0;                // weights of a run; the tensor's last one may be shorter
  std::uint64_t of = 0;               // weights of the tensor

  [[nodiscard]] std::span<const float> run_of(std::size_t i) const {
    const std::size_t first = i * run;
    return std::span(values).subspan(first, std::min(run, values.size() - first));
  }
  // What a figure of the sample is multiplied by to stand for the tensor.
  [[nodiscard]] double weight() const { return static_cast<double>(of) / static_cast<double>(values.size()); }
};

// At least one run of about `wanted` weights of a tensor, in the order of a view (1, 1, 1: none) of its stream.
[[nodiscard]] Sample take_sample(std::span<const float> values, const std::array<std::uint64_t, 3>& view,
                                 std::size_t run, std::size_t wanted);

}  // namespace weft::trellis
