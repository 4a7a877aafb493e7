// Coding with a table for each symbol: that symbols of other tables change nothing is what rans_test.cpp cannot see.
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

class RansByClassTest : public test::ModelTest {};
WEFT_FOR_ALL_MODELS(RansByClassTest);

// Symbols of all sources, each of which has a table.
struct Mixture {
  std::vector<SymbolSource> sources = test::symbol_sources();
  std::vector<core::EncodeTable> encode{sources.size()};
  std::vector<std::uint32_t> decode = std::vector<std::uint32_t>(sources.size() * core::kProbScale);
  std::vector<std::uint8_t> symbols, numbers;

  Mixture(std::size_t n, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<std::vector<std::uint8_t>> drawn;
    for (std::size_t t = 0; t < sources.size(); t++) {
      core::build_encode_table(sources[t].frequencies.data(), encode[t]);
      core::build_decode_table(sources[t].frequencies.data(), decode.data() + t * core::kProbScale);
      drawn.push_back(sources[t].draw(n, seed + static_cast<std::uint32_t>(t)));
    }
    for (std::size_t i = 0; i < n; i++) {
      numbers.push_back(static_cast<std::uint8_t>(random() % sources.size()));
      symbols.push_back(drawn[numbers[i]][i]);
    }
  }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(symbols.size()); }
};

Words encode(const cpu::Kernels& kernels, const Mixture& mixture, int lanes_log2) {
  Guarded<std::uint16_t> buffer(core::encode_bound_words(mixture.symbols.size()));
  const std::uint32_t count = kernels.rans_encode_by_class(
      mixture.symbols.data(), mixture.numbers.data(), mixture.size(), lanes_log2, mixture.encode.data(), buffer.end());
  EXPECT_TRUE(buffer.intact()) << mixture.size() << " symbols, lanes 2^" << lanes_log2;
  return {buffer.end() - count, buffer.end()};
}

// Words and numbers are vectors of exactly their size, so that a sanitizer sees a read beyond them.
Status decode(const cpu::Kernels& kernels, const Words& words, const Mixture& mixture, int lanes_log2,
              std::vector<std::uint8_t>& symbols) {
  Guarded<std::uint8_t> out(mixture.size());
  const Status status =
      kernels.rans_decode_by_class(words.data(), static_cast<std::uint32_t>(words.size()), lanes_log2,
                                   mixture.decode.data(), mixture.numbers.data(), mixture.size(), out.data());
  EXPECT_TRUE(out.intact()) << mixture.size() << " symbols, lanes 2^" << lanes_log2;
  symbols.assign(out.data(), out.end());
  return status;
}

TEST_P(RansByClassTest, SymbolsOfAllTablesComeBack) {
  for (const std::uint32_t n : {0u, 1u, 2u, 31u, 32u, 33u, 63u, 64u, 65u, 1000u, 4097u, 65536u}) {
    const Mixture mixture(n, n);
    for (int lanes_log2 = 0; lanes_log2 <= core::kLanesLog2; lanes_log2++) {
      SCOPED_TRACE(std::to_string(n) + " symbols, lanes 2^" + std::to_string(lanes_log2));
      const Words words = encode(*GetParam(), mixture, lanes_log2);
      ASSERT_EQ(words, encode(cpu::portable_kernels(), mixture, lanes_log2));
      std::vector<std::uint8_t> symbols;
      ASSERT_EQ(decode(*GetParam(), words, mixture, lanes_log2, symbols), Status::kOk);
      ASSERT_EQ(symbols, mixture.symbols);
    }
  }
}

TEST_P(RansByClassTest, OneTableGivesTheWordsOfCodingWithIt) {
  Mixture mixture(5000, 1);
  const SymbolSource& source = mixture.sources.back();
  mixture.symbols = source.draw(5000, 2);
  std::fill(mixture.numbers.begin(), mixture.numbers.end(), static_cast<std::uint8_t>(mixture.sources.size() - 1));
  for (const int lanes_log2 : {0, 3, 5}) {
    Words words(core::encode_bound_words(5000));
    const std::uint32_t count = GetParam()->rans_encode(mixture.symbols.data(), 5000, lanes_log2, mixture.encode.back(),
                                                        words.data() + words.size());
    EXPECT_EQ(encode(*GetParam(), mixture, lanes_log2), Words(words.end() - count, words.end()));
  }
}

TEST_P(RansByClassTest, EveryTruncationIsAStatus) {
  const Mixture mixture(700, 3);
  std::vector<std::uint8_t> symbols;
  for (const int lanes_log2 : {0, 3, 5}) {
    const Words words = encode(*GetParam(), mixture, lanes_log2);
    for (std::size_t size = 0; size < words.size(); size++) {
      const Words front(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_NE(decode(*GetParam(), front, mixture, lanes_log2, symbols), Status::kOk) << size;
    }
  }
}

TEST_P(RansByClassTest, CorruptWordsEndTheSameWayOnEveryModel) {
  std::mt19937 random(11);
  const Mixture mixture(3000, 5);
  std::uint32_t refused = 0, runs = 0;
  for (const int lanes_log2 : {0, 2, 5}) {
    const Words words = encode(*GetParam(), mixture, lanes_log2);
    for (int run = 0; run < 200; run += kEvery, runs++) {
      Words corrupt = words;
      for (int flips = 1 + run % 3; flips > 0; flips--)
        corrupt[random() % corrupt.size()] ^= static_cast<std::uint16_t>(1u << random() % 16);
      if (run % 10 == 9)
        for (auto& word : corrupt) word = static_cast<std::uint16_t>(run % 20 == 9 ? random() : 0xFFFF);
      std::vector<std::uint8_t> symbols, expected;
      const Status status = decode(*GetParam(), corrupt, mixture, lanes_log2, symbols);
      EXPECT_EQ(status, decode(cpu::portable_kernels(), corrupt, mixture, lanes_log2, expected));
      EXPECT_EQ(symbols, expected);
      refused += status != Status::kOk ? 1 : 0;
    }
  }
  EXPECT_GT(refused, runs / 2);
}

}  // namespace
}  // namespace weft
