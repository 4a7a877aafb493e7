#include "backends/cpu/class_tables.hpp"

#include <cmath>
#include <random>

#include "backends/cpu/segments.hpp"

namespace weft {
namespace {

using archive::PlaneMode;
using cpu::ClassTables;
using cpu::PlaneDecoder;
using cpu::PlaneEncoder;
using cpu::UnitClasses;

// A plane whose units have classes, in which deviation(class) is that of the symbols' normal distribution.
struct Plane {
  std::vector<std::uint8_t> symbols, classes;
  int lowest, highest;

  template <class F>
  Plane(std::size_t n, int low, int high, F deviation) : lowest(low), highest(high) {
    std::mt19937 random(7);
    std::normal_distribution<double> normal(0, 1);
    for (std::size_t i = 0; i < n; i++) {
      const int c = low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
      classes.push_back(static_cast<std::uint8_t>(c));
      symbols.push_back(static_cast<std::uint8_t>(std::lrint(128 + deviation(c) * normal(random))));
    }
  }
  [[nodiscard]] UnitClasses unit_classes() const { return {classes, lowest, highest}; }
};

struct Coded {
  std::size_t bytes = 0;
  ClassTables tables;
  std::optional<FrequencyTable> table;
};

// Codes the plane in blocks of this many symbols, and expects that they come back.
Coded code(const Plane& plane, bool by_class, bool pairs = false, std::size_t block_size = 20000) {
  Coded coded;
  PlaneEncoder encoder(cpu::active_kernels());
  encoder.begin(plane.symbols, 0, pairs ? std::optional(core::WindowTies::kMiddle) : std::nullopt,
                by_class ? std::optional(plane.unit_classes()) : std::nullopt);
  coded.tables = encoder.class_tables();
  coded.table = encoder.table();
  EXPECT_TRUE(coded.tables.tables.empty() || !coded.table);
  PlaneDecoder decoder(cpu::active_kernels());
  decoder.set_table(coded.table ? &*coded.table : nullptr);
  std::vector<const FrequencyTable*> tables;
  for (const std::uint8_t number : coded.tables.table_of_class) tables.push_back(&coded.tables.tables[number]);
  if (!tables.empty()) {
    EXPECT_EQ(tables.size(), static_cast<std::size_t>(plane.highest - plane.lowest + 1));
    decoder.set_class_tables(plane.lowest, tables);
  }
  for (std::size_t at = 0; at < plane.symbols.size(); at += block_size) {
    const std::size_t n = std::min(block_size, plane.symbols.size() - at);
    std::vector<std::byte> bytes;
    archive::BlockBuilder block(bytes, n, 1);
    encoder.encode(at, n, block);
    block.finish(cpu::active_kernels().crc32c);
    coded.bytes += bytes.size();
    archive::BlockView view;
    EXPECT_EQ(view.parse(bytes, {CodecId::kLossless, n, 1}, cpu::active_kernels().crc32c), "");
    std::vector<std::uint8_t> out(n);
    const std::uint8_t* symbols = nullptr;
    EXPECT_EQ(decoder.decode(view.plane(0), n, out.data(), symbols, std::span(plane.classes).subspan(at, n)), "");
    EXPECT_TRUE(std::equal(symbols, symbols + n, plane.symbols.begin() + static_cast<std::ptrdiff_t>(at)));
  }
  return coded;
}

TEST(ClassTablesTest, ClassesThatDifferSave) {
  const Plane plane(100000, 3, 8, [](int c) { return std::exp2(c / 3.0); });
  for (const bool pairs : {false, true}) {
    const Coded plain = code(plane, false, pairs), by_class = code(plane, true, pairs);
    EXPECT_EQ(by_class.tables.tables.size(), 6u);
    EXPECT_LT(by_class.bytes, plain.bytes * 97 / 100);
  }
}

TEST(ClassTablesTest, ClassesThatDoNotDifferChangeNothing) {
  const Plane plane(100000, 3, 8, [](int) { return 4.0; });
  for (const bool pairs : {false, true}) {
    const Coded plain = code(plane, false, pairs), by_class = code(plane, true, pairs);
    EXPECT_TRUE(by_class.tables.tables.empty());
    EXPECT_EQ(by_class.table, plain.table);
    EXPECT_EQ(by_class.bytes, plain.bytes);
  }
}

TEST(ClassTablesTest, FewSymbolsDoNotPayForTables) {
  const Plane plane(300, 3, 8, [](int c) { return std::exp2(c / 3.0); });
  EXPECT_LE(code(plane, true).tables.tables.size(), 2u);
  EXPECT_TRUE(code({40, 3, 8, [](int c) { return std::exp2(c / 3.0); }}, true).tables.tables.empty());
  EXPECT_TRUE(code({0, 3, 8, [](int) { return 1.0; }}, true).tables.tables.empty());
}

TEST(ClassTablesTest, ThirtyTwoClassesShareEightTables) {
  const Plane plane(400000, 0, 31, [](int c) { return std::exp2(c / 6.0); });
  const Coded by_class = code(plane, true);
  ASSERT_EQ(by_class.tables.tables.size(), core::kMostClassTables);
  EXPECT_LT(by_class.bytes, code(plane, false).bytes * 97 / 100);
  // Those that share one are neighbours.
  const auto& numbers = by_class.tables.table_of_class;
  std::size_t changes = 0;
  for (std::size_t c = 1; c < numbers.size(); c++) changes += numbers[c] != numbers[c - 1] ? 1 : 0;
  EXPECT_EQ(changes, core::kMostClassTables - 1);
}

TEST(ClassTablesTest, AClassOfOneSymbolHasATable) {
  const Plane plane(50000, 10, 12, [](int c) { return c == 11 ? 0.0 : 6.0; });
  const Coded by_class = code(plane, true);
  ASSERT_EQ(by_class.tables.tables.size(), 2u);
  EXPECT_EQ(by_class.tables.table_of_class, (std::vector<std::uint8_t>{0, 1, 0}));
  EXPECT_EQ(by_class.tables.tables[1].frequencies, (std::vector<std::uint16_t>{4095, 1}));
  // Where all symbols are the same no table matters.
  EXPECT_EQ(code({50000, 10, 12, [](int) { return 0.0; }}, true).bytes,
            code({50000, 10, 12, [](int) { return 0.0; }}, false).bytes);
}

TEST(ClassTablesTest, AClassThatDoesNotOccurHasTheNearestOnesTable) {
  Plane plane(50000, 6, 9, [](int c) { return c < 8 ? 1.0 : 9.0; });
  plane.lowest = 2, plane.highest = 13;
  for (auto& c : plane.classes) c = c < 8 ? 4 : 10;
  EXPECT_EQ(code(plane, true).tables.table_of_class, (std::vector<std::uint8_t>{0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}));
}

TEST(ClassTablesTest, ADecoderGoesFromTableToTable) {
  const Plane first(50000, 0, 3, [](int c) { return std::exp2(c); });
  PlaneDecoder decoder(cpu::active_kernels());
  const std::uint8_t* symbols = nullptr;
  for (const bool by_class : {true, false, true, true}) {
    PlaneEncoder encoder(cpu::active_kernels());
    encoder.begin(first.symbols, 0, std::nullopt, by_class ? std::optional(first.unit_classes()) : std::nullopt);
    const auto table = encoder.table();
    decoder.set_table(table ? &*table : nullptr);
    std::vector<const FrequencyTable*> tables;
    for (const std::uint8_t number : encoder.class_tables().table_of_class)
      tables.push_back(&encoder.class_tables().tables[number]);
    if (by_class) decoder.set_class_tables(0, tables);
    std::vector<std::byte> bytes;
    archive::BlockBuilder block(bytes, first.symbols.size(), 1);
    EXPECT_TRUE(encoder.encode(0, first.symbols.size(), block));
    block.finish(cpu::active_kernels().crc32c);
    archive::BlockView view;
    EXPECT_EQ(view.parse(bytes, {CodecId::kLossless, first.symbols.size(), 1}, cpu::active_kernels().crc32c), "");
    std::vector<std::uint8_t> out(first.symbols.size());
    EXPECT_EQ(decoder.decode(view.plane(0), out.size(), out.data(), symbols, first.classes), "");
    EXPECT_EQ(out, first.symbols);
    archive::PlaneView plane = view.plane(0);
    plane.bytes = plane.bytes.first(plane.bytes.size() - 2);
    EXPECT_EQ(decoder.decode(plane, out.size(), out.data(), symbols, first.classes), "a coded plane ends too early");
  }
}

}  // namespace
}  // namespace weft
