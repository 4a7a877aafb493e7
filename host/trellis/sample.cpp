#include "trellis/sample.hpp"

namespace weft::trellis {
namespace {

// Elements [begin, begin + count) of the box reversed: (k, j, i) of it is (i, j, k) of the data.
void copy_reversed(std::span<const float> values, const std::array<std::uint64_t, 3>& box, std::uint64_t begin,
                   std::size_t count, float* out) {
  std::uint64_t i = begin % box[0], j = begin / box[0] % box[1], k = begin / (box[0] * box[1]);
  for (std::size_t e = 0; e < count; e++) {
    out[e] = values[(i * box[1] + j) * box[2] + k];
    if (++i < box[0]) continue;
    i = 0;
    if (++j < box[1]) continue;
    j = 0;
    k++;
  }
}

}  // namespace

void take_sample(std::span<const float> values, const std::array<std::uint64_t, 3>& view, const SampleRun& run,
                 std::size_t wanted, Sample& out) {
  const std::size_t length = run.length;
  out.run = run;
  out.of = values.size();
  const std::size_t whole = values.size() / length, runs = whole + (values.size() % length != 0 ? 1 : 0);
  const std::size_t taken = std::clamp<std::size_t>((wanted + length - 1) / length, 1, runs);
  out.begins.resize(taken);
  out.values.resize(taken * (run.before + length));
  float* to = out.values.data();
  for (std::size_t r = 0; r < taken; r++) {
    // Anywhere in its share of the runs, so that no period of the tensor's is met again and again. Only the last run
    // of a sample may be short.
    const std::uint64_t somewhere = (r + 1) * 0x9E3779B97F4A7C15u >> 32;
    const std::size_t begin = (taken == runs ? r : (r * whole + (somewhere * whole >> 32)) / taken) * length;
    out.begins[r] = begin;
    const std::size_t known = std::min(run.before, begin), first = begin - known;
    to = std::fill_n(to, run.before - known, 0.0f);
    const std::size_t count = known + std::min(length, values.size() - begin);
    if (view == std::array<std::uint64_t, 3>{1, 1, 1})
      std::copy_n(values.data() + first, count, to);
    else
      copy_reversed(values, view, first, count, to);
    to += count;
  }
  out.values.resize(static_cast<std::size_t>(to - out.values.data()));
}

}  // namespace weft::trellis
