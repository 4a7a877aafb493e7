#include "backends/cpu/plane_coder.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "archive/bytes.hpp"

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

std::optional<FrequencyTable> table_of(const core::PlaneTables& plane) {
  if (plane.has_table == 0) return std::nullopt;
  FrequencyTable table = compact_table(plane.frequencies);
  if (plane.paired != 0) table.pair_base = plane.window.base;
  return table;
}

void expand_table(const FrequencyTable& table, std::uint16_t frequencies[256]) noexcept {
  std::fill_n(frequencies, 256, std::uint16_t{0});
  std::copy(table.frequencies.begin(), table.frequencies.end(), frequencies + table.first);
}

std::optional<PairPlane> split_pairs(std::span<const std::byte> plane, std::uint64_t n) {
  if (n % 2 != 0 || plane.size() % 2 != 0 || plane.size() < sizeof(std::uint32_t)) return std::nullopt;
  const auto before = plane.first(plane.size() - sizeof(std::uint32_t));
  const auto count = archive::load_le<std::uint32_t>(before.data() + before.size());
  if (count > before.size() / core::kRecordBytes) return std::nullopt;
  const std::size_t words = before.size() - std::size_t{count} * core::kRecordBytes;
  return PairPlane{before.first(words), before.subspan(words)};
}

void PlaneEncoder::begin(std::span<const std::uint8_t> symbols, double min_saving,
                         std::optional<core::WindowTies> pairs, const std::optional<UnitClasses>& classes) {
  symbols_ = symbols;
  core::OneThread team;
  tables_.counted = {};
  tables_.window = {};
  tables_.keep = 1 - min_saving;
  auto* counts = tables_.counted.pairs;
  if (pairs && may_pair(symbols.size())) {
    std::array<std::uint8_t, core::kWindowRuns * core::kWindowRun> sample;
    for (std::uint32_t run = 0; run < core::kWindowRuns; run++)
      std::copy_n(symbols.data() + core::sample_begin(symbols.size(), run), core::kWindowRun,
                  sample.data() + std::size_t{run} * core::kWindowRun);
    std::uint64_t counted[256] = {};
    kernels_.histogram(sample.data(), sample.size(), counted);
    tables_.window = core::choose_window(counted, *pairs, team);
  }
  if (tables_.window.usable != 0) {
    pairs_.resize(symbols.size() / 2);
    kernels_.pack_pairs(symbols.data(), pairs_.size(), tables_.window, pairs_.data(), tables_.counted.outside);
    kernels_.histogram(pairs_.data(), pairs_.size(), counts);
  } else {
    kernels_.histogram(symbols.data(), symbols.size(), counts);
  }
  core::PlaneChoice work[2];
  core::choose_plane_table(tables_, work, team);
  by_class_ = {};
  length_ = plain_length(tables_, work, symbols.size());
  if (classes) begin_by_class(*classes);
  if (tables_.paired != 0)
    for (auto& pair : pairs_) pair = tables_.replacement[pair];
}

void PlaneEncoder::begin_by_class(const UnitClasses& classes) {
  by_class_ = choose_class_tables(symbols_, classes, length_);
  if (by_class_.tables.empty()) return;
  length_ = by_class_.length;
  tables_.has_table = tables_.paired = 0;
  class_encode_.resize(by_class_.tables.size());
  for (std::size_t t = 0; t < class_encode_.size(); t++) {
    std::uint16_t frequencies[256];
    expand_table(by_class_.tables[t], frequencies);
    core::build_encode_table(frequencies, class_encode_[t]);
  }
  std::array<std::uint8_t, core::kScaleClasses> number_of_class{};
  std::copy(by_class_.table_of_class.begin(), by_class_.table_of_class.end(), number_of_class.begin() + classes.lowest);
  numbers_.resize(symbols_.size());
  kernels_.number_classes(classes.of_unit.data(), numbers_.size(), number_of_class.data(), numbers_.data());
}

