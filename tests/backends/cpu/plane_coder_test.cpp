#include "backends/cpu/plane_coder.hpp"

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

bool encode(const std::vector<std::uint8_t>& symbols, const FrequencyTable* table, CodedPlane& plane) {
  PlaneEncoder encoder(cpu::active_kernels());
  encoder.set_table(table);
  archive::BlockBuilder block(plane.bytes, symbols.size(), 1);
  const bool used = encoder.encode(symbols, block);
  block.finish(cpu::active_kernels().crc32c);
  EXPECT_EQ(plane.view.parse(plane.bytes, symbols.size(), 1, cpu::active_kernels().crc32c), "");
  return used;
}

std::optional<FrequencyTable> table_of(const std::vector<std::uint8_t>& symbols, double min_saving = 0) {
  std::uint64_t counts[256] = {};
  for (const auto symbol : symbols) counts[symbol]++;
  return cpu::choose_table(counts, min_saving);
}

std::vector<std::uint8_t> decode(const CodedPlane& plane, const FrequencyTable* table, std::size_t n) {
  PlaneDecoder decoder(cpu::active_kernels());
  decoder.set_table(table);
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
      const auto table = table_of(symbols);
      ASSERT_TRUE(table) << source.name;
      CodedPlane plane;
      EXPECT_TRUE(encode(symbols, &*table, plane)) << source.name;
      EXPECT_EQ(plane.view.plane(0).mode, PlaneMode::kRans);
      EXPECT_EQ(decode(plane, &*table, n), symbols) << source.name;
    }
  }
}

TEST(PlaneCoderTest, WhatDoesNotShrinkStaysRaw) {
  const auto bytes = test::random_bytes(5000, 2);
  const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const std::vector<std::uint8_t> symbols(p, p + bytes.size());
  EXPECT_FALSE(table_of(symbols));
  FrequencyTable flat{0, std::vector<std::uint16_t>(256, 16)};
  CodedPlane plane;
  EXPECT_FALSE(encode(symbols, &flat, plane));
  EXPECT_EQ(plane.view.plane(0).mode, PlaneMode::kRaw);
  EXPECT_EQ(decode(plane, nullptr, symbols.size()), symbols);
}

TEST(PlaneCoderTest, OneSymbolIsAConstant) {
  const std::vector<std::uint8_t> symbols(3000, 200);
  EXPECT_FALSE(table_of(symbols));
  CodedPlane plane;
  EXPECT_FALSE(encode(symbols, nullptr, plane));
  EXPECT_EQ(plane.view.plane(0).mode, PlaneMode::kConstant);
  EXPECT_EQ(plane.view.plane(0).bytes.size(), 0u);
  EXPECT_EQ(decode(plane, nullptr, symbols.size()), symbols);
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
  const auto table = table_of(symbols);
  CodedPlane plane;
  encode(symbols, &*table, plane);
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

TEST(PlaneCoderTest, LanesGrowWithThePlane) {
  EXPECT_EQ(core::lanes_log2_for(1), 0);
  EXPECT_EQ(core::lanes_log2_for(2047), 0);
  EXPECT_EQ(core::lanes_log2_for(2048), 1);
  EXPECT_EQ(core::lanes_log2_for(32768), 5);
  EXPECT_EQ(core::lanes_log2_for(std::uint64_t{1} << 40), 5);
}

}  // namespace
}  // namespace weft
