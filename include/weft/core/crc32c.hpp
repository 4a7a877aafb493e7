// CRC-32C (Castagnoli) of a block by one warp.
//
// Read me first:
// * A CRC is linear, so 32 lanes can share one message: lane i takes every 32nd 4-byte word, advancing its remainder
//   over 128 bytes a step with four table look-ups, and at the end each remainder is moved to its place by one
//   multiplication.
// * Most of a long message needs no table: z = x^1024, which takes a lane from a row of 128 bytes to the next one, is a
//   root of z^40 + z^38 + ... + 1 modulo the polynomial (kFoldLags), so a row is dropped by xoring it to eleven later
//   ones. That leaves the last forty rows for the tables. The eleven lags are the first ones of a search over all
//   polynomials of twelve terms; with fewer terms the degree, and so the registers, would be more.
// * Everything is in the reflected bit order: bit 31 of a register is the coefficient of x^0.
//
// Source: the iSCSI CRC, RFC 3720 section 12.1; slicing after Kounavis and Berry, "A systematic approach to building
// high performance, software-based, CRC generators" (2005).
#pragma once

#include <utility>

#include "weft/core/vector_memory.hpp"
#include "weft/core/warp.hpp"

namespace weft::core {

inline constexpr std::uint32_t kCrcPolynomial = 0x82F63B78;  // reflected

// a * b modulo the polynomial.
WEFT_HD constexpr std::uint32_t crc_multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (int i = 0; i < 32; i++) {
    product ^= b & (0u - (a >> 31));
    a <<= 1;
    b = (b >> 1) ^ (kCrcPolynomial & (0u - (b & 1)));
  }
  return product;
}

// x^(8 * bytes) modulo the polynomial, by repeated squaring.
WEFT_HD constexpr std::uint32_t crc_power(std::uint64_t bytes) {
  std::uint32_t result = 0x80000000u, base = 0x00800000u;  // 1 and x^8
  for (; bytes != 0; bytes >>= 1) {
    if ((bytes & 1) != 0) result = crc_multiply(result, base);
    base = crc_multiply(base, base);
  }
  return result;
}

struct CrcTables {
  std::uint32_t advance[4][256];  // byte k of a remainder, moved over 128 bytes
  std::uint32_t byte[256];        // the usual table: one byte
  std::uint32_t place[kLanes];    // x^(32 * (32 - lane))
};

constexpr CrcTables make_crc_tables() {
  CrcTables t{};
  const std::uint32_t far = crc_power(4 * kLanes), near = crc_power(1);
  for (std::uint32_t v = 0; v < 256; v++) {
    for (int k = 0; k < 4; k++) t.advance[k][v] = crc_multiply(v << (8 * k), far);
    t.byte[v] = crc_multiply(v, near);
  }
  for (std::uint32_t lane = 0; lane < kLanes; lane++) t.place[lane] = crc_power(4 * (kLanes - lane));
  return t;
}

inline constexpr int kFoldRows = 40, kFoldTerms = 11;
inline constexpr int kFoldLags[kFoldTerms] = {2, 4, 5, 7, 10, 13, 20, 27, 33, 39, 40};
inline constexpr std::uint32_t kCrcRow = 4 * kLanes, kCrcChunk = kFoldRows * kCrcRow;

// These four bytes before a message, little-endian, do what the initial value does: a register of zeros becomes ~0.
inline constexpr std::uint32_t kCrcPreset = crc_multiply(~0u, crc_power((std::uint64_t{1} << 31) - 5));

// f<i>() for i of 0 .. kCount - 1.
template <int kCount, class F>
WEFT_HD void for_each_constant(F f) {
  [&]<int... kI>(std::integer_sequence<int, kI...>) { (f.template operator()<kI>(), ...); }
  (std::make_integer_sequence<int, kCount>{});
}

// A message that comes in chunks of kCrcChunk bytes: fold() for each but the last whole one, drain() for that, and
// finish() for what is left. Chunks are aligned to 4.
template <Warp W>
class Crc {
  using U32 = typename W::U32;