bool PlaneEncoder::encode(std::size_t at, std::size_t n, BlockBuilder& block) {
  const auto symbols = symbols_.subspan(at, n);
  if (n > 0 && std::memcmp(symbols.data(), symbols.data() + 1, n - 1) == 0) {
    block.add_constant(symbols[0]);
    return false;
  }
  if (tables_.paired != 0) {
    if (encode_pairs(symbols, std::span(pairs_).subspan(at / 2, n / 2), block)) return true;
  } else if (tables_.has_table != 0 || !by_class_.tables.empty()) {
    if (encode_words(at, n, block)) return true;
  }
  block.add_bytes(PlaneMode::kRaw, std::as_bytes(symbols));
  return false;
}

bool PlaneEncoder::encode_words(std::size_t at, std::size_t n, BlockBuilder& block) {
  words_.resize(core::encode_bound_words(n));
  std::uint16_t* end = words_.data() + words_.size();
  const int lanes_log2 = core::lanes_log2_for(n);
  const auto size = static_cast<std::uint32_t>(n);
  const std::uint8_t* symbols = symbols_.data() + at;
  const std::size_t count =
      by_class_.tables.empty()
          ? kernels_.rans_encode(symbols, size, lanes_log2, tables_.encode, end)
          : kernels_.rans_encode_by_class(symbols, numbers_.data() + at, size, lanes_log2, class_encode_.data(), end);
  if (2 * count >= n) return false;
  block.add_bytes(PlaneMode::kRans, std::as_bytes(std::span(end - count, count)), lanes_log2);
  return true;
}

bool PlaneEncoder::encode_pairs(std::span<const std::uint8_t> symbols, std::span<const std::uint8_t> pairs,
                                BlockBuilder& block) {
  constexpr std::size_t kPart = 64;  // symbols that are compared at once
  const std::size_t n = symbols.size();
  restored_.resize(n);
  kernels_.unpack_pairs(pairs.data(), pairs.size(), tables_.window.base, restored_.data());
  records_.clear();
  for (std::size_t end = n; end > 0;) {
    const std::size_t begin = (end - 1) / kPart * kPart;
    if (std::memcmp(restored_.data() + begin, symbols.data() + begin, end - begin) != 0)
      for (std::size_t i = end; i-- > begin;)
        if (restored_[i] != symbols[i])
          records_.push_back(core::pack_record(static_cast<std::uint32_t>(i), symbols[i]));
    end = begin;
  }
  if (records_.size() > core::most_records(static_cast<std::uint32_t>(n))) return false;
  words_.resize(core::encode_bound_words(pairs.size()));
  std::uint16_t* end = words_.data() + words_.size();
  const int lanes_log2 = core::lanes_log2_for(pairs.size());
  const std::size_t count =
      kernels_.rans_encode(pairs.data(), static_cast<std::uint32_t>(pairs.size()), lanes_log2, tables_.encode, end);
  if (core::bytes_of_pairs(static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(records_.size())) >= n)
    return false;
  records_.push_back(static_cast<std::uint32_t>(records_.size()));
  const auto words = std::as_bytes(std::span(end - count, count));
  const auto records = std::as_bytes(std::span(records_));
  bytes_.assign(words.begin(), words.end());
  bytes_.insert(bytes_.end(), records.begin(), records.end());
  block.add_bytes(PlaneMode::kRans, bytes_, lanes_log2);
  return true;
}

void PlaneDecoder::make_table(std::size_t number, const FrequencyTable& table) {
  if (number >= made_.size()) {
    made_.resize(number + 1);
    slots_.resize(made_.size() * core::kProbScale);
  }
  if (made_[number] == table) return;
  std::uint16_t frequencies[256];
  expand_table(table, frequencies);
  core::build_decode_table(frequencies, slots_.data() + number * core::kProbScale);
  made_[number] = table;
}

void PlaneDecoder::set_table(const FrequencyTable* table) {
  has_table_ = table != nullptr;
  by_class_ = false;
  if (has_table_) make_table(0, *table);
}

