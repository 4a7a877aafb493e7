#include "archive/trellis_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "support/expect_error.hpp"
#include "weft/error.hpp"

namespace weft::archive {
namespace {

using testing::expect_error;
using Bytes = std::vector<std::byte>;

[[noreturn]] void fail(const char* what) { throw Error(ErrorKind::kArchive, what); }

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::vector<Shape> shapes_in(const Bytes& bytes) {
  ByteReader in(bytes, fail);
  std::vector<Shape> shapes;
  read_shapes(in, shapes);
  in.expect_end("longer");
  return shapes;
}

TEST(TrellisIndex, ShapesComeBack) {
  std::vector<Shape> shapes(3);
  shapes[0][0] = 4096;
  shapes[1][31] = 4096;
  shapes[2].fill(128);
  ByteWriter out;
  put_shapes(out, shapes);
  EXPECT_EQ(shapes_in(out.bytes()), shapes);
  EXPECT_TRUE(shapes_in(bytes_of({0})).empty());
}

TEST(TrellisIndex, BadShapesAreRefused) {
  const auto refuse = [](std::initializer_list<int> values, const char* what) {
    expect_error(ErrorKind::kArchive, {what}, [&] { (void)shapes_in(bytes_of(values)); });
  };
  EXPECT_NO_THROW((void)shapes_in(bytes_of({1, 31, 0, 0x80, 0x20})));
  refuse({1, 32, 0, 0x80, 0x20}, "too many triangles");
  refuse({1, 31, 1, 0x80, 0x10, 0x80, 0x10}, "too many triangles");
  refuse({1, 0, 0, 0x81, 0x20}, "too large");
  refuse({1, 0, 0, 0xFF, 0x1F}, "sum to 4096");
  refuse({1, 0, 1, 0x80, 0x20, 0x80, 0x20}, "sum to 4096");
  refuse({1, 0, 1, 0x80, 0x20, 0}, "begins or ends with zero");
  refuse({1, 0, 1, 0, 0x80, 0x20}, "begins or ends with zero");
  refuse({1, 0, 1, 0x80, 0x20}, "");
  refuse({0xFF, 0xFF, 0xFF, 0x7F, 0, 0}, "");
}

// Streams whose factors have so many codes each; the codes are drawn from N(0, spread).
Index index_with_codes(const std::vector<std::size_t>& counts, double spread) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal(0, spread);
  Index index;
  for (const std::size_t count : counts) {
    ScaleFactor factor;
    factor.codes.resize(count);
    for (auto& code : factor.codes) code = static_cast<std::int8_t>(std::clamp(normal(random), -128.0, 127.0));
    index.streams.emplace_back().trellis.factors.push_back(factor);
  }
  return index;
}

// What the section says, read into factors without codes.
Index read_back(const Index& index, const Bytes& section) {
  Index back = index;
  std::vector<std::uint64_t> counts;
  for (StreamRecord& stream : back.streams)
    for (ScaleFactor& factor : stream.trellis.factors) counts.push_back(factor.codes.size()), factor.codes.clear();
  ByteReader in(section, fail);
  read_scale_codes(in, counts, back);
  in.expect_end("longer");
  return back;
}

void expect_same_codes(const Index& a, const Index& b) {
  for (std::size_t s = 0; s < a.streams.size(); s++) EXPECT_EQ(a.streams[s].trellis, b.streams[s].trellis) << s;
}

TEST(TrellisIndex, ScaleCodesComeBack) {
  for (const auto& [counts, spread] : {std::pair<std::vector<std::size_t>, double>{{}, 0},
                                       {{1}, 0},
                                       {{1}, 90},
                                       {{7, 3}, 50},
                                       {{4000}, 0},
                                       {{5000, 1, 300}, 2},
                                       {{100, 2100}, 200},
                                       {{70000}, 1}}) {
    const Index index = index_with_codes(counts, spread);
    ByteWriter out;
    put_scale_codes(out, index);
    expect_same_codes(read_back(index, out.bytes()), index);
  }
}

TEST(TrellisIndex, ManyScaleCodesAreEntropyCoded) {
  const Index index = index_with_codes({20000}, 2);
  ByteWriter out;
  put_scale_codes(out, index);
  EXPECT_LT(out.bytes().size(), 20000u * 3.1 / 8 + 100);  // N(0, 2) rounded towards zero has about three bits
  EXPECT_GT(out.bytes().size(), 20000u * 2.5 / 8);
}

TEST(TrellisIndex, BadScaleCodesAreRefused) {
  const Index index = index_with_codes({5000, 200}, 2);
  ByteWriter out;
  put_scale_codes(out, index);
  const Bytes good = out.bytes();
  const auto refuse = [&](const Bytes& bad, const char* what) {
    expect_error(ErrorKind::kArchive, {what}, [&] { (void)read_back(index, bad); });
  };
  refuse({}, "more scale codes than bytes");
  refuse({good.begin(), good.begin() + 19}, "more scale codes than bytes");
  Bytes bad = good;
  std::swap(bad[0], bad[1]);
  refuse(bad, "no range");
  bad = good;
  bad.push_back(std::byte{0});
  refuse(bad, "longer than its content");
  refuse({good.begin(), good.end() - 1}, "longer than its content");
  // The index has a checksum; without it, damage gives other codes or is refused, and never reads or allocates too much.
  for (std::size_t bit = 16; bit < 8 * good.size() - 40; bit += 11) {
    bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    try {
      const Index back = read_back(index, bad);
      EXPECT_FALSE(back.streams[0].trellis == index.streams[0].trellis &&
                   back.streams[1].trellis == index.streams[1].trellis)
          << bit;
    } catch (const Error&) {
    }
  }
}

// Streams with taps of these periods, in 1/32; those that are not stored are zero.
Index index_with_taps(const std::vector<std::size_t>& periods) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal(0, 6);
  Index index;
  for (const std::size_t period : periods) {
    TrellisStream& stream = index.streams.emplace_back().trellis;
    stream.taps.resize(period);
    for (std::size_t place = 0; place < period; place++)
      for (std::size_t i = 0; i < 4 && (period == 1 || i < place); i++)
        stream.taps[place][i] = static_cast<std::int8_t>(std::clamp(normal(random), -128.0, 127.0));
  }
  return index;
}

