#include "backends/cuda/device_scales.hpp"

#include <algorithm>
#include <cstring>

#include "trellis/scales.hpp"

namespace weft::cuda {
namespace {

constexpr std::uint64_t kMostCodes = UINT32_MAX / 2;
constexpr int kTopClass = core::kScaleClasses - 1;
// Of the columns' codes: then the limited sum of all others and a column's code fit a byte.
constexpr std::uint32_t kWidestSpread = (255 - kTopClass) / 2;

std::size_t whole_words(std::size_t bytes) { return (bytes + 3) / 4 * 4; }

std::size_t column_bytes(std::uint32_t count) { return whole_words(count + core::kRepeatedColumns); }

}  // namespace

DeviceScales::DeviceScales(const TrellisStream& stream) : stream_(&stream) {
  const auto found = std::find_if(stream.factors.begin(), stream.factors.end(),
                                  [](const ScaleFactor& factor) { return factor.inner == 1; });
  if (found != stream.factors.end()) columns_ = &*found;
  if (stream.factors.size() > core::kMaxFactors + (columns_ != nullptr ? 1 : 0) ||
      std::any_of(stream.factors.begin(), stream.factors.end(),
                  [](const ScaleFactor& factor) { return factor.codes.empty() || factor.codes.size() > kMostCodes; }))
    return;
  parameters_.base = stream.base_class;
  trellis::CodeRange others{stream.base_class, stream.base_class};
  std::size_t bytes = 0;
  for (const ScaleFactor& factor : stream.factors) {
    if (&factor == columns_) continue;
    const trellis::CodeRange range = trellis::code_range(factor);
    others = {others.lowest + range.lowest, others.highest + range.highest};
    parameters_.factors[parameters_.factor_count++] = {nullptr, factor.inner,
                                                       static_cast<std::uint32_t>(factor.codes.size())};
    bytes += whole_words(factor.codes.size());
  }
  const trellis::CodeRange codes = columns_ != nullptr ? trellis::code_range(*columns_) : trellis::CodeRange{};
  parameters_.clamps = others.lowest + codes.lowest < 0 || others.highest + codes.highest > kTopClass ? 1 : 0;
  lowest_code_ = -others.highest;
  highest_code_ = kTopClass - others.lowest;
  parameters_.lowest_sum = -std::clamp(codes.highest, lowest_code_, highest_code_);
  parameters_.highest_sum = kTopClass - std::clamp(codes.lowest, lowest_code_, highest_code_);
  parameters_.below = static_cast<std::uint32_t>(parameters_.highest_sum - parameters_.lowest_sum - kTopClass);
  const std::size_t count = columns_ != nullptr ? columns_->codes.size() : 1;
  parameters_.column_count =
      static_cast<std::uint32_t>(count * ((core::kClassesAhead + count - 1) / count));  // whole turns
  if (parameters_.below <= kWidestSpread) bytes_ = column_bytes(parameters_.column_count) + bytes;
}

std::uint8_t DeviceScales::column_code(int code) const noexcept {
  const int lowest = kTopClass - parameters_.highest_sum;
  return static_cast<std::uint8_t>(std::clamp(code, lowest_code_, highest_code_) - lowest);
}

core::ScaleParameters DeviceScales::fill(std::byte* codes, const std::uint8_t* device) const {
  core::ScaleParameters filled = parameters_;
  std::fill_n(codes, bytes_, std::byte{0});
  filled.columns = device;
  for (std::size_t i = 0; i < filled.column_count + core::kRepeatedColumns; i++)
    codes[i] =
        static_cast<std::byte>(column_code(columns_ != nullptr ? columns_->codes[i % columns_->codes.size()] : 0));
  std::size_t at = column_bytes(filled.column_count);
  core::ScaleCodes* to = filled.factors;
  for (const ScaleFactor& factor : stream_->factors) {
    if (&factor == columns_) continue;
    std::memcpy(codes + at, factor.codes.data(), factor.codes.size());
    (to++)->codes = reinterpret_cast<const std::int8_t*>(device + at);
    at += whole_words(factor.codes.size());
  }
  return filled;
}

}  // namespace weft::cuda
