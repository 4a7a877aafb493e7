#include "trellis/sample.hpp"

namespace weft::trellis {
namespace {

// Elements [begin, begin + count) of the box reversed: (k, j, i) of it is (i, j, k) of the data.
void append_reversed(std::span<const float> values, const std::array<std::uint64_t, 3>& box, std::uint64_t begin,
                     std::size_t count, std::vector<float>& out) {
  std::uint64_t i = begin % box[0], j = begin / box[0] % box[1], k = begin / (box[0] * box[1]);
  for (std::size_t e = 0; e < count; e++) {
    out.push_back(values[(i * box[1] + j) * box[2] + k]);
    if (++i < box[0]) continue;
    i = 0;
    if (++j < box[1]) continue;
    j = 0;
    k++;
  }
}

}  // namespace

Sample take_sample(std::span<const float> values, const std::array<std::uint64_t, 3>& view, std::size_t run,
                   std::size_t wanted) {
  Sample sample;
  sample.run = run;
  sample.of = values.size();
  const std::size_t whole = values.size() / run, runs = whole + (values.size() % run != 0 ? 1 : 0);
  const std::size_t taken = std::clamp<std::size_t>((wanted + run - 1) / run, 1, runs);
  for (std::size_t r = 0; r < taken; r++) {
    // Anywhere in its share of the runs, so that no period of the tensor's is met again and again. Only the last run
    // of a sample may be short.
    const std::uint64_t somewhere = (r + 1) * 0x9E3779B97F4A7C15u >> 32;
    const std::size_t begin = (taken == runs ? r : (r * whole + (somewhere * whole >> 32)) / taken) * run;
    const std::size_t count = std::min(run, values.size() - begin);
    sample.begins.push_back(begin);
    if (view == std::array<std::uint64_t, 3>{1, 1, 1}) {
      const auto part = values.subspan(begin, count);
      sample.values.insert(sample.values.end(), part.begin(), part.end());
    } else {
      append_reversed(values, view, begin, count, sample.values);
    }
  }
  return sample;
}

}  // namespace weft::trellis
