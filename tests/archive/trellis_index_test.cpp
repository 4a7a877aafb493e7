#include "archive/trellis_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <random>

#include "support/expect_error.hpp"
#include "weft/error.hpp"

namespace weft::archive {
namespace {

using testing::expect_error;
using Bytes = std::vector<std::byte>;

[[noreturn]] void fail(const char* what) { throw Error(ErrorKind::kArchive, what); }

std::vector<Shape> shapes_in(const Bytes& bytes) {
  NumberReader in(bytes, fail);
  std::vector<Shape> shapes;
  read_shapes(in, shapes);
  in.finish();
  return shapes;
}

TEST(TrellisIndex, ShapesComeBack) {
  std::vector<Shape> shapes(3);
  shapes[0][0] = 4096;
  shapes[1][31] = 4096;
  shapes[2].fill(128);
  for (const std::size_t count : {0u, 3u}) {
    NumberWriter out;
    shapes.resize(count == 0 ? 0 : shapes.size());
    put_shapes(out, shapes);
    EXPECT_EQ(shapes_in(out.finish()), shapes);
    shapes.assign(3, Shape{});
    for (Shape& shape : shapes) shape[7] = 4096;
  }
}

// A shape of these weights from a triangle on, announced as so many.
Bytes shape_of(std::uint64_t first, std::uint64_t more, std::initializer_list<std::uint64_t> weights) {
  NumberWriter out;
  out.put(Field::kShapes, 1);
  out.put(Field::kFirstTriangle, first);
  out.put(Field::kTriangles, more);
  std::uint64_t before = 0;
  for (const std::uint64_t weight : weights) {
    out.put(Field::kWeight, weight, kind_of_frequency(before));
    before = weight;
  }
  return out.finish();
}

TEST(TrellisIndex, BadShapesAreRefused) {
  const auto refuse = [](const Bytes& bytes, const char* what) {
    expect_error(ErrorKind::kArchive, {what}, [&] { (void)shapes_in(bytes); });
  };
  EXPECT_NO_THROW((void)shapes_in(shape_of(31, 0, {4096})));
  refuse(shape_of(32, 0, {4096}), "too many triangles");
  refuse(shape_of(31, 1, {2048, 2048}), "too many triangles");
  refuse(shape_of(UINT64_MAX, 1, {2048, 2048}), "too many triangles");
  refuse(shape_of(3, UINT64_MAX, {2048, 2048}), "too many triangles");
  refuse(shape_of(0, 0, {4097}), "too large");
  refuse(shape_of(0, 0, {4095}), "sum to 4096");
  refuse(shape_of(0, 1, {4096, 4096}), "sum to 4096");
  refuse(shape_of(0, 1, {4096, 0}), "begins or ends with zero");
  refuse(shape_of(0, 1, {0, 4096}), "begins or ends with zero");
  NumberWriter out;
  out.put(Field::kShapes, UINT64_MAX);
  refuse(out.finish(), "count is larger");
}

struct Case {
  std::vector<std::uint64_t> shape;
  TrellisStream stream;
};

// Some stream of a tensor of this shape.
Case some_stream(std::vector<std::uint64_t> shape) {
  Case c{std::move(shape), {}};
  c.stream.fine_step = 0.5f;
  return c;
}

StreamRecord record_of(const Case& c) {
  StreamRecord record;
  record.codec = CodecId::kTrellis;
  record.dtype = DType::kF32;
  record.members = {0};
  record.segment_log2 = 20;
  record.units = 1;
  for (const std::uint64_t d : c.shape) record.units *= d;
  return record;
}

// Writes streams one after the other and reads them again.
std::size_t expect_back(const std::vector<Case>& cases) {
  NumberWriter out;
  LastStream last;
  for (const Case& c : cases) put_trellis(out, c.stream, c.shape, last);
  const Bytes bytes = out.finish();
  NumberReader in(bytes, fail);
  LastStream again;
  for (const Case& c : cases) {
    StreamRecord record = record_of(c);
    read_trellis(in, c.shape, 5, again, record);
    EXPECT_EQ(record.trellis, c.stream);
  }
  in.finish();
  return bytes.size();
}

TEST(TrellisIndex, ParametersComeBack) {
  Case plain = some_stream({64, 9});
  Case rich = some_stream({4, 6, 3, 5});
  rich.stream = {{-1024, {}}, 0x1.8p-20f, -77, 8, true, true, 4, {-4, 4}, {{}, {-128}, {127, 1}}, {}, 0};
  rich.stream.view = {4, 6, 15};
  Case odd = some_stream({30, 7});
  odd.stream.view = {5, 6, 7};  // as no cut of its dimensions gives it
  expect_back({plain, rich, odd, rich, plain, plain});
  expect_back({});
}

TEST(TrellisIndex, EveryStepComesBack) {
  std::vector<Case> cases;
  for (const float step :
       {1.0f, 1.0f, 0x1p-126f, 0x1.fffffep127f, 0x1.000002p0f, 0x1.8p3f, 0x1.8p3f, 1.1f, 0.0078125f}) {
    cases.push_back(some_stream({10}));
    cases.back().stream.fine_step = step;
  }
  expect_back(cases);
}

TEST(TrellisIndex, ScaleFactorsComeBackAndFindTheirAxes) {
  std::vector<Case> cases(4, some_stream({8, 3, 5}));
  cases[0].stream.factors = {{15, std::vector<std::int8_t>(8, 2)}, {1, std::vector<std::int8_t>(15, -1)}};
  cases[1].stream.factors = {{5, {1, -128, 127}}, {5, std::vector<std::int8_t>(24, 3)}};
  cases[2].stream.view = {8, 3, 5};
  cases[2].stream.factors = {{24, {0, 1, 2, 3, 4}}, {1, std::vector<std::int8_t>(8, 1)}, {8, {1, 2, 3}}};
  cases[3].stream.factors = {{2, {5, 6, 7, 8, 9, 10}}, {1, {0, 1}}};  // which no axes have
  expect_back(cases);
}

// Streams with taps of these periods, in 1/32 and multiples of `unit`; those that are not stored are zero.
std::vector<Case> with_taps(const std::vector<std::size_t>& periods, int unit = 1) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal(0, 6.0 / unit);
  std::vector<Case> cases;
  for (const std::size_t period : periods) {
    TrellisStream& stream = cases.emplace_back(some_stream({100})).stream;
    stream.predicts = true;
    stream.taps.resize(period);
    for (std::size_t place = 0; place < period; place++)
      for (std::size_t i = 0; i < 4 && (period == 1 || i < place); i++)
        stream.taps[place][i] = static_cast<std::int8_t>(std::clamp(std::rint(normal(random)) * unit, -128.0, 120.0));
  }
  return cases;
}

TEST(TrellisIndex, TapsComeBack) {
  for (const std::vector<std::size_t>& periods :
       {std::vector<std::size_t>{0}, {1}, {2}, {3, 0, 1}, {9, 9, 0, 25}, {64, 1, 63, 2}})
    for (const int unit : {1, 2, 4, 8}) expect_back(with_taps(periods, unit));
}

TEST(TrellisIndex, TapsOfManyTensorsTakeFewBits) {
  const std::vector<std::size_t> periods(50, 9);
  const double fine = 8.0 * static_cast<double>(expect_back(with_taps(periods))) / (50 * 26);
  EXPECT_LT(fine, 5.9);  // the difference of two N(0, 6) has 5.1 bits
  EXPECT_LT(8.0 * static_cast<double>(expect_back(with_taps(periods, 4))) / (50 * 26), fine - 1.8);
}

// A stream without parameters worth mentioning, up to the numbers that `rest` puts; what its reader says.
void refuse(const char* what, const std::function<void(NumberWriter&)>& rest, int flags = 0,
            const std::vector<std::uint64_t>& shape = {6, 5}) {
  NumberWriter out;
  LastStream last;
  put_step(out, 1, last);
  out.put_signed(Field::kStates, 0);
  int bit = 1;
  for (const Field flag : {Field::kKeepsZero, Field::kPredicts, Field::kHasOffset, Field::kHasView}) {
    out.put(flag, (flags & bit) != 0 ? 1 : 0);
    bit *= 2;
  }
  rest(out);
  const Bytes bytes = out.finish();
  expect_error(ErrorKind::kArchive, {what}, [&] {
    NumberReader in(bytes, fail);
    LastStream again;
    StreamRecord record = record_of(some_stream(shape));
    read_trellis(in, shape, 5, again, record);
  });
}

enum : int { kWithTaps = 2, kWithOffset = 4, kWithView = 8 };

void put_shape_and_base(NumberWriter& out) {
  out.put(Field::kShape, 0);
  out.put_signed(Field::kBaseClass, 0);
}

TEST(TrellisIndex, NumbersThatNoWriterPutsAreRefused) {
  refuse(
      "offset", [](NumberWriter& out) { out.put_signed(Field::kOffset, 0); }, kWithOffset);
  const auto period = [](NumberWriter& out, std::uint64_t shift, std::int64_t tap) {
    put_shape_and_base(out);
    out.put(Field::kHasShifts, 0);
    out.put(Field::kPeriod, 2);
    out.put(Field::kTapShift, shift);
    out.put_signed(Field::kTap, tap, 4 * shift);
  };
  refuse(
      "multiples of too much", [&](NumberWriter& out) { period(out, 4, 0); }, kWithTaps);
  refuse(
      "a tap is out of range", [&](NumberWriter& out) { period(out, 0, 128); }, kWithTaps);
  refuse(
      "a tap is out of range", [&](NumberWriter& out) { period(out, 0, -129); }, kWithTaps);
  refuse(
      "a tap is out of range", [&](NumberWriter& out) { period(out, 3, 16); }, kWithTaps);
  refuse(
      "a flag", [](NumberWriter& out) { put_shape_and_base(out), out.put(Field::kHasShifts, 2); }, kWithTaps);
  const auto sides = [](NumberWriter& out, std::uint64_t code) {
    put_shape_and_base(out);
    out.put(Field::kSides, code, 2);
  };
  for (const std::uint64_t code : {std::uint64_t{10}, std::uint64_t{4}, UINT64_MAX})  // j before i; i beyond the rank
    refuse(
        "a view does not fit", [&](NumberWriter& out) { sides(out, code); }, kWithView);
  const auto axes = [](NumberWriter& out, std::uint64_t code) {
    put_shape_and_base(out);
    out.put(Field::kFactors, 1);
    out.put(Field::kAxes, code, 2);
  };
  for (const std::uint64_t code : {std::uint64_t{1}, std::uint64_t{5}, std::uint64_t{10}, UINT64_MAX})
    refuse("does not divide", [&](NumberWriter& out) { axes(out, code); });
  const std::uint64_t most = UINT64_MAX;
  for (const std::vector<std::uint64_t>& shape : {std::vector<std::uint64_t>{1 << 20, 1}, {most, 1}})
    refuse(
        "more scale codes than bytes", [&](NumberWriter& out) { axes(out, 2); }, 0, shape);  // of the first dimension
}

TEST(TrellisIndex, StepsThatNoWriterPutsAreRefused) {
  const auto refuse_step = [](const std::function<void(NumberWriter&)>& put) {
    NumberWriter out;
    put(out);
    const Bytes bytes = out.finish();
    expect_error(ErrorKind::kArchive, {"step"}, [&] {
      NumberReader in(bytes, fail);
      LastStream last;
      (void)get_step(in, last);
    });
  };
  refuse_step([](NumberWriter& out) { out.put(Field::kSameStep, 1); });
  for (const int exponent : {0, 255, 300, -5})
    refuse_step([&](NumberWriter& out) {
      out.put(Field::kSameStep, 0);
      out.put_signed(Field::kStepExponent, exponent - 119);
    });
  refuse_step([](NumberWriter& out) {
    out.put(Field::kSameStep, 0);
    out.put_signed(Field::kStepExponent, 0);
    out.put(Field::kStepZeros, 24);
  });
}

}  // namespace
}  // namespace weft::archive
