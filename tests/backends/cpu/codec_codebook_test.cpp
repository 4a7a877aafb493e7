#include <algorithm>
#include <cmath>
#include <limits>

#include "archive/codebook_index.hpp"
#include "backends/cpu/segments.hpp"
#include "support/weights.hpp"

namespace weft {
namespace {

using test::Bytes;
using test::to_units;
using test::to_values;
using testing::draw_weights;

// A stream and its codebooks.
struct Books {
  std::vector<Codebook> books;
  CodebookStream stream;

  Books(std::vector<Codebook> all, std::uint64_t inner = 0, std::uint64_t channels = 0, std::uint64_t group = 0)
      : books(std::move(all)) {
    stream = {{}, inner, channels, group, 1, 1};
    for (std::uint32_t b = 0; b < books.size(); b++) stream.books.push_back(b);
    archive::adopt_codebooks(books, stream);
  }
  explicit Books(std::vector<float> scalars) : Books({Codebook{DType::kF32, 1, std::move(scalars), 0, {}}}) {}
};

SegmentView view_of(DType dtype, const Bytes& units, const Books& books, int block_log2 = 12) {
  SegmentView view = test::segment_view(CodecId::kCodebook, dtype, units.size(), block_log2);
  view.codebook = &books.stream;
  view.codebooks = books.books;
  return view;
}

Books evenly_spread(std::size_t count, float from, float to) {
  std::vector<float> values;
  for (std::size_t i = 0; i < count; i++)
    values.push_back(from + (to - from) * static_cast<float>(i) / static_cast<float>(count - 1));
  return Books(values);
}

Codebook random_vectors(std::uint8_t dimension, std::size_t count, std::uint32_t seed) {
  return {DType::kF32, dimension, test::gaussian(count * dimension, 1, seed), 0, {}};
}

// The entries as the element type has them.
std::vector<double> restored_entries(DType dtype, const Books& codebook) {
  const auto& values = codebook.books[0].values;
  return to_values(dtype, to_units(dtype, {values.begin(), values.end()}));
}

TEST(CodebookCodecTest, EveryWeightBecomesTheNearestEntry) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64})
    for (const std::size_t count : {2u, 3u, 16u, 17u, 255u, 256u, 257u, 1000u, 4096u}) {
      const Books codebook = evenly_spread(count, -2.3f, 2.1f);
      const Bytes units = to_units(dtype, draw_weights(9001, 1));
      const auto before = to_values(dtype, units), entries = restored_entries(dtype, codebook);
      const auto after = to_values(dtype, test::round_trip(view_of(dtype, units, codebook), {}, units));
      for (std::size_t i = 0; i < before.size(); i++) {
        double nearest = std::numeric_limits<double>::infinity();
        for (const double entry : entries) nearest = std::min(nearest, std::fabs(entry - before[i]));
        // F64 weights are compared as float32.
        ASSERT_NEAR(std::fabs(after[i] - before[i]), nearest, dtype == DType::kF64 ? 1e-6 : 0) << i;
      }
    }
}

TEST(CodebookCodecTest, TiesGoToTheLowerEntry) {
  const Books codebook(std::vector<float>{-1, 0, 1});
  const Bytes units = to_units(DType::kF32, {-0.5, 0.5, std::nextafter(0.5f, 1.0f), -7, 7});
  EXPECT_EQ(to_values(DType::kF32, test::round_trip(view_of(DType::kF32, units, codebook), {}, units)),
            (std::vector<double>{-1, 0, 1, -1, 1}));
}

TEST(CodebookCodecTest, WhatIsNotFiniteComesBackBitByBit) {
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    auto values = draw_weights(5000, 2);
    for (const std::size_t i : {0u, 1u, 4095u, 4096u, 4999u}) values[i] = i % 2 ? nan : i == 0 ? infinity : -infinity;
    const Bytes units = to_units(dtype, values);
    const Books codebook = evenly_spread(16, -2, 2);
    const Bytes back = test::round_trip(view_of(dtype, units, codebook), {}, units);
    const auto size = static_cast<std::ptrdiff_t>(unit_bytes(dtype));
    for (const std::ptrdiff_t i : {0, 1, 4095, 4096, 4999})
      EXPECT_TRUE(std::equal(units.begin() + i * size, units.begin() + (i + 1) * size, back.begin() + i * size)) << i;
  }
}

