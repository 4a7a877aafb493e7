#include "backends/cpu/trellis_tables.hpp"

#include <algorithm>
#include <cmath>

#include "trellis/scales.hpp"
#include "weft/core/frequency.hpp"
#include "weft/core/trellis_rows.hpp"

namespace weft::cpu {
namespace {

// Calls f(row) for the rows that the stream's weights may need.
template <class F>
void for_rows(const TrellisStream& stream, F f) {
  const trellis::ClassRange range = trellis::table_range(stream);
  const bool zero = stream.keeps_zero, predicts = stream.predicts;
  for (int c = range.lowest; c <= range.highest; c++)
    for (std::uint32_t i = 0; i < core::tables_in_use(zero, predicts); i++)
      f(c * core::kClassTables + static_cast<int>(core::table_in_use(zero, predicts, i)));
}

}  // namespace

std::uint32_t price_of_bit(double lambda) noexcept {
  return static_cast<std::uint32_t>(std::lrint(std::clamp(lambda, 0.0, 10.0) * (4 << 12)));
}

void TrellisTables::prepare_encode(const TrellisStream& stream) {
  if (!encode_) {
    encode_ = std::make_unique_for_overwrite<core::EncodeTable[]>(trellis::kRows);
    prices_.assign(std::size_t{trellis::kRows} * 256, kNoPrice);
  }
  if (stream.lambda != lambda_) has_encode_.fill(false);
  lambda_ = stream.lambda;
  const std::uint64_t bit = price_of_bit(lambda_);
  for_rows(stream, [&](int row) {
    const auto r = static_cast<std::size_t>(row);
    if (has_encode_[r]) return;
    has_encode_[r] = true;
    std::uint16_t frequencies[256];
    curve_.frequencies(row, static_cast<int>(reach_[r / core::kClassTables]), frequencies);
    core::build_encode_table(frequencies, encode_[r]);
    for (std::size_t s = 0; s < 256; s++)
      prices_[r * 256 + s] =
          frequencies[s] == 0 ? kNoPrice : static_cast<std::uint32_t>(core::code_length(frequencies[s]) * bit >> 8);
  });
}

void TrellisTables::prepare_decode(const TrellisStream& stream) {
  if (!decode_)
    decode_ = std::make_unique_for_overwrite<std::uint32_t[]>(std::size_t{trellis::kRows} * core::kProbScale);
  for_rows(stream, [&](int row) {
    const auto r = static_cast<std::size_t>(row);
    if (has_decode_[r]) return;
    has_decode_[r] = true;
    std::uint16_t frequencies[256];
    curve_.frequencies(row, static_cast<int>(reach_[r / core::kClassTables]), frequencies);
    core::build_decode_table(frequencies, decode_.get() + r * core::kProbScale);
  });
}

TrellisTables& TrellisCache::tables(const Shape& shape) {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry->shape() == shape; });
  if (found != entries_.end()) {
    std::rotate(entries_.begin(), found, found + 1);
  } else {
    if (entries_.size() == kKeptShapes) entries_.pop_back();
    entries_.insert(entries_.begin(), std::make_unique<TrellisTables>(shape));
  }
  return *entries_.front();
}

}  // namespace weft::cpu
