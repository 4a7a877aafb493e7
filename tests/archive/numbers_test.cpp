#include "archive/numbers.hpp"

#include <gtest/gtest.h>

#include <random>

#include "archive/scale_codes.hpp"
#include "support/expect_error.hpp"
#include "weft/error.hpp"

namespace weft::archive {
namespace {

using testing::expect_error;
using Bytes = std::vector<std::byte>;

[[noreturn]] void fail(const char* what) { throw Error(ErrorKind::kArchive, what); }

std::vector<std::uint64_t> edges() {
  std::vector<std::uint64_t> values{0, 1, UINT64_MAX, UINT64_MAX - 1};
  for (int bit = 1; bit < 64; bit++)
    for (const std::uint64_t offset : {UINT64_MAX, std::uint64_t{0}, std::uint64_t{1}})
      values.push_back((std::uint64_t{1} << bit) + offset);
  return values;
}

TEST(Numbers, HaveTheBytesOfTheFormat) {
  // 5: three decisions 1, one 0, then 0 and 1, each of an estimate that is new: as likely as not. 101 is then 1110'01.
  NumberWriter out;
  out.put(Field::kFiles, 5);
  // Ranges are halved up to what falls off below 2^16, so 1 is the lower half: the code is 0001'10.
  EXPECT_EQ(out.finish(), (Bytes{std::byte{0b0001'1000}}));
}

TEST(Numbers, ComeBack) {
  NumberWriter out;
  for (const std::uint64_t value : edges()) {
    out.put(Field::kDimension, value);
    out.put_signed(Field::kSize, static_cast<std::int64_t>(value), value % 5);
    out.put_direct(value, 64);
  }
  out.put(Field::kLayout, 1);
  const Bytes bytes = out.finish();
  NumberReader in(bytes, fail);
  for (const std::uint64_t value : edges()) {
    EXPECT_EQ(in.get(Field::kDimension), value);
    EXPECT_EQ(in.get_signed(Field::kSize, value % 5), static_cast<std::int64_t>(value));
    EXPECT_EQ(in.get_direct(64), value);
  }
  EXPECT_TRUE(in.get_flag(Field::kLayout));
  in.finish();
}

TEST(Numbers, RandomOnesComeBackWhateverCarriesThereAre) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; round++) {
    std::vector<std::uint64_t> values(random() % 200);
    const unsigned width = 1 + random() % 64;
    for (auto& value : values) value = random() >> (64 - width) >> (random() % 8 == 0 ? random() % 64 : 0);
    NumberWriter out;
    for (const auto value : values) out.put(Field::kUnits, value, value % 3);
    const Bytes bytes = out.finish();
    NumberReader in(bytes, fail);
    for (const auto value : values) ASSERT_EQ(in.get(Field::kUnits, value % 3), value);
    in.finish();
  }
}

TEST(Numbers, ThatRepeatTakeLittle) {
  NumberWriter out;
  for (int i = 0; i < 1000; i++) out.put(Field::kRank, 4);
  EXPECT_LT(out.finish().size(), 16u);
}

TEST(Numbers, OfDirectBitsTakeThese) {
  NumberWriter out;
  for (int i = 0; i < 1000; i++) out.put_direct(static_cast<std::uint64_t>(i) * 2654435761u, 32);
  EXPECT_NEAR(static_cast<double>(out.finish().size()), 4000, 4);
}

TEST(Numbers, AreBoundedByTheirBytesAndPaddedForThat) {
  const auto zeros = [](std::uint64_t count) {
    NumberWriter out;
    for (std::uint64_t i = 0; i < count; i++) out.put(Field::kSize, 0);
    return out.finish();
  };
  const std::uint64_t many = kFewNumbers + 4000 * kNumbersPerByte;
  const Bytes bytes = zeros(many);
  EXPECT_EQ(bytes.size(), 4000u);
  NumberReader in(bytes, fail);
  in.require_numbers(many, "all of them");
  expect_error(ErrorKind::kArchive, {"one more"}, [&] { in.require_numbers(many + 1, "one more"); });
  for (std::uint64_t i = 0; i < many; i++) EXPECT_EQ(in.get(Field::kSize), 0u);
  in.finish();
  expect_error(ErrorKind::kArchive, {"more numbers than"}, [&] { (void)in.get(Field::kSize); });
  NumberReader none({}, fail);
  none.require_numbers(kFewNumbers, "a few");
  for (std::uint64_t i = 0; i < kFewNumbers / 9; i++) EXPECT_EQ(none.get(Field::kDimension), UINT64_MAX);
  expect_error(ErrorKind::kArchive, {"more numbers than"}, [&] { (void)none.get(Field::kDimension); });
  expect_error(ErrorKind::kArchive, {"count is larger"}, [&] {
    NumberWriter out;
    out.put(Field::kStreams, UINT64_MAX);
    const Bytes huge = out.finish();
    (void)NumberReader(huge, fail).get_count(Field::kStreams);
  });
}

TEST(Numbers, NothingIsLeftBehindThem) {
  NumberWriter out;
  for (std::uint64_t i = 0; i < 2000; i++) out.put(Field::kUnits, i);
  const Bytes good = out.finish();
  const auto read = [](const Bytes& bytes) {
    NumberReader in(bytes, fail);
    for (int i = 0; i < 2000; i++) (void)in.get(Field::kUnits);
    in.finish();
  };
  read(good);
  for (const int value : {0, 1}) {
    Bytes longer = good;
    longer.resize(good.size() + 8, static_cast<std::byte>(value));
    expect_error(ErrorKind::kArchive, {"after the last number"}, [&] { read(longer); });
  }
}

TEST(Numbers, FlagsAndRangesAreChecked) {
  NumberWriter out;
  out.put(Field::kPredicts, 2);
  out.put_signed(Field::kType, 5);
  out.put_signed(Field::kType, INT64_MAX);
  const Bytes bytes = out.finish();
  NumberReader in(bytes, fail);
  expect_error(ErrorKind::kArchive, {"flag"}, [&] { (void)in.get_flag(Field::kPredicts); });
  expect_error(ErrorKind::kArchive, {"range"}, [&] { (void)in.get_next(Field::kType, 17, 0, 21, "range"); });
  expect_error(ErrorKind::kArchive, {"range"}, [&] { (void)in.get_next(Field::kType, 17, 0, INT64_MAX, "range"); });
}

TEST(Numbers, TextsComeOneAfterTheOther) {
  NumberReader in({}, fail);
  in.set_texts("one\xFF\xFFthree\xFF");
  EXPECT_EQ(in.get_text(), "one");
  EXPECT_EQ(in.get_text(), "");
  expect_error(ErrorKind::kArchive, {"nothing names"}, [&] { in.finish(); });
  EXPECT_EQ(in.get_text(), "three");
  in.finish();
  expect_error(ErrorKind::kArchive, {"text is missing"}, [&] { (void)in.get_text(); });
  in.set_texts("not closed");
  expect_error(ErrorKind::kArchive, {"text is missing"}, [&] { (void)in.get_text(); });
}

// Factors drawn from N(0, spread), coded one after the other; each is alike the one before that has as many.
std::vector<std::vector<std::int8_t>> factors(const std::vector<std::size_t>& counts, double spread) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal(0, spread);
  std::vector<std::vector<std::int8_t>> all;
  for (const std::size_t count : counts) {
    all.emplace_back(count);
    for (auto& code : all.back()) code = static_cast<std::int8_t>(std::clamp(normal(random), -128.0, 127.0));
  }
  return all;
}

std::span<const std::int8_t> alike(const std::vector<std::vector<std::int8_t>>& all, std::size_t f) {
  for (std::size_t before = f; before-- > 0;)
    if (all[before].size() == all[f].size()) return all[before];
  return {};
}

Bytes coded(const std::vector<std::vector<std::int8_t>>& all) {
  NumberWriter out;
  ScaleCodeModel model;
  for (std::size_t f = 0; f < all.size(); f++) {
    model.begin_factor(alike(all, f));
    for (const std::int8_t code : all[f]) out.put_by(model, code);
  }
  return out.finish();
}

TEST(ScaleCodes, ComeBack) {
  for (const auto& [counts, spread] : {std::pair<std::vector<std::size_t>, double>{{1}, 0},
                                       {{1}, 90},
                                       {{7, 3, 7}, 50},
                                       {{4000}, 0},
                                       {{5000, 1, 300, 5000}, 2},
                                       {{100, 2100, 100}, 200},
                                       {{70000}, 1}}) {
    const auto all = factors(counts, spread);
    const Bytes bytes = coded(all);
    NumberReader in(bytes, fail);
    ScaleCodeModel model;
    for (std::size_t f = 0; f < all.size(); f++) {
      model.begin_factor(alike(all, f));
      for (const std::int8_t code : all[f]) ASSERT_EQ(in.get_by(model), code);
    }
    in.finish();
  }
}

TEST(ScaleCodes, OfManyTakeTheirEntropy) {
  EXPECT_LT(coded(factors({20000}, 2)).size(), 20000u * 3.1 / 8 + 100);  // N(0, 2) towards zero: about three bits
  EXPECT_GT(coded(factors({20000}, 2)).size(), 20000u * 2.5 / 8);
}

TEST(ScaleCodes, OfTheSameChannelsTakeLess) {
  auto all = factors({500, 500}, 2);
  const std::size_t apart = coded(all).size();
  all[1] = all[0];
  EXPECT_LT(coded(all).size(), apart * 8 / 10);
}

}  // namespace
}  // namespace weft::archive
