#include <gmock/gmock.h>

#include <algorithm>

#include "core/guarded.hpp"
#include "core/models.hpp"
#include "core/symbol_sources.hpp"
#include "support/sanitizer.hpp"
#include "weft/core/frequency.hpp"

namespace weft {
namespace {

using core::Status;
using test::Guarded;
using test::SymbolSource;
using testing::kEvery;
using Words = std::vector<std::uint16_t>;

class RansTest : public test::ModelTest {};
WEFT_FOR_ALL_MODELS(RansTest);

std::vector<std::uint32_t> sizes() {
  std::vector<std::uint32_t> sizes;
  for (std::uint32_t n = 0; n <= 70; n++) sizes.push_back(n);
  for (const std::uint32_t n : {127u, 1000u, 4095u, 4096u, 4097u, 65536u}) sizes.push_back(n);
  return sizes;
}

// Step 1 to 3 of FORMAT.md 3.1 backwards, with a division, one lane after another.
Words reference_encode(const std::vector<std::uint8_t>& symbols, int lanes_log2, const SymbolSource& source) {
  std::array<std::uint32_t, 257> cumulative{};
  for (std::size_t s = 0; s < 256; s++) cumulative[s + 1] = cumulative[s] + source.frequencies[s];
  const std::size_t lanes = std::size_t{1} << lanes_log2;
  std::vector<std::uint32_t> x(lanes, core::kStateLow);
  Words reversed;
  for (std::size_t i = symbols.size(); i-- > 0;) {
    // The decoder refills after the whole round, in ascending order: all of a round's words go out before its updates,
    // and since lanes are independent that is the same as one lane at a time, last lane first.
    std::uint32_t& state = x[i % lanes];
    const std::uint32_t f = source.frequencies[symbols[i]];
    if (state >= f << core::kRefillShift) {
      reversed.push_back(static_cast<std::uint16_t>(state));
      state >>= 16;
    }
    state = state / f * core::kProbScale + state % f + cumulative[symbols[i]];
  }
  for (std::size_t lane = lanes; lane-- > 0;) {
    if (x[lane] < 0x10000) continue;
    reversed.push_back(static_cast<std::uint16_t>(x[lane]));
    x[lane] >>= 16;
  }
  for (std::size_t lane = lanes; lane-- > 0;) reversed.push_back(static_cast<std::uint16_t>(x[lane]));
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}

Words encode(const cpu::Kernels& kernels, const std::vector<std::uint8_t>& symbols, int lanes_log2,
             const SymbolSource& source) {
  core::EncodeTable table;
  core::build_encode_table(source.frequencies.data(), table);
  Guarded<std::uint16_t> buffer(core::encode_bound_words(symbols.size()));
  const auto n = static_cast<std::uint32_t>(symbols.size());
  const std::uint32_t count = kernels.rans_encode(symbols.data(), n, lanes_log2, table, buffer.end());
  EXPECT_TRUE(buffer.intact()) << source.name << ", " << n << " symbols, lanes 2^" << lanes_log2;
  return {buffer.end() - count, buffer.end()};
}

struct Decoded {
  Status status = Status::kOk;
  std::vector<std::uint8_t> symbols;
};

// `words` is a vector of exactly the plane's size, so that a sanitizer sees a read beyond it.
Decoded decode(const cpu::Kernels& kernels, const Words& words, std::uint32_t n, int lanes_log2,
               const SymbolSource& source) {
  std::vector<std::uint32_t> table(core::kProbScale);
  core::build_decode_table(source.frequencies.data(), table.data());
  Guarded<std::uint8_t> out(n);
  Decoded decoded;
  decoded.status = kernels.rans_decode(words.data(), static_cast<std::uint32_t>(words.size()), lanes_log2, table.data(),
                                       n, out.data());
  EXPECT_TRUE(out.intact()) << source.name << ", " << n << " symbols, lanes 2^" << lanes_log2;
  decoded.symbols.assign(out.data(), out.end());
  return decoded;
}

TEST_P(RansTest, WritesTheWordsOfTheReferenceAndReadsThemBack) {
  for (const SymbolSource& source : test::symbol_sources()) {
    for (const std::uint32_t n : sizes()) {
      const auto symbols = source.draw(n, n);
      for (int lanes_log2 = 0; lanes_log2 <= core::kLanesLog2; lanes_log2++) {
        SCOPED_TRACE(source.name + ", " + std::to_string(n) + " symbols, lanes 2^" + std::to_string(lanes_log2));
        const Words words = encode(*GetParam(), symbols, lanes_log2, source);
        ASSERT_EQ(words, reference_encode(symbols, lanes_log2, source));
        const Decoded decoded = decode(*GetParam(), words, n, lanes_log2, source);
        ASSERT_EQ(decoded.status, Status::kOk);
        ASSERT_EQ(decoded.symbols, symbols);
      }
    }
  }
}

TEST_P(RansTest, OneSymbolCostsAlmostNothing) {
  const SymbolSource source = test::symbol_sources().front();
  const std::vector<std::uint8_t> symbols(65536, 7);
  const Words words = encode(*GetParam(), symbols, 5, source);
  EXPECT_LE(words.size(), 66u);  // 65536 * log2(4096 / 4095) = 23 bits, and the lanes' states
  EXPECT_EQ(decode(*GetParam(), words, 65536, 5, source).symbols, symbols);
}

TEST_P(RansTest, EveryTruncationIsAStatus) {
  for (const SymbolSource& source : test::symbol_sources()) {
    for (const int lanes_log2 : {0, 3, 5}) {
      const std::uint32_t n = 700;
      const Words words = encode(*GetParam(), source.draw(n, 1), lanes_log2, source);
      for (std::size_t size = 0; size < words.size(); size++) {
        const Words front(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_NE(decode(*GetParam(), front, n, lanes_log2, source).status, Status::kOk) << size;
      }
    }
  }
}

TEST_P(RansTest, WordsLeftOverAreAStatus) {
  const SymbolSource source = test::symbol_sources()[2];
  for (const std::uint32_t n : {0u, 1u, 33u, 4096u}) {
    Words words = encode(*GetParam(), source.draw(n, 1), 5, source);
    words.push_back(0x8000);
    EXPECT_EQ(decode(*GetParam(), words, n, 5, source).status, Status::kTrailing) << n;
    words.insert(words.end(), 40, 0xFFFF);
    EXPECT_EQ(decode(*GetParam(), words, n, 5, source).status, Status::kTrailing) << n;
  }
}

TEST_P(RansTest, CorruptWordsEndTheSameWayOnEveryModel) {
  std::mt19937 random(11);
  std::uint32_t refused = 0, runs = 0;
  for (const SymbolSource& source : test::symbol_sources()) {
    for (const int lanes_log2 : {0, 2, 5}) {
      const std::uint32_t n = 3000;
      const Words words = encode(*GetParam(), source.draw(n, 5), lanes_log2, source);
      for (int run = 0; run < 60; run += kEvery, runs++) {
        Words corrupt = words;
        for (int flips = 1 + run % 3; flips > 0; flips--)
          corrupt[random() % corrupt.size()] ^= static_cast<std::uint16_t>(1u << random() % 16);
        if (run % 10 == 9)
          std::fill(corrupt.begin(), corrupt.end(), static_cast<std::uint16_t>(run % 20 == 9 ? 0 : 0xFFFF));
        const Decoded decoded = decode(*GetParam(), corrupt, n, lanes_log2, source);
        const Decoded expected = decode(cpu::portable_kernels(), corrupt, n, lanes_log2, source);
        EXPECT_EQ(decoded.status, expected.status);
        EXPECT_EQ(decoded.symbols, expected.symbols);
        refused += decoded.status != Status::kOk ? 1 : 0;
      }
    }
  }
  EXPECT_GT(refused, runs / 2);  // a flat table, say, has flips that only change one symbol
}

}  // namespace
}  // namespace weft