TEST(CodebookCodecTest, AnF64BeyondFloat32IsAnException) {
  const Bytes units = to_units(DType::kF64, {1e300, 1, -1e300});
  const Books codebook(std::vector<float>{0.75f});
  EXPECT_EQ(to_values(DType::kF64, test::round_trip(view_of(DType::kF64, units, codebook), {}, units)),
            (std::vector<double>{1e300, 0.75, -1e300}));
}

TEST(CodebookCodecTest, OneEntryTakesNoBytes) {
  const Bytes units = to_units(DType::kF32, std::vector<double>(4096, 0.3));
  const Books codebook(std::vector<float>{0.3f});
  EncodedSegment segment;
  EXPECT_EQ(test::round_trip(view_of(DType::kF32, units, codebook), {}, units, segment), units);
  EXPECT_EQ(segment.plane_bytes, 0u);
}

TEST(CodebookCodecTest, ABitsPriceTradesErrorForSize) {
  const auto values = draw_weights(50000, 3);
  const Bytes units = to_units(DType::kF32, values);
  Books codebook = evenly_spread(32, -3, 3);
  const auto run = [&](double price, std::size_t& bytes) {
    codebook.books[0].bit_price = price;
    EncodedSegment segment;
    const auto after =
        to_values(DType::kF32, test::round_trip(view_of(DType::kF32, units, codebook, 16), {}, units, segment));
    bytes = segment.bytes.size();
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); i++) sum += (after[i] - values[i]) * (after[i] - values[i]);
    return sum / static_cast<double>(values.size());
  };
  std::size_t plain_bytes = 0, cheap_bytes = 0;
  const double plain = run(0, plain_bytes), cheap = run(0.01, cheap_bytes);
  EXPECT_LT(cheap_bytes, plain_bytes);
  EXPECT_GT(cheap, plain);
  // 0.01 a bit were offered, so what was saved must have cost less.
  EXPECT_LT(cheap - plain, 0.01 * 8 * static_cast<double>(plain_bytes - cheap_bytes) / 50000 * 1.1);
}

// Squared distance of a vector of a segment to what it became, and to the nearest entry.
void expect_nearest(DType dtype, const Books& books, const std::vector<double>& before,
                    const std::vector<double>& after, std::size_t group, std::size_t begin) {
  const std::size_t d = books.stream.dimension, end = std::min(begin + d, before.size());
  const Codebook& book = books.books[group];
  const auto entries = to_values(dtype, to_units(dtype, {book.values.begin(), book.values.end()}));
  double nearest = std::numeric_limits<double>::infinity(), chosen = 0;
  for (std::size_t i = begin; i < end; i++) chosen += (after[i] - before[i]) * (after[i] - before[i]);
  for (std::size_t j = 0; j < book.entries(); j++) {
    double sum = 0;
    for (std::size_t i = begin; i < end; i++) sum += std::pow(entries[j * d + i - begin] - before[i], 2);
    nearest = std::min(nearest, sum);
  }
  if (end - begin == d) {  // what lies beyond the end counts as zeros
    ASSERT_NEAR(chosen, nearest, 1e-5) << begin;
  } else {
    ASSERT_GE(chosen, nearest - 1e-5);
  }
}

TEST(CodebookCodecTest, EveryVectorBecomesTheNearestEntry) {
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{2, 4, 8})
    for (const std::size_t count : {1u, 2u, 100u, 256u, 257u, 600u})
      for (const std::size_t n : {1u, 7u, 8u, 5003u}) {
        const Books books({random_vectors(d, count, d)});
        const DType dtype = d == 8 ? DType::kF16 : d == 4 ? DType::kBF16 : DType::kF32;
        const Bytes units = to_units(dtype, draw_weights(n, 5));
        const auto before = to_values(dtype, units);
        const auto after = to_values(dtype, test::round_trip(view_of(dtype, units, books), {}, units));
        for (std::size_t i = 0; i < n; i += d * (n < 10 ? 1u : 7u)) expect_nearest(dtype, books, before, after, 0, i);
      }
}