TEST(TrellisIndex, TapsComeBack) {
  for (const std::vector<std::size_t>& periods :
       {std::vector<std::size_t>{}, {0}, {1}, {2}, {3, 0, 1}, {9, 9, 0, 25}, {64, 1, 63, 2}}) {
    const Index index = index_with_taps(periods);
    ByteWriter out;
    put_taps(out, index);
    const bool has_taps = std::any_of(periods.begin(), periods.end(), [](std::size_t period) { return period > 0; });
    EXPECT_EQ(out.bytes().empty(), !has_taps);
    const auto read = [&](const Bytes& section) {
      Index back = index_with_taps(periods);
      for (StreamRecord& stream : back.streams)
        for (auto& taps : stream.trellis.taps) taps = {};
      ByteReader in(section, fail);
      read_taps(in, back);
      in.expect_end("longer");
      return back;
    };
    expect_same_codes(read(out.bytes()), index);
    Bytes longer = out.bytes();
    longer.push_back(std::byte{0});
    expect_error(ErrorKind::kArchive, {"longer"}, [&] { (void)read(longer); });
    if (!has_taps) continue;
    expect_error(ErrorKind::kArchive, {}, [&] { (void)read({longer.begin(), longer.end() - 2}); });
    expect_error(ErrorKind::kArchive, {}, [&] { (void)read({}); });
  }
}

TEST(TrellisIndex, TapsOfManyTensorsTakeFewBits) {
  const Index index = index_with_taps(std::vector<std::size_t>(50, 9));
  ByteWriter out;
  put_taps(out, index);
  EXPECT_LT(8.0 * static_cast<double>(out.bytes().size()) / (50 * 26),
            5.6);  // the difference of two N(0, 6) has 5.1 bits
}

TEST(TrellisIndex, AFewBytesCannotAskForMuchMemory) {
  Index index;
  index.streams.resize(1);
  index.streams[0].trellis.factors.resize(1);
  for (const int coding : {0, 1}) {
    const Bytes section = bytes_of({coding, 0, 1, 0x80, 0x10, 0x80, 0x10, 0, 0, 0x80});
    for (const std::uint64_t count : {std::uint64_t{1} << 20, std::uint64_t{1} << 40, UINT64_MAX}) {
      ByteReader in(section, fail);
      expect_error(ErrorKind::kArchive, {"more scale codes than bytes"}, [&] { read_scale_codes(in, {count}, index); });
    }
  }
  ByteReader in({}, fail);
  expect_error(ErrorKind::kArchive, {"too many scale codes"}, [&] { read_scale_codes(in, {UINT64_MAX, 2}, index); });
}

}  // namespace
}  // namespace weft::archive