void PlaneDecoder::set_class_tables(int lowest, std::span<const FrequencyTable* const> tables) {
  has_table_ = by_class_ = true;
  const DifferentTables different = different_tables(tables);
  for (std::size_t t = 0; t < different.tables.size(); t++) make_table(t, *different.tables[t]);
  std::copy(different.numbers.begin(), different.numbers.end(), number_of_class_.begin() + lowest);
}

std::string fault_of(core::Status status) {
  switch (status) {
    case core::Status::kOk:
      return "";
    case core::Status::kTruncated:
      return "a coded plane ends too early";
    case core::Status::kTrailing:
      return "a coded plane does not end where its symbols do";
    case core::Status::kRecords:
      return "the records of a coded plane do not descend";
    case core::Status::kExceptions:
    case core::Status::kIndices:
      break;
  }
  return "a coded plane cannot be decoded";
}

std::string PlaneDecoder::decode(const PlaneView& plane, std::uint64_t n, std::uint8_t* out,
                                 const std::uint8_t*& symbols, std::span<const std::uint8_t> classes) {
  symbols = out;
  switch (plane.mode) {
    case PlaneMode::kRaw:
      if (plane.bytes.size() != n) return "a raw plane has the wrong size";
      symbols = reinterpret_cast<const std::uint8_t*>(plane.bytes.data());
      return "";
    case PlaneMode::kConstant:
      std::memset(out, plane.constant, n);
      return "";
    case PlaneMode::kRans:
      if (!has_table_) return "a coded plane has no frequency table";
      if (plane.bytes.size() % 2 != 0) return "a coded plane has an odd size";
      if (by_class_) return decode_by_class(plane, classes, out);
      return made_[0].pair_base ? decode_pairs(plane, n, out) : decode_words(plane.bytes, plane.lanes_log2, n, out);
    default:
      return "a plane has a mode that its codec does not use";
  }
}

std::string PlaneDecoder::decode_words(std::span<const std::byte> bytes, int lanes_log2, std::uint64_t n,
                                       std::uint8_t* out) const {
  const auto* words = reinterpret_cast<const std::uint16_t*>(bytes.data());
  const auto count = static_cast<std::uint32_t>(bytes.size() / 2);
  return fault_of(kernels_.rans_decode(words, count, lanes_log2, slots_.data(), static_cast<std::uint32_t>(n), out));
}

std::string PlaneDecoder::decode_by_class(const PlaneView& plane, std::span<const std::uint8_t> classes,
                                          std::uint8_t* out) {
  numbers_.resize(classes.size());
  kernels_.number_classes(classes.data(), classes.size(), number_of_class_.data(), numbers_.data());
  const auto* words = reinterpret_cast<const std::uint16_t*>(plane.bytes.data());
  return fault_of(kernels_.rans_decode_by_class(words, static_cast<std::uint32_t>(plane.bytes.size() / 2),
                                                plane.lanes_log2, slots_.data(), numbers_.data(),
                                                static_cast<std::uint32_t>(classes.size()), out));
}

std::string PlaneDecoder::decode_pairs(const PlaneView& plane, std::uint64_t n, std::uint8_t* out) {
  const auto parts = split_pairs(plane.bytes, n);
  if (!parts) return "a plane of pairs has the wrong size";
  pairs_.resize(n / 2);
  std::string fault = decode_words(parts->words, plane.lanes_log2, n / 2, pairs_.data());
  if (!fault.empty()) return fault;
  kernels_.unpack_pairs(pairs_.data(), pairs_.size(), *made_[0].pair_base, out);
  std::uint64_t before = n;
  for (std::size_t i = 0; i < parts->records.size(); i += core::kRecordBytes) {
    const auto record = archive::load_le<std::uint32_t>(parts->records.data() + i);
    const std::uint32_t position = core::position_of_record(record);
    if (position >= before) return fault_of(core::Status::kRecords);
    out[position] = static_cast<std::uint8_t>(core::symbol_of_record(record));
    before = position;
  }
  return "";
}

}  // namespace weft::cpu
