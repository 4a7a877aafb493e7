#include "weft/core/trellis_rows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "trellis/shape.hpp"
#include "weft/core/frequency.hpp"

namespace weft {
namespace {

// Every slot of a compact row is that of the full table, whatever a state's upper bits.
void expect_same_slots(const std::uint16_t* frequencies, std::uint32_t reach) {
  std::vector<std::uint32_t> slots(core::kProbScale), row(core::row_words(reach)), exact;
  core::build_decode_table(frequencies, slots.data());
  core::build_compact_row(frequencies, reach, row.data());
  const auto words = static_cast<std::uint32_t>(row.size()), exact_words = core::exact_row_words(words);
  ASSERT_EQ(exact_words % 2, 0u);
  exact.resize(exact_words);  // another row before it
  for (std::uint32_t i = 0; i < exact_words; i++) exact.push_back(core::exact_row_word(row.data(), words, i));
  for (std::uint32_t slot = 0; slot < core::kProbScale; slot++)
    for (const std::uint32_t upper : {0u, 8u, 0x7FFFFu}) {
      const std::uint32_t x = upper << core::kProbBits | slot;
      const std::uint32_t* symbol =
          row.data() + core::compact_symbol(reinterpret_cast<const std::uint8_t*>(row.data()), x) / 4;
      while (core::slots_after(*symbol, x) >= core::symbol_frequency(*symbol)) symbol++;
      ASSERT_EQ(static_cast<std::uint32_t>(core::kIndexZero + core::symbol_distance(*symbol)), slots[slot] & 255)
          << slot;
      ASSERT_EQ(core::symbol_frequency(*symbol), slots[slot] >> 8 & 4095) << slot;
      ASSERT_EQ(core::slots_after(*symbol, x), slots[slot] >> 20) << slot;
      ASSERT_EQ(exact[core::exact_symbol(reinterpret_cast<const std::uint8_t*>(exact.data()), 4 * exact_words, x) / 4],
                *symbol)
          << slot;
    }
}

TEST(TrellisRows, SayWhatFullTablesSay) {
  for (const Shape& shape : trellis::typical_shapes()) {
    const trellis::MassCurve curve(shape);
    for (int row = 0; row < trellis::kRows; row++) {
      SCOPED_TRACE(row);
      const int reach = curve.reach(row / core::kClassTables);
      std::uint16_t frequencies[256];
      curve.frequencies(row, reach, frequencies);
      expect_same_slots(frequencies, static_cast<std::uint32_t>(reach));
      expect_same_slots(frequencies, core::kMaxReach);  // in a stream with a wider class
    }
  }
}

TEST(TrellisRows, ManySymbolsMayShareABucket) {
  for (const std::uint32_t first : {0u, 1u, 31u, 100u}) {
    std::uint16_t frequencies[256] = {};
    for (std::uint32_t i = 0; i < 193; i++) frequencies[32 + i] = 1;
    frequencies[32 + first] = 4096 - 192;
    expect_same_slots(frequencies, core::kMaxReach);
  }
}

TEST(TrellisRows, TablesInUseAreThoseOfTheLabelling) {
  using core::table_in_use;
  using core::tables_in_use;
  EXPECT_EQ(tables_in_use(false, false), 2u);
  EXPECT_EQ(table_in_use(false, false, 1), 4u);
  EXPECT_EQ(tables_in_use(false, true), 5u);
  for (std::uint32_t i = 0; i < 5; i++) EXPECT_EQ(table_in_use(false, true, i), i);
  for (const bool predicts : {false, true}) {
    EXPECT_EQ(tables_in_use(true, predicts), 2u);
    EXPECT_EQ(table_in_use(true, predicts, 0), 0u);
    EXPECT_EQ(table_in_use(true, predicts, 1), std::uint32_t{core::kOddZeroTable});
  }
}

}  // namespace
}  // namespace weft