TEST(CodebookCodecTest, GroupsOfChannelsHaveTheirOwnCodebooks) {
  // 5 channels of 3 weights in groups of 2: vectors of 4 begin in one channel and end in the next.
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{1, 2, 4, 8}) {
    const auto book = [&](std::size_t count, std::uint32_t seed) {
      Codebook one = random_vectors(d, count, seed);
      if (d == 1) std::sort(one.values.begin(), one.values.end());
      return one;
    };
    for (const std::size_t most : {20u, 300u}) {
      const Books books({book(10, 1), book(most, 2), book(1, 3)}, 3, 5, 2);
      const Bytes units = to_units(DType::kF32, draw_weights(15 * 400, 6));
      const auto before = to_values(DType::kF32, units);
      const auto after = to_values(DType::kF32, test::round_trip(view_of(DType::kF32, units, books), {}, units));
      for (std::size_t i = 0; i < before.size(); i += d * 5u)
        expect_nearest(DType::kF32, books, before, after, i / 3 % 5 / 2, i);
    }
  }
}

TEST(CodebookCodecTest, VectorsThatAreNotFiniteOrFarAway) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const float scale : {1e-44f, 1e-30f, 1.0f, 1e30f}) {
    Codebook book = random_vectors(4, 40, 1);
    for (float& value : book.values) value *= scale;
    const Books books({book});
    auto values = draw_weights(400, 2, static_cast<double>(scale));
    values[1] = std::nan(""), values[2] = -infinity, values[100] = 1e38, values[200] = -1e38, values[399] = infinity;
    const Bytes units = to_units(DType::kF32, values);
    const auto back = to_values(DType::kF32, test::round_trip(view_of(DType::kF32, units, books), {}, units));
    EXPECT_TRUE(std::isnan(back[1]));
    EXPECT_EQ(back[2], -infinity);
    EXPECT_EQ(back[399], infinity);
    double largest = 0;
    for (const float value : book.values) largest = std::max(largest, static_cast<double>(std::fabs(value)));
    for (const std::size_t i : {0u, 3u, 100u, 200u}) EXPECT_LE(std::fabs(back[i]), largest);
  }
}

TEST(CodebookCodecTest, APriceMakesVectorsChooseShorterIndices) {
  Codebook book = random_vectors(2, 64, 1);
  for (std::size_t j = 0; j < 64; j++) book.bits.push_back(j < 8 ? 4.0f : 8.0f);
  const Bytes units = to_units(DType::kF32, draw_weights(60'000, 2));
  std::size_t plain = 0;
  for (const double price : {0.0, 0.05}) {
    book.bit_price = price;
    const Books books({book});
    EncodedSegment segment;
    (void)test::round_trip(view_of(DType::kF32, units, books, 16), {}, units, segment);
    if (price == 0) plain = segment.bytes.size();
    EXPECT_LE(segment.bytes.size(), plain - (price > 0 ? plain / 20 : 0));
  }
}

TEST(CodebookCodecTest, AnIndexBeyondAnyOfTheCodebooksIsRefused) {
  for (const std::uint8_t d : std::initializer_list<std::uint8_t>{2, 8})
    for (const std::size_t count : {10u, 300u}) {
      const Books books({random_vectors(d, count, 1)}), shorter({random_vectors(d, count - 1, 1)});
      const Bytes units = to_units(DType::kF32, draw_weights(20'000, 3));
      const SegmentView view = view_of(DType::kF32, units, books);
      EncodedSegment segment;
      (void)test::round_trip(view, {}, units, segment);
      Bytes out(units.size());
      for (const cpu::Kernels* kernels : cpu::available_kernels()) {
        const auto fault = cpu::make_segment_coder(*kernels)->decode(
            segment.with_tables(view_of(DType::kF32, units, shorter)), 0, test::blocks_of(view, segment), out);
        ASSERT_TRUE(fault.has_value());
        EXPECT_EQ(fault->reason, "an index is beyond the end of its codebook");
      }
    }
}

TEST(CodebookCodecTest, AnIndexBeyondTheCodebookIsRefused) {
  const auto values = draw_weights(5000, 4);
  const Bytes units = to_units(DType::kF32, values);
  const Books codebook = evenly_spread(16, -2, 2), shorter = evenly_spread(15, -2, 2);
  const SegmentView view = view_of(DType::kF32, units, codebook);
  EncodedSegment segment;
  (void)test::round_trip(view, {}, units, segment);
  Bytes out(units.size());
  for (const cpu::Kernels* kernels : cpu::available_kernels()) {
    const auto fault = cpu::make_segment_coder(*kernels)->decode(
        segment.with_tables(view_of(DType::kF32, units, shorter)), 0, test::blocks_of(view, segment), out);
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(fault->reason, "an index is beyond the end of its codebook");
  }
}

}  // namespace
}  // namespace weft
