#include "backends/cuda/device_scales.hpp"

#include <algorithm>
#include <cstring>

namespace weft::cuda {
namespace {

constexpr std::uint64_t kMostCodes = UINT32_MAX / 2;
constexpr int kTopClass = core::kScaleClasses - 1;
// Of the columns' codes: then the limited sum of all others and a column's code fit a byte.
constexpr int kWidestSpread = (255 - kTopClass) / 2;

const std::vector<std::int8_t> kNoColumns{0};

struct Range {
  int low = 0, high = 0;
};
Range range_of(const std::vector<std::int8_t>& codes) {
  const auto [low, high] = std::minmax_element(codes.begin(), codes.end());
  return {*low, *high};
}

}  // namespace

std::size_t DeviceScales::append(const std::vector<std::uint8_t>& codes) {
  const std::size_t begin = codes_.size();
  codes_.insert(codes_.end(), codes.begin(), codes.end());
  codes_.resize((codes_.size() + 3) / 4 * 4);
  return begin;
}

DeviceScales::DeviceScales(const TrellisStream& stream) {
  const auto columns = std::find_if(stream.factors.begin(), stream.factors.end(),
                                    [](const ScaleFactor& factor) { return factor.inner == 1; });
  if (stream.factors.size() > core::kMaxFactors + (columns != stream.factors.end() ? 1 : 0) ||
      std::any_of(stream.factors.begin(), stream.factors.end(),
                  [](const ScaleFactor& factor) { return factor.codes.empty() || factor.codes.size() > kMostCodes; }))
    return;
  parameters_.base = stream.base_class;
  Range others{stream.base_class, stream.base_class};
  for (auto factor = stream.factors.begin(); factor != stream.factors.end(); ++factor) {
    if (factor == columns) continue;
    const Range range = range_of(factor->codes);
    others = {others.low + range.low, others.high + range.high};
    std::vector<std::uint8_t> codes(factor->codes.size());
    std::transform(factor->codes.begin(), factor->codes.end(), codes.begin(), [](std::int8_t code) {
      return static_cast<std::uint8_t>(code + static_cast<int>(core::kCodeBias));
    });
    factors_[parameters_.factor_count] = append(codes);
    parameters_.factors[parameters_.factor_count++] = {nullptr, factor->inner,
                                                       static_cast<std::uint32_t>(factor->codes.size())};
  }
  const std::vector<std::int8_t>& column_codes = columns != stream.factors.end() ? columns->codes : kNoColumns;
  Range range = range_of(column_codes);
  parameters_.clamps = others.low + range.low < 0 || others.high + range.high > kTopClass ? 1 : 0;
  // Beyond these no sum of the others leads back to where classes differ.
  const auto limited = [&](int code) { return std::clamp(code, -others.high, kTopClass - others.low); };
  range = {limited(range.low), limited(range.high)};
  const std::size_t count = column_codes.size(), turns = (core::kClassesAhead + count - 1) / count;
  parameters_.column_count = static_cast<std::uint32_t>(count * turns);
  std::vector<std::uint8_t> codes(count * turns + core::kRepeatedColumns);
  for (std::size_t i = 0; i < codes.size(); i++)
    codes[i] = static_cast<std::uint8_t>(limited(column_codes[i % count]) - range.low);
  columns_ = append(codes);
  parameters_.below = static_cast<std::uint32_t>(range.high - range.low);
  parameters_.lowest_sum = -range.high;
  parameters_.highest_sum = kTopClass - range.low;
  fit_ = range.high - range.low <= kWidestSpread;
}

core::ScaleParameters DeviceScales::fill(std::byte* codes, const std::uint8_t* device) const {
  if (!fit_) return {};
  std::memcpy(codes, codes_.data(), codes_.size());
  core::ScaleParameters filled = parameters_;
  filled.columns = device + columns_;
  for (std::uint32_t f = 0; f < filled.factor_count; f++) filled.factors[f].codes = device + factors_[f];
  return filled;
}

}  // namespace weft::cuda