 public:
  // `first_row` is xored to the first row, if that lies in a chunk.
  WEFT_HD explicit Crc(U32 first_row) {
    for_each_constant<kFoldRows>([&]<int i>() { rows_[i] = W::splat(0); });
    rows_[0] = first_row;
  }

  WEFT_HD void fold(const std::uint8_t* chunk) {
    for_each_constant<kFoldRows>([&]<int i>() {
      U32 row = W::load_aligned_words(chunk + i * kCrcRow);
      for_each_constant<kFoldTerms>([&]<int k>() {
        constexpr int kLag = kFoldLags[k];
        row = row ^ rows_[(i + kFoldRows - kLag) % kFoldRows];
      });
      rows_[i] = row;
    });
  }

  WEFT_HD void drain(const std::uint8_t* chunk, const CrcTables& tables) {
    for_each_constant<kFoldRows>([&]<int i>() {
      U32 row = W::load_aligned_words(chunk + i * kCrcRow);
      for_each_constant<kFoldTerms>([&]<int k>() {
        constexpr int kLag = kFoldLags[k];
        if constexpr (kLag > i) row = row ^ rows_[(i + kFoldRows - kLag) % kFoldRows];
      });
      take_row(row, tables);
    });
  }

  // The last n bytes, wherever they lie; `crc` is the register's value if there was nothing before and n is less than a
  // row.
  WEFT_HD std::uint32_t finish(const std::uint8_t* data, std::size_t n, std::uint32_t crc, const CrcTables& tables) {
    std::size_t done = 0;
    for (; n - done >= kCrcRow; done += kCrcRow) take_row(W::load_words(data + done), tables);
    if (any_) crc = placed(tables);
    for (; done < n; done++) crc = tables.byte[(crc ^ data[done]) & 255] ^ (crc >> 8);
    return ~crc;
  }
  // The same for a message without chunks, whose first row has its first word xored.
  WEFT_HD std::uint32_t finish_short(const std::uint8_t* data, std::size_t n, const CrcTables& tables) {
    if (n < kCrcRow) return finish(data, n, ~0u, tables);
    take_row(W::load_words(data) ^ rows_[0], tables);
    return finish(data + kCrcRow, n - kCrcRow, 0, tables);
  }

 private:
  WEFT_HD void take_row(U32 row, const CrcTables& tables) {
    const U32 low = W::splat(255);
    any_ = true;
    remainder_ =
        W::gather(tables.advance[0], remainder_ & low) ^ W::gather(tables.advance[1], (remainder_ >> 8) & low) ^
        W::gather(tables.advance[2], (remainder_ >> 16) & low) ^ W::gather(tables.advance[3], remainder_ >> 24) ^ row;
  }
  WEFT_HD std::uint32_t placed(const CrcTables& tables) const {
    U32 r = remainder_, place = W::load_table(tables.place), sum = W::splat(0);
    for (int i = 0; i < 32; i++) {
      sum = sum ^ (place & (W::splat(0) - (r >> 31)));
      r = r << 1;
      place = (place >> 1) ^ (W::splat(kCrcPolynomial) & (W::splat(0) - (place & W::splat(1))));
    }
    return W::xor_lanes(sum);
  }

  U32 rows_[kFoldRows], remainder_ = W::splat(0);
  bool any_ = false;
};

// The CRC of data[0 .. n). `tables` is make_crc_tables(), in memory that the lanes can gather from.
template <Warp W>
WEFT_HD std::uint32_t crc32c(const std::uint8_t* data, std::size_t n, const CrcTables& tables) {
  Crc<W> crc(W::select(W::first_lanes(1), W::splat(~0u), W::splat(0)));
  if (n < kCrcChunk || !is_aligned(data, 4)) return crc.finish_short(data, n, tables);
  for (; n >= 2 * kCrcChunk; n -= kCrcChunk, data += kCrcChunk) crc.fold(data);
  crc.drain(data, tables);
  return crc.finish(data + kCrcChunk, n - kCrcChunk, 0, tables);
}

}  // namespace weft::core
