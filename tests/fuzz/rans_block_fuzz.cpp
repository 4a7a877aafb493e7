// Any bytes as a block of any codec, with its checksum made right: decoding ends in units or a fault, the same on every
// kernel set, and stays within its buffers.
//
// The first eight bytes of the input choose codec, element type, units, table and parameters; the rest is the block.
#include <algorithm>
#include <cstdlib>

#include "archive/bytes.hpp"
#include "archive/codebook_index.hpp"
#include "backends/cpu/cpu_codec.hpp"
#include "coders.hpp"
#include "core/symbol_sources.hpp"
#include "trellis/scales.hpp"

namespace {

using namespace weft;

const std::vector<FrequencyTable>& tables() {
  static const auto all = [] {
    std::vector<FrequencyTable> list;
    for (const auto& source : test::symbol_sources()) {
      const auto& f = source.frequencies;
      const auto is_used = [](std::uint16_t frequency) { return frequency != 0; };
      const auto first = std::find_if(f.begin(), f.end(), is_used);
      const auto last = std::find_if(f.rbegin(), f.rend(), is_used).base();
      list.push_back({static_cast<std::uint8_t>(first - f.begin()), {first, last}});
    }
    for (const std::uint8_t base : {std::uint8_t{0}, std::uint8_t{120}, std::uint8_t{240}}) {
      FrequencyTable pairs = list[base % list.size()];
      pairs.pair_base = base;
      list.push_back(std::move(pairs));
    }
    return list;
  }();
  return all;
}

// Those that are not of pairs.
const std::vector<const FrequencyTable*>& plain_tables() {
  static const std::vector<const FrequencyTable*> plain = [] {
    std::vector<const FrequencyTable*> list;
    for (const FrequencyTable& table : tables())
      if (!table.pair_base && list.size() < core::kMostClassTables) list.push_back(&table);
    return list;
  }();
  return plain;
}

struct Outcome {
  std::string reason;
  std::vector<std::byte> units;
  bool operator==(const Outcome&) const = default;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHead = 8;
  if (size < kHead) return 0;
  const DType quantizable[] = {DType::kF16, DType::kBF16, DType::kF32, DType::kF64};
  SegmentView view;
  view.codec = static_cast<CodecId>(data[0] % 5);
  view.dtype = static_cast<DType>(data[1] % kDTypeCount);
  if (is_lossy(view.codec)) view.dtype = quantizable[data[1] % 4];
  if (view.codec == CodecId::kAsset) view.dtype = DType::kU8;
  view.units = 1 + (data[2] | std::uint64_t{data[3]} << 8);
  if (data[4] % 16 < tables().size())
    for (auto& table : view.tables) table = &tables()[data[4] % 16];
  UniformStream uniform;
  uniform.fine_step = 0.01f;
  uniform.low_bits = static_cast<std::uint8_t>(data[5] % 3 * 4);
  if ((data[5] & 64) != 0) {
    uniform.inner = 1 + data[6] % 50;
    uniform.scale_codes = {data[6], data[7], 128};
  }
  view.uniform = &uniform;
  // Of one codebook or, in groups, of two.
  Codebook book;
  book.dimension = static_cast<std::uint8_t>(1 << data[5] % 4);
  for (int i = 0; i < (data[6] + 1) * (data[5] % 8 < 4 ? 1 : 3) * book.dimension; i++)
    book.values.push_back(static_cast<float>(i - 100));
  const std::vector<Codebook> books(2, book);
  CodebookStream codebook;
  codebook.books = {0};
  if ((data[5] & 64) != 0) codebook = {{0, 1}, std::uint64_t{1} + data[7], 2, 1, 1, 1};
  archive::adopt_codebooks(books, codebook);
  view.codebook = &codebook;
  view.codebooks = books;
  // By class: of rows, or of columns.
  Scales scales;
  const bool may_have_classes =
      view.codec == CodecId::kLossless || (view.codec == CodecId::kCodebook && codebook.dimension == 1);
  if (may_have_classes && (data[5] & 128) != 0) {
    scales.base_class = static_cast<std::int16_t>(data[6] % 40 - 4);
    scales.factors = {{std::uint64_t{1} + data[7] % 64, {0, 1, 2, static_cast<std::int8_t>(data[6])}}};
    view.scales = &scales;
    const trellis::ClassRange range = trellis::class_range(scales);
    for (int c = range.lowest; c <= range.highest; c++)
      view.class_tables.push_back(plain_tables()[static_cast<std::size_t>(c) % plain_tables().size()]);
    view.tables[0] = nullptr;
  }
  view.corrections = {static_cast<std::int8_t>(data[6]), static_cast<std::int8_t>(data[7]), -128};

  const auto rest = std::as_bytes(std::span(data, size)).subspan(kHead);
  std::vector<std::byte> block(rest.begin(), rest.end());
  if (block.size() >= 4) {
    const auto* payload = reinterpret_cast<const std::uint8_t*>(block.data() + 4);
    archive::store_le(block.data(), cpu::active_kernels().crc32c(payload, block.size() - 4));
  }
  const std::vector<std::span<const std::byte>> blocks{block};
  std::optional<Outcome> expected;
  for (const auto& coder : fuzz::coders()) {
    Outcome outcome;
    outcome.units.resize(view.units * static_cast<std::size_t>(unit_bytes(view.dtype)));
    if (auto fault = coder->decode(view, 0, blocks, outcome.units)) outcome = {fault->reason, {}};
    if (!expected)
      expected = std::move(outcome);
    else if (!(outcome == *expected))
      std::abort();
  }
  return 0;
}
