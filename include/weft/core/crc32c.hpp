// CRC-32C (Castagnoli) of a block by one warp.
//
// Read me first:
// * A CRC is linear, so 32 lanes can share one message: lane i takes every 32nd 4-byte word, advancing its remainder
//   over 128 bytes a step with four table look-ups, and at the end each remainder is moved to its place by one
//   multiplication.
// * Everything is in the reflected bit order: bit 31 of a register is the coefficient of x^0.
//
// Source: the iSCSI CRC, RFC 3720 section 12.1; slicing after Kounavis and Berry, "A systematic approach to building
// high performance, software-based, CRC generators" (2005).
#pragma once

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

// The CRC of data[0 .. n). `tables` is make_crc_tables(), in memory that the lanes can gather from.
template <Warp W>
WEFT_HD std::uint32_t crc32c(const std::uint8_t* data, std::size_t n, const CrcTables& tables) {
  using U32 = typename W::U32;
  constexpr std::size_t kStep = 4 * kLanes;
  std::uint32_t crc = ~0u;
  std::size_t done = 0;
  if (n >= kStep) {
    const U32 low = W::splat(255);
    U32 r = W::load_words(data) ^ W::select(W::first_lanes(1), W::splat(crc), W::splat(0));
    for (done = kStep; n - done >= kStep; done += kStep) {
      const U32 moved = W::gather(tables.advance[0], r & low) ^ W::gather(tables.advance[1], (r >> 8) & low) ^
                        W::gather(tables.advance[2], (r >> 16) & low) ^ W::gather(tables.advance[3], r >> 24);
      r = moved ^ W::load_words(data + done);
    }
    U32 place = W::load_table(tables.place), sum = W::splat(0);
    for (int i = 0; i < 32; i++) {
      sum = sum ^ (place & (W::splat(0) - (r >> 31)));
      r = r << 1;
      place = (place >> 1) ^ (W::splat(kCrcPolynomial) & (W::splat(0) - (place & W::splat(1))));
    }
    crc = W::xor_lanes(sum);
  }
  for (; done < n; done++) crc = tables.byte[(crc ^ data[done]) & 255] ^ (crc >> 8);
  return ~crc;
}

}  // namespace weft::core
