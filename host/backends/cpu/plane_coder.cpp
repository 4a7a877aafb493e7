#include "backends/cpu/plane_coder.hpp"

#include <algorithm>
#include <cstring>

namespace weft::cpu {

using archive::BlockBuilder;
using archive::PlaneMode;
using archive::PlaneView;

FrequencyTable compact_table(const std::uint16_t frequencies[256]) {
  int first = 0, last = 255;
  while (frequencies[first] == 0) first++;
  while (frequencies[last] == 0) last--;
  return {static_cast<std::uint8_t>(first), {frequencies + first, frequencies + last + 1}};
}

std::optional<FrequencyTable> choose_table(const std::uint64_t counts[256], double min_saving) {
  std::uint16_t frequencies[256];
  if (core::normalise(counts, frequencies) < 2) return std::nullopt;  // constant planes need no table
  if (!core::table_pays(counts, frequencies, 1 - min_saving)) return std::nullopt;
  return compact_table(frequencies);
}

void expand_table(const FrequencyTable& table, std::uint16_t frequencies[256]) noexcept {
  std::fill_n(frequencies, 256, std::uint16_t{0});
  std::copy(table.frequencies.begin(), table.frequencies.end(), frequencies + table.first);
}

void PlaneEncoder::set_table(const FrequencyTable* table) {
  has_table_ = table != nullptr;
  if (!has_table_) return;
  std::uint16_t frequencies[256];
  expand_table(*table, frequencies);
  core::build_encode_table(frequencies, table_);
}

bool PlaneEncoder::encode(std::span<const std::uint8_t> symbols, BlockBuilder& block) {
  const std::size_t n = symbols.size();
  if (n > 0 && std::memcmp(symbols.data(), symbols.data() + 1, n - 1) == 0) {
    block.add_constant(symbols[0]);
    return false;
  }
  if (has_table_) {
    words_.resize(core::encode_bound_words(n));
    std::uint16_t* end = words_.data() + words_.size();
    const int lanes_log2 = core::lanes_log2_for(n);
    const std::size_t count =
        kernels_.rans_encode(symbols.data(), static_cast<std::uint32_t>(n), lanes_log2, table_, end);
    if (2 * count < n) {
      block.add_bytes(PlaneMode::kRans, std::as_bytes(std::span(end - count, count)), lanes_log2);
      return true;
    }
  }
  block.add_bytes(PlaneMode::kRaw, std::as_bytes(symbols));
  return false;
}

void PlaneDecoder::set_table(const FrequencyTable* table) {
  if (table == nullptr) {
    table_.clear();
    current_ = {};
  } else if (*table != current_ || table_.empty()) {
    std::uint16_t frequencies[256];
    expand_table(*table, frequencies);
    table_.resize(core::kProbScale);
    core::build_decode_table(frequencies, table_.data());
    current_ = *table;
  }
}

std::string fault_of(core::Status status) {
  switch (status) {
    case core::Status::kOk:
      return "";
    case core::Status::kTruncated:
      return "a coded plane ends too early";
    case core::Status::kTrailing:
      return "a coded plane does not end where its symbols do";
    case core::Status::kExceptions:
      break;
  }
  return "a coded plane cannot be decoded";
}

std::string PlaneDecoder::decode(const PlaneView& plane, std::uint64_t n, std::uint8_t* out,
                                 const std::uint8_t*& symbols) const {
  symbols = out;
  switch (plane.mode) {
    case PlaneMode::kRaw:
      if (plane.bytes.size() != n) return "a raw plane has the wrong size";
      symbols = reinterpret_cast<const std::uint8_t*>(plane.bytes.data());
      return "";
    case PlaneMode::kConstant:
      std::memset(out, plane.constant, n);
      return "";
    case PlaneMode::kRans: {
      if (table_.empty()) return "a coded plane has no frequency table";
      if (plane.bytes.size() % 2 != 0) return "a coded plane has an odd size";
      const auto* words = reinterpret_cast<const std::uint16_t*>(plane.bytes.data());
      const auto count = static_cast<std::uint32_t>(plane.bytes.size() / 2);
      return fault_of(
          kernels_.rans_decode(words, count, plane.lanes_log2, table_.data(), static_cast<std::uint32_t>(n), out));
    }
    default:
      return "a plane has a mode that its codec does not use";
  }
}

}  // namespace weft::cpu
