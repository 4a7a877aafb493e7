// CRC-32C with the processor's own instruction.
//
// The instruction takes eight bytes in three cycles but can start every cycle, so three parts of the message are run side by
// side and joined: crc(A | B) = crc(A) moved over the length of B, xored with crc(B) (all without initial value).
#pragma once

#include <immintrin.h>

#include <cstring>

#include "weft/core/crc32c.hpp"

namespace weft::cpu {
namespace {

constexpr std::size_t kCrcPart = 1024;

struct CrcJoin {
  std::uint32_t over_one[4][256];  // byte k of a remainder, moved over one part
};

constexpr CrcJoin make_crc_join() {
  CrcJoin t{};
  const std::uint32_t factor = core::crc_power(kCrcPart);
  for (std::uint32_t v = 0; v < 256; v++)
    for (int k = 0; k < 4; k++) t.over_one[k][v] = core::crc_multiply(v << (8 * k), factor);
  return t;
}
constexpr CrcJoin kCrcJoin = make_crc_join();

inline std::uint32_t over_one_part(std::uint32_t r) {
  return kCrcJoin.over_one[0][r & 255] ^ kCrcJoin.over_one[1][r >> 8 & 255] ^ kCrcJoin.over_one[2][r >> 16 & 255] ^
         kCrcJoin.over_one[3][r >> 24];
}

inline std::uint64_t load_eight(const std::uint8_t* p) {
  std::uint64_t word = 0;
  std::memcpy(&word, p, 8);
  return word;
}

std::uint32_t crc32c_sse42(const std::uint8_t* data, std::size_t n) {
  std::uint64_t crc = ~0u;
  for (; n >= 3 * kCrcPart; data += 3 * kCrcPart, n -= 3 * kCrcPart) {
    std::uint64_t second = 0, third = 0;
    for (std::size_t i = 0; i < kCrcPart; i += 8) {
      crc = _mm_crc32_u64(crc, load_eight(data + i));
      second = _mm_crc32_u64(second, load_eight(data + kCrcPart + i));
      third = _mm_crc32_u64(third, load_eight(data + 2 * kCrcPart + i));
    }
    crc = over_one_part(static_cast<std::uint32_t>(crc)) ^ second;
    crc = over_one_part(static_cast<std::uint32_t>(crc)) ^ third;
  }
  for (; n >= 8; data += 8, n -= 8) crc = _mm_crc32_u64(crc, load_eight(data));
  auto rest = static_cast<std::uint32_t>(crc);
  for (; n > 0; data++, n--) rest = _mm_crc32_u8(rest, *data);
  return ~rest;
}

}  // namespace
}  // namespace weft::cpu
