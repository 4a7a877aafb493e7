#include "backends/cpu/plane_coder.hpp"

#include <cmath>

#include "archive/bytes.hpp"
#include "backends/cpu/segments.hpp"
#include "core/symbol_sources.hpp"

namespace weft {
namespace {

using archive::PlaneMode;
using cpu::PlaneDecoder;
using cpu::PlaneEncoder;

// One plane alone in a block.
struct CodedPlane {
  std::vector<std::byte> bytes;
  archive::BlockView view;
};

// Codes a whole plane as one block, with a table if that pays; returns whether it was coded.
bool encode(const std::vector<std::uint8_t>& symbols, std::optional<FrequencyTable>& table, CodedPlane& plane,
            bool pairs = false, double min_saving = 0) {
  PlaneEncoder encoder(cpu::active_kernels());
  encoder.begin(symbols, min_saving, pairs ? std::optional(core::WindowTies::kMiddle) : std::nullopt);
  table = encoder.table();
  archive::BlockBuilder block(plane.bytes, symbols.size(), 1);
  const bool used = encoder.encode(0, symbols.size(), block);
  block.finish(cpu::active_kernels().crc32c);
  EXPECT_EQ(plane.view.parse(plane.bytes, {CodecId::kLossless, symbols.size(), 1}, cpu::active_kernels().crc32c), "");
  return used;
}

std::optional<FrequencyTable> table_of(const std::vector<std::uint8_t>& symbols, double min_saving = 0) {
  PlaneEncoder encoder(cpu::active_kernels());
  encoder.begin(symbols, min_saving, std::nullopt);
  return encoder.table();
}

std::vector<std::uint8_t> decode(const CodedPlane& plane, const std::optional<FrequencyTable>& table, std::size_t n) {
  PlaneDecoder decoder(cpu::active_kernels());
  decoder.set_table(table ? &*table : nullptr);
  std::vector<std::uint8_t> out(n);
  const std::uint8_t* symbols = nullptr;
  EXPECT_EQ(decoder.decode(plane.view.plane(0), n, out.data(), symbols), "");
  return {symbols, symbols + n};
}

TEST(PlaneCoderTest, CodedPlanesComeBack) {
  for (const auto& source : test::symbol_sources()) {
    if (source.name == "flat") continue;
    for (const std::size_t n : {8191u, 65536u}) {
      auto symbols = source.draw(n, 3);
      symbols[0] = 255, symbols[1] = 254;  // never a constant plane
      std::optional<FrequencyTable> table;
      CodedPlane plane;
      EXPECT_TRUE(encode(symbols, table, plane)) << source.name;
      EXPECT_EQ(plane.view.plane(0).mode, PlaneMode::kRans);
      EXPECT_EQ(decode(plane, table, n), symbols) << source.name;
    }
  }
}

TEST(PlaneCoderTest, WhatDoesNotShrinkStaysRaw) {
  const auto bytes = test::random_bytes(5000, 2);
  const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const std::vector<std::uint8_t> symbols(p, p + bytes.size());
  std::optional<FrequencyTable> table;
  CodedPlane plane;
  EXPECT_FALSE(encode(symbols, table, plane));
  EXPECT_FALSE(table);
  EXPECT_EQ(plane.view.plane(0).mode, PlaneMode::kRaw);
  EXPECT_EQ(decode(plane, table, symbols.size()), symbols);
}

TEST(PlaneCoderTest, OneSymbolIsAConstant) {
  const std::vector<std::uint8_t> symbols(3000, 200);
  std::optional<FrequencyTable> table;
  CodedPlane plane;
  EXPECT_FALSE(encode(symbols, table, plane));
  EXPECT_FALSE(table);
  EXPECT_EQ(plane.view.plane(0).mode, PlaneMode::kConstant);
  EXPECT_EQ(plane.view.plane(0).bytes.size(), 0u);
  EXPECT_EQ(decode(plane, table, symbols.size()), symbols);
}

TEST(PlaneCoderTest, ATableMustSaveWhatItIsAskedTo) {
  std::vector<std::uint8_t> symbols(65536);
  for (std::size_t i = 0; i < symbols.size(); i++) symbols[i] = static_cast<std::uint8_t>(i % 240);  // saves 1.2 %
  EXPECT_TRUE(table_of(symbols, 0.002));
  EXPECT_FALSE(table_of(symbols, 0.05));
}

TEST(PlaneCoderTest, FaultsAreSentences) {
  const auto source = test::symbol_sources()[2];
  const auto symbols = source.draw(4096, 3);
  std::optional<FrequencyTable> table;
  CodedPlane plane;
  encode(symbols, table, plane);
  PlaneDecoder decoder(cpu::active_kernels());
  std::vector<std::uint8_t> out(8192);
  const std::uint8_t* p = nullptr;
  archive::PlaneView view = plane.view.plane(0);
  decoder.set_table(nullptr);
  EXPECT_EQ(decoder.decode(view, 4096, out.data(), p), "a coded plane has no frequency table");
  decoder.set_table(&*table);
  EXPECT_EQ(decoder.decode(view, 8192, out.data(), p), "a coded plane ends too early");
  EXPECT_EQ(decoder.decode(view, 4000, out.data(), p), "a coded plane does not end where its symbols do");
  view.bytes = view.bytes.first(view.bytes.size() - 1);
  EXPECT_EQ(decoder.decode(view, 4096, out.data(), p), "a coded plane has an odd size");
  view.mode = PlaneMode::kRaw;
  EXPECT_EQ(decoder.decode(view, 4096, out.data(), p), "a raw plane has the wrong size");
  view.mode = PlaneMode::kZstd;
  EXPECT_EQ(decoder.decode(view, 4096, out.data(), p), "a plane has a mode that its codec does not use");
}

// Levels around 128 of a Gaussian, some of them far out.
std::vector<std::uint8_t> levels(std::size_t n, double deviation, std::size_t far_every) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal(128, deviation);
  std::vector<std::uint8_t> symbols(n);
  for (std::size_t i = 0; i < n; i++)
    symbols[i] = static_cast<std::uint8_t>(i % far_every == far_every - 1 ? random() : std::lrint(normal(random)));
  return symbols;
}

TEST(PlaneCoderTest, SmallSymbolsAreCodedInPairs) {
  for (const std::size_t n : {65536u, 65538u, 200000u}) {
    const auto symbols = levels(n, 2, 10000);
    std::optional<FrequencyTable> table;
    CodedPlane plane, single;
    EXPECT_TRUE(encode(symbols, table, plane, true));
    ASSERT_TRUE(table && table->pair_base) << n;
    EXPECT_NEAR(*table->pair_base, 120, 1);  // from a sample
    EXPECT_EQ(decode(plane, table, n), symbols) << n;
    encode(symbols, table, single);
    EXPECT_FALSE(table->pair_base);
    EXPECT_LE(plane.bytes.size(), single.bytes.size() * (core::kPairPrice + 1) / core::kPairPrice + 64);
  }
}

TEST(PlaneCoderTest, PairsAreLeftWhereTheyWouldCost) {
  const auto table_in_pairs = [](const std::vector<std::uint8_t>& symbols) {
    std::optional<FrequencyTable> table;
    CodedPlane plane;
    encode(symbols, table, plane, true);
    EXPECT_EQ(decode(plane, table, symbols.size()), symbols);
    return table && table->pair_base;
  };
  EXPECT_FALSE(table_in_pairs(levels(65537, 2, 10000)));    // an odd number
  EXPECT_FALSE(table_in_pairs(levels(65534, 2, 10000)));    // few
  EXPECT_FALSE(table_in_pairs(levels(131072, 2, 90)));      // too much lies outside
  EXPECT_FALSE(table_in_pairs(levels(131072, 30, 10000)));  // no window of 16
  std::vector<std::uint8_t> alternating(131072), shifted = levels(131072, 2, 10000);
  for (std::size_t i = 0; i < alternating.size(); i++) alternating[i] = static_cast<std::uint8_t>(i % 2);
  EXPECT_FALSE(table_in_pairs(alternating));  // one pair is no alphabet
  for (std::size_t i = 70000; i < shifted.size(); i++) shifted[i] = static_cast<std::uint8_t>(shifted[i] + 40);
  EXPECT_FALSE(table_in_pairs(shifted));  // not what the sample promised
}

// Whatever the first symbols promised, a block that the table does not suit comes back.
TEST(PlaneCoderTest, BlocksWithManyRecordsStayRaw) {
  auto symbols = levels(std::size_t{1} << 21, 2, 100000);
  for (std::size_t i = 65536; i < 65536 + 700; i++) symbols[i] = static_cast<std::uint8_t>(i % 100);
  PlaneEncoder encoder(cpu::active_kernels());
  encoder.begin(symbols, 0, core::WindowTies::kMiddle);
  const auto table = encoder.table();
  ASSERT_TRUE(table && table->pair_base);
  for (const std::size_t begin : {0u, 65536u}) {
    CodedPlane plane;
    archive::BlockBuilder block(plane.bytes, 8192, 1);
    EXPECT_EQ(encoder.encode(begin, 8192, block), begin == 0);
    block.finish(cpu::active_kernels().crc32c);
    EXPECT_EQ(plane.view.parse(plane.bytes, {CodecId::kLossless, 8192, 1}, cpu::active_kernels().crc32c), "");
    EXPECT_EQ(decode(plane, table, 8192),
              std::vector<std::uint8_t>(symbols.begin() + static_cast<std::ptrdiff_t>(begin),
                                        symbols.begin() + static_cast<std::ptrdiff_t>(begin + 8192)));
  }
}

TEST(PlaneCoderTest, FaultsOfPairsAreSentences) {
  const auto symbols = levels(65536, 2, 5000);
  std::optional<FrequencyTable> table;
  CodedPlane plane;
  ASSERT_TRUE(encode(symbols, table, plane, true));
  PlaneDecoder decoder(cpu::active_kernels());
  decoder.set_table(&*table);
  std::vector<std::uint8_t> out(65536);
  const std::uint8_t* p = nullptr;
  const archive::PlaneView whole = plane.view.plane(0);
  const auto fault = [&](std::size_t n, auto change) {
    std::vector<std::byte> bytes(whole.bytes.begin(), whole.bytes.end());
    change(bytes);
    archive::PlaneView view = whole;
    view.bytes = bytes;
    return decoder.decode(view, n, out.data(), p);
  };
  const auto as_it_is = [](auto&) {};
  const auto set_count = [](std::uint32_t count) {
    return [count](auto& bytes) { archive::store_le(bytes.data() + bytes.size() - 4, count); };
  };
  const auto count = archive::load_le<std::uint32_t>(whole.bytes.data() + whole.bytes.size() - 4);
  ASSERT_GT(count, 2u);
  EXPECT_EQ(fault(65536, as_it_is), "");
  EXPECT_EQ(fault(65535, as_it_is), "a plane of pairs has the wrong size");
  EXPECT_EQ(fault(65536, set_count(1u << 30)), "a plane of pairs has the wrong size");
  EXPECT_EQ(fault(65536, set_count(count - 1)), "a coded plane does not end where its symbols do");
  EXPECT_EQ(fault(65536, [](auto& bytes) { bytes.resize(2); }), "a plane of pairs has the wrong size");
  const std::string order = "the records of a coded plane do not descend";
  EXPECT_EQ(fault(65536, [](auto& bytes) { std::copy_n(bytes.end() - 12, 4, bytes.end() - 8); }), order);
  EXPECT_EQ(fault(65536,
                  [&](auto& bytes) {
                    archive::store_le(bytes.data() + bytes.size() - 4 - 4 * std::size_t{count},
                                      core::pack_record(65536, 1));
                  }),
            order);
}

TEST(PlaneCoderTest, LanesGrowWithThePlane) {
  EXPECT_EQ(core::lanes_log2_for(1), 0);
  EXPECT_EQ(core::lanes_log2_for(2047), 0);
  EXPECT_EQ(core::lanes_log2_for(2048), 1);
  EXPECT_EQ(core::lanes_log2_for(32768), 5);
  EXPECT_EQ(core::lanes_log2_for(std::uint64_t{1} << 40), 5);
}

}  // namespace
}  // namespace weft
