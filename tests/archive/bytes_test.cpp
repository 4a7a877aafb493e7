#include "archive/bytes.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"

namespace weft::archive {
namespace {

using testing::expect_error;

void fail(const char* what) { throw Error(ErrorKind::kArchive, what); }

std::vector<std::byte> bytes_from(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::vector<std::uint64_t> edges() {
  std::vector<std::uint64_t> values{0, 1, UINT64_MAX, UINT64_MAX - 1};
  for (int bit = 1; bit < 64; bit++)
    for (const std::uint64_t offset : {UINT64_MAX, std::uint64_t{0}, std::uint64_t{1}})
      values.push_back((std::uint64_t{1} << bit) + offset);
  return values;
}

TEST(Bytes, IntegersAreLittleEndian) {
  ByteWriter out;
  out.put(std::uint32_t{0x04030201});
  out.put_u8(5);
  EXPECT_EQ(out.bytes(), bytes_from({1, 2, 3, 4, 5}));
  ByteReader in(out.bytes(), fail);
  EXPECT_EQ(in.get<std::uint32_t>(), 0x04030201u);
  EXPECT_EQ(in.get_u8(), 5);
  EXPECT_EQ(in.left(), 0u);
  std::byte place[2];
  store_le(place, std::uint16_t{0x0201});
  EXPECT_EQ(place[0], std::byte{1});
  EXPECT_EQ(load_le<std::uint16_t>(place), 0x0201);
}

TEST(Bytes, VarintsHaveTheBytesOfTheFormat) {
  const auto varint = [](std::uint64_t value) {
    ByteWriter out;
    out.put_varint(value);
    return out.bytes();
  };
  EXPECT_EQ(varint(0), bytes_from({0}));
  EXPECT_EQ(varint(127), bytes_from({127}));
  EXPECT_EQ(varint(128), bytes_from({0x80, 1}));
  EXPECT_EQ(varint(300), bytes_from({0xAC, 2}));
  EXPECT_EQ(varint(UINT64_MAX), bytes_from({255, 255, 255, 255, 255, 255, 255, 255, 255, 1}));
}

TEST(Bytes, VarintsComeBack) {
  ByteWriter out;
  for (const std::uint64_t value : edges()) out.put_varint(value);
  ByteReader in(out.bytes(), fail);
  for (const std::uint64_t value : edges()) EXPECT_EQ(in.get_varint(), value);
  EXPECT_EQ(in.left(), 0u);
}

TEST(Bytes, SignedVarintsComeBackAndSmallOnesAreShort) {
  ByteWriter out;
  for (const std::int64_t value : {0, -1, 1, -64, 63}) out.put_signed_varint(value);
  EXPECT_EQ(out.bytes(), bytes_from({0, 1, 2, 127, 126}));
  for (const std::uint64_t value : edges()) out.put_signed_varint(static_cast<std::int64_t>(value));
  ByteReader in(out.bytes(), fail);
  for (const std::int64_t value : {0, -1, 1, -64, 63}) EXPECT_EQ(in.get_signed_varint(), value);
  for (const std::uint64_t value : edges()) EXPECT_EQ(in.get_signed_varint(), static_cast<std::int64_t>(value));
}

TEST(Bytes, OverlongVarintsAreRefused) {
  for (const auto& bytes : {bytes_from({0x80, 0}), bytes_from({0xFF, 0x80, 0})})
    expect_error(ErrorKind::kArchive, {"longer than it needs"}, [&] { (void)ByteReader(bytes, fail).get_varint(); });
}

TEST(Bytes, VarintsBeyond64BitsAreRefused) {
  for (const int last : {2, 0x7F, 0x80, 0x81, 0xFF}) {
    const auto bytes = bytes_from({255, 255, 255, 255, 255, 255, 255, 255, 255, last, 1, 1, 1});
    expect_error(ErrorKind::kArchive, {"does not fit 64 bits"}, [&] { (void)ByteReader(bytes, fail).get_varint(); });
  }
}

TEST(Bytes, ReadingPastTheEndIsRefused) {
  const auto bytes = bytes_from({0x80, 0x80});
  expect_error(ErrorKind::kArchive, {"past the end"}, [&] { (void)ByteReader(bytes, fail).get_varint(); });
  expect_error(ErrorKind::kArchive, {"past the end"}, [&] { (void)ByteReader(bytes, fail).get<std::uint32_t>(); });
  expect_error(ErrorKind::kArchive, {"past the end"}, [&] { (void)ByteReader(bytes, fail).take(3); });
  expect_error(ErrorKind::kArchive, {"past the end"}, [&] { (void)ByteReader(bytes, fail).take(UINT64_MAX); });
  EXPECT_EQ(ByteReader(bytes, fail).take(2).size(), 2u);
  const auto string = bytes_from({3, 'a', 'b'});
  expect_error(ErrorKind::kArchive, {"past the end"}, [&] { (void)ByteReader(string, fail).get_string(); });
}

TEST(Bytes, CountsAreComparedWithTheBytesThatAreLeft) {
  const auto bytes = bytes_from({3, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(ByteReader(bytes, fail).get_count(), 3u);
  EXPECT_EQ(ByteReader(bytes, fail).get_count(2), 3u);
  expect_error(ErrorKind::kArchive, {"count is larger"}, [&] { (void)ByteReader(bytes, fail).get_count(3); });
  ByteWriter huge;
  huge.put_varint(UINT64_MAX);
  expect_error(ErrorKind::kArchive, {"count is larger"}, [&] { (void)ByteReader(huge.bytes(), fail).get_count(); });
}

TEST(Bytes, StringsAndEnds) {
  ByteWriter out;
  out.put_string("weft");
  out.put_string("");
  ByteReader in(out.bytes(), fail);
  EXPECT_EQ(in.get_string(), "weft");
  expect_error(ErrorKind::kArchive, {"something is left"}, [&] { in.expect_end("something is left"); });
  EXPECT_EQ(in.get_string(), "");
  in.expect_end("nothing is left");
}

}  // namespace
}  // namespace weft::archive
