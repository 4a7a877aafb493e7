#include "trellis/scales.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "trellis/choose.hpp"

namespace weft::trellis {
namespace {

// N(0, 1) times the scale of the first and that of the last index.
std::vector<float> scaled(const Box& box, const std::vector<double>& first, const std::vector<double>& last) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  std::vector<float> values;
  for (std::uint64_t i = 0; i < box.size[0]; i++)
    for (std::uint64_t j = 0; j < box.size[1]; j++)
      for (std::uint64_t k = 0; k < box.size[2]; k++)
        values.push_back(static_cast<float>(normal(random) * first[i % first.size()] * last[k % last.size()]));
  return values;
}

TEST(Scales, ClassesAreSumsOfCodes) {
  TrellisStream stream;
  stream.base_class = 20;
  stream.factors = {{35, {3, -4, 90, -90}}, {1, {0, 1, 2, 3, -3}}, {5, {7, -7, 0}}};
  for (const std::uint64_t begin : {0ull, 1ull, 34ull, 139ull, 140ull, 12345678901ull})
    for (const std::size_t n : {1u, 5u, 300u}) {
      std::vector<std::uint8_t> classes(n);
      scale_classes(stream, begin, classes);
      for (std::size_t i = 0; i < n; i++) {
        int sum = stream.base_class;
        for (const ScaleFactor& f : stream.factors) sum += f.codes[(begin + i) / f.inner % f.codes.size()];
        ASSERT_EQ(classes[i], std::clamp(sum, 0, 31)) << begin << " " << i;
      }
    }
  const ClassRange range = class_range(stream);
  EXPECT_EQ(range.lowest, 0);
  EXPECT_EQ(range.highest, 31);
}

TEST(Scales, EnergiesAreSumsOfSquares) {
  for (const Box& box : {Box{{3, 2, 1}}, Box{{2, 3, 31}}, Box{{4, 2, 32}}, Box{{2, 2, 101}}, Box{{2, 700, 3}},
                         Box{{1, 2, 2000}}, Box{{1, 1, 0}}}) {
    const std::vector<float> values = scaled(box, {1, 5}, {0.1, 2, 1});
    const Energies energies = sum_energies(values, box);
    std::vector<double> pairs01(box.size[0] * box.size[1]), pairs12(box.size[1] * box.size[2]);
    double total = 0;
    for (std::size_t at = 0; at < values.size(); at++) {
      const double square = static_cast<double>(values[at]) * static_cast<double>(values[at]);
      pairs01[at / box.size[2]] += square;
      pairs12[at % pairs12.size()] += square;
      total += square;
    }
    EXPECT_NEAR(energies.total, total, 1e-12 * total);
    const auto expect = [](const std::vector<double>& sums, const std::vector<double>& truth) {
      ASSERT_EQ(sums.size(), truth.size());
      for (std::size_t i = 0; i < truth.size(); i++) EXPECT_NEAR(sums[i], truth[i], 1e-12 * truth[i]) << i;
    };
    std::vector<double> firsts(box.size[0]), seconds(box.size[1]), thirds(box.size[2]);
    for (std::size_t i = 0; i < pairs01.size(); i++) {
      firsts[i / box.size[1]] += pairs01[i];
      seconds[i % box.size[1]] += pairs01[i];
    }
    for (std::size_t i = 0; i < pairs12.size(); i++) thirds[i % box.size[2]] += pairs12[i];
    const std::vector<double>* truths[] = {&firsts, &seconds, &thirds, &pairs01, &pairs12};
    for (std::size_t kind = 0; kind < kFactorKinds; kind++) expect(energies.sums[kind], *truths[kind]);
  }
}

TEST(Scales, ExtremeCodesStayInRange) {
  TrellisStream stream;
  std::vector<std::uint8_t> classes(4);
  for (const int sign : {-1, 1}) {
    stream.base_class = static_cast<std::int16_t>(1024 * sign);
    stream.factors.assign(3, {1, {static_cast<std::int8_t>(sign < 0 ? -128 : 127)}});
    scale_classes(stream, 0, classes);
    EXPECT_EQ(classes, std::vector<std::uint8_t>(4, sign < 0 ? 0 : 31));
    EXPECT_EQ(class_range(stream).lowest, classes[0]);
    EXPECT_EQ(class_range(stream).highest, classes[0]);
  }
}

TEST(Scales, LayoutsFollowTheBox) {
  const Box box{{4, 6, 10}};
  const std::uint64_t inner[] = {60, 10, 1, 10, 1}, count[] = {4, 6, 10, 24, 60};
  for (int kind = 0; kind < kFactorKinds; kind++) {
    EXPECT_EQ(layout_of(box, kind).inner, inner[kind]) << kind;
    EXPECT_EQ(layout_of(box, kind).codes.size(), count[kind]) << kind;
  }
}

TEST(Scales, RowsAndColumnsAreFound) {
  const Box box{{240, 1, 400}};
  std::vector<double> rows(240), columns(400);
  for (std::size_t i = 0; i < rows.size(); i++) rows[i] = std::exp2(static_cast<double>(i % 5) - 2);
  for (std::size_t k = 0; k < columns.size(); k++) columns[k] = k % 4 == 0 ? 4 : 1;
  const auto values = scaled(box, rows, columns);
  ScaleFactors factors(sum_energies(values, box));
  ASSERT_NE(factors.factor(0), nullptr);
  ASSERT_NE(factors.factor(2), nullptr);
  const std::vector<std::int8_t>&row_codes = factors.factor(0)->factor.codes,
        &column_codes = factors.factor(2)->factor.codes;
  const auto expect = [](const std::vector<std::int8_t>& codes, const std::vector<double>& truth) {
    ASSERT_EQ(codes.size(), truth.size());
    for (std::size_t i = 1; i < truth.size(); i++)
      EXPECT_NEAR(codes[i] - codes[0], 3 * std::log2(truth[i] / truth[0]), 2) << i;
  };
  expect(row_codes, rows);
  expect(column_codes, columns);
  // The base and the codes give the deviations themselves.
  EXPECT_NEAR(factors.base(1u | 4u) + (row_codes[7] + column_codes[5]) / 3.0, std::log2(rows[7]), 0.5);
  ASSERT_TRUE(factors.saving(1u | 4u).has_value());
  EXPECT_GT(*factors.saving(1u), 0);
  EXPECT_GT(*factors.saving(1u | 4u), *factors.saving(1u));
  EXPECT_DOUBLE_EQ(factors.side_bits(1u | 4u), factors.side_bits(1u) + factors.side_bits(4u));
}

TEST(Scales, EqualRowsCostNextToNothing) {
  ScaleFactor factor;
  factor.codes.resize(1000);
  EXPECT_LT(round_scales(std::vector<double>(1000, 1.0), 50, factor), 30);
  EXPECT_EQ(factor.codes, std::vector<std::int8_t>(1000, 0));
}

TEST(Scales, FactorsThatSayNothingAreNotThere) {
  const Box box{{24, 1, 400}};
  ScaleFactors factors(sum_energies(scaled(box, {1}, {1}), box));
  EXPECT_EQ(factors.saving(0), 0);
  EXPECT_FALSE(factors.saving(1u).has_value());
  EXPECT_FALSE(factors.saving(1u | 4u).has_value());
  EXPECT_EQ(factors.side_bits(0), 0);
}

TEST(Scales, ZeroAndHugeRowsAreFinite) {
  const Box box{{4, 1, 50}};
  for (const double huge : {0.0, 1e18}) {
    ScaleFactors factors(sum_energies(scaled(box, {1, 0, huge, 1}, {1}), box));
    const RoundedFactor* rows = factors.factor(0);
    ASSERT_NE(rows, nullptr) << huge;
    EXPECT_TRUE(std::isfinite(factors.base(1u)) && std::isfinite(rows->side_bits) && std::isfinite(rows->gain));
    EXPECT_LT(rows->factor.codes[1], rows->factor.codes[huge == 0 ? 0 : 2]);
  }
  ScaleFactors zero(sum_energies(std::vector<float>(200), box));
  EXPECT_TRUE(std::isfinite(zero.base(0)));
  EXPECT_FALSE(zero.saving(1u).has_value());
}

TEST(Scales, RegroupedEnergiesAreThoseOfTheOtherBox) {
  struct Case {
    Box box, other;
    bool splits_last;
    std::size_t missing;
  };
  for (const Case& one : {Case{{{6, 5, 9}}, {{30, 3, 3}}, true, 3}, Case{{{6, 5, 4}}, {{3, 2, 20}}, false, 4}}) {
    const std::vector<float> values = scaled(one.box, {1, 5, 0.2}, {0.1, 2, 1});
    const Energies energies = sum_energies(values, one.box), direct = sum_energies(values, one.other);
    const auto& parts = one.other.size;
    const Energies regrouped =
        one.splits_last ? split_last(energies, parts[1], parts[2]) : split_first(energies, parts[0], parts[1]);
    EXPECT_EQ(regrouped.box, one.other);
    EXPECT_NEAR(regrouped.total, direct.total, 1e-12 * direct.total);
    for (std::size_t kind = 0; kind < kFactorKinds; kind++) {
      const auto &sums = regrouped.sums[kind], &truth = direct.sums[kind];
      ASSERT_EQ(sums.size(), kind == one.missing ? 0 : truth.size()) << kind;
      for (std::size_t i = 0; i < sums.size(); i++) EXPECT_NEAR(sums[i], truth[i], 1e-12 * truth[i]) << kind;
      if (regrouped.same[kind]) {
        EXPECT_EQ(sums, energies.sums[static_cast<std::size_t>(*regrouped.same[kind])]) << kind;
      }
    }
  }
}

TEST(Views, ReverseTheAxesOfABox) {
  const std::array<std::uint64_t, 3> box{3, 4, 5};
  std::vector<int> data(60), view(60), back(60);
  for (std::size_t i = 0; i < data.size(); i++) data[i] = static_cast<int>(i);
  to_view(box, data.data(), view.data());
  for (std::uint64_t i = 0; i < 3; i++)
    for (std::uint64_t j = 0; j < 4; j++)
      for (std::uint64_t k = 0; k < 5; k++) EXPECT_EQ(view[(k * 4 + j) * 3 + i], data[(i * 4 + j) * 5 + k]);
  from_view(box, view.data(), back.data());
  EXPECT_EQ(back, data);
}

}  // namespace
}  // namespace weft::trellis
