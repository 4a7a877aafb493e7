// A sample of a tensor: runs of consecutive weights, evenly spread, so that neighbours are there.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace weft::trellis {

struct SampleRun {
  std::size_t length;      // of the tensor's last one at most
  std::size_t before = 0;  // weights that come before it and are taken along
};

struct Sample {
  std::vector<float> values;  // the runs, one after the other, each after what comes before; zeros where nothing does
  std::vector<std::uint64_t> begins;  // where each of them begins in the stream
  SampleRun run{1};
  std::uint64_t of = 0;  // weights of the tensor

  [[nodiscard]] std::span<const float> run_of(std::size_t i) const {
    const std::size_t first = i * (run.before + run.length) + run.before;
    return std::span(values).subspan(first, std::min(run.length, values.size() - first));
  }
  // What a figure of the sample is multiplied by to stand for the tensor.
  [[nodiscard]] double weight() const {
    return static_cast<double>(of) / static_cast<double>(values.size() - run.before * begins.size());
  }
};

// At least one run of about `wanted` weights of a tensor, in the order of a view (1, 1, 1: none) of its stream.
void take_sample(std::span<const float> values, const std::array<std::uint64_t, 3>& view, const SampleRun& run,
                 std::size_t wanted, Sample& out);

}  // namespace weft::trellis
