#include "engine/looked_at.hpp"

#include <algorithm>
#include <cmath>

#include "weft/core/dequantize.hpp"

namespace weft::engine {
namespace {

constexpr std::uint64_t kLongestRow = 1u << 16;  // of a sample

// All ones if finite, else zero: masks vectorise.
std::uint32_t finite_mask(std::uint32_t bits) { return 0 - std::uint32_t{(bits & 0x7FFFFFFFu) < 0x7F800000u}; }

// The split of a shape into rows and columns that makes both as few as possible.
void split_shape(std::span<const std::uint64_t> shape, std::uint64_t& rows, std::uint64_t& columns) {
  rows = 1;
  columns = 1;
  for (const std::uint64_t d : shape) columns *= d;
  std::uint64_t r = 1, c = columns;
  for (const std::uint64_t d : shape) {
    r *= d;
    c /= d;
    if (r + c < rows + columns) rows = r, columns = c;
  }
}

}  // namespace

void cut_into_rows(std::span<const std::uint64_t> shape, std::uint64_t units, LookedAt& out) {
  split_shape(shape, out.rows, out.columns);
  if (out.columns > kSampledUnits / 16 || out.rows > units / 16) {
    out.columns = kLongestRow;
    out.rows = units / out.columns;
  }
}

std::uint64_t sampled_row(std::uint64_t i, std::uint64_t count, std::uint64_t rows) {
  return count == 1 ? 0 : i * ((rows - 1) / (count - 1));
}

// In chunks of many float sums, of few values each, which vectorise.
Centre centre_of(std::span<const float> values) {
  constexpr std::size_t kLanes = 16, kChunk = 16 * kLanes;
  double sum = 0;
  std::size_t count = 0, zeros = 0;
  for (std::size_t begin = 0; begin < values.size(); begin += kChunk) {
    const std::span chunk = values.subspan(begin, std::min(kChunk, values.size() - begin));
    float sums[kLanes] = {};
    std::uint32_t finite[kLanes] = {}, zero[kLanes] = {};
    const auto add = [&](std::size_t i, std::size_t lane) {
      const std::uint32_t bits = core::bits_of_float(chunk[i]), mask = finite_mask(bits);
      sums[lane] += core::float_of_bits(bits & mask);
      finite[lane] -= mask;  // which is -1, or 0
      zero[lane] += bits << 1 == 0 ? 1u : 0u;
    };
    std::size_t i = 0;
    for (; i + kLanes <= chunk.size(); i += kLanes)
      for (std::size_t lane = 0; lane < kLanes; lane++) add(i + lane, lane);
    for (std::size_t lane = 0; i < chunk.size(); i++, lane++) add(i, lane);
    for (std::size_t lane = 0; lane < kLanes; lane++) {
      sum += static_cast<double>(sums[lane]);
      count += finite[lane];
      zeros += zero[lane];
    }
  }
  if (count == 0 || !std::isfinite(sum)) return {};
  return {sum / static_cast<double>(count), static_cast<double>(zeros) / static_cast<double>(count)};
}

void to_steps(std::span<float> values, float inverse, float other) {
  const std::uint32_t other_bits = core::bits_of_float(other);
  for (float& value : values) {
    const std::uint32_t mask = finite_mask(core::bits_of_float(value)), scaled = core::bits_of_float(value * inverse);
    value = core::float_of_bits((scaled & mask) | (other_bits & ~mask));
  }
}

}  // namespace weft::engine
