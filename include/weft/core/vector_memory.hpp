// Aligned 4-, 8- and 16-byte accesses of one lane, as single instructions on a GPU, and the shuffles between them.
#pragma once

#include <cstring>

#include "weft/core/platform.hpp"

namespace weft::core {

struct alignas(16) Words4 {
  std::uint32_t word[4];
};

[[nodiscard]] WEFT_HD bool is_aligned(const void* p, std::size_t alignment) {
  return (reinterpret_cast<std::uintptr_t>(p) & (alignment - 1)) == 0;
}

// Little-endian numbers at an address that is a multiple of their size.
template <class T>
WEFT_HD T load_aligned(const std::uint8_t* p) {
#if defined(__CUDA_ARCH__)
  return *reinterpret_cast<const T*>(p);
#else
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
#endif
}

// The same from device memory that nobody writes in the meantime.
template <class T>
WEFT_HD T load_global(const std::uint8_t* p) {
#if defined(__CUDA_ARCH__)
  return __ldg(reinterpret_cast<const T*>(p));
#else
  return load_aligned<T>(p);
#endif
}

#if defined(__CUDA_ARCH__)
template <>
WEFT_HD Words4 load_global<Words4>(const std::uint8_t* p) {
  const uint4 four = __ldg(reinterpret_cast<const uint4*>(p));
  return {{four.x, four.y, four.z, four.w}};
}
#endif

template <class T>
WEFT_HD void store_aligned(std::uint8_t* p, T value) {
#if defined(__CUDA_ARCH__)
  *reinterpret_cast<T*>(p) = value;
#else
  std::memcpy(p, &value, sizeof value);
#endif
}

WEFT_HD void store_aligned(std::uint8_t* p, const Words4& value) {
#if defined(__CUDA_ARCH__)
  *reinterpret_cast<uint4*>(p) = make_uint4(value.word[0], value.word[1], value.word[2], value.word[3]);
#else
  std::memcpy(p, &value, sizeof value);
#endif
}

// The same at any address, byte by byte.
template <class T>
WEFT_HD T load_bytewise(const std::uint8_t* p) {
  T value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) value = static_cast<T>(value << 8 | p[i]);
  return value;
}

template <class T>
WEFT_HD void store_bytewise(std::uint8_t* p, T value) {
  for (std::size_t i = 0; i < sizeof(T); i++) p[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

// Four of the eight bytes of (a, b), one selector digit each: 0-3 bytes of a, 4-7 of b.
WEFT_HD std::uint32_t permute_bytes(std::uint32_t a, std::uint32_t b, std::uint32_t selector) {
#if defined(__CUDA_ARCH__)
  return __byte_perm(a, b, selector);
#else
  const std::uint64_t both = std::uint64_t{b} << 32 | a;
  std::uint32_t result = 0;
  for (int i = 0; i < 4; i++)
    result |= static_cast<std::uint32_t>(both >> (8 * (selector >> (4 * i) & 7)) & 255) << (8 * i);
  return result;
#endif
}

// The products of four signed bytes each, added up.
WEFT_HD std::int32_t dot_bytes(std::uint32_t a, std::uint32_t b) {
#if defined(__CUDA_ARCH__)
  return __dp4a(static_cast<int>(a), static_cast<int>(b), 0);
#else
  std::int32_t sum = 0;
  for (int i = 0; i < 32; i += 8) sum += static_cast<std::int8_t>(a >> i) * static_cast<std::int8_t>(b >> i);
  return sum;
#endif
}

// The same on top of a sum, where the bytes of `a` are not signed.
WEFT_HD std::int32_t dot_unsigned_bytes(std::uint32_t a, std::uint32_t b, std::int32_t sum) {
#if defined(__CUDA_ARCH__)
  std::int32_t result;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
#else
  for (int i = 0; i < 32; i += 8) sum += static_cast<std::uint8_t>(a >> i) * static_cast<std::int8_t>(b >> i);
  return sum;
#endif
}

// The same where no bytes are signed.
WEFT_HD std::uint32_t dot_all_unsigned(std::uint32_t a, std::uint32_t b, std::uint32_t sum) {
#if defined(__CUDA_ARCH__)
  std::uint32_t result;
  asm("dp4a.u32.u32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
#else
  for (int i = 0; i < 32; i += 8)
    sum += std::uint32_t{static_cast<std::uint8_t>(a >> i)} * static_cast<std::uint8_t>(b >> i);
  return sum;
#endif
}

// 0 .. top, whichever is nearest to x.
WEFT_HD std::int32_t clamp_to(std::int32_t x, std::int32_t top) {
#if defined(__CUDA_ARCH__)
  return __vimin_s32_relu(x, top);
#else
  return x < 0 ? 0 : x < top ? x : top;
#endif
}

// ~a | b, for which a compiler may take two instructions.
WEFT_HD std::uint32_t or_not(std::uint32_t b, std::uint32_t a) {
#if defined(__CUDA_ARCH__)
  std::uint32_t result;
  asm("lop3.b32 %0, %1, %2, 0, 0xCF;" : "=r"(result) : "r"(a), "r"(b));
  return result;
#else
  return ~a | b;
#endif
}

// The lowest bits, the highest of which is their sign.
template <std::uint32_t kBits>
WEFT_HD std::int32_t signed_bits(std::uint32_t x) {
#if defined(__CUDA_ARCH__)
  std::int32_t result;
  asm("bfe.s32 %0, %1, 0, %2;" : "=r"(result) : "r"(x), "n"(kBits));
  return result;
#else
  return static_cast<std::int32_t>(x << (32 - kBits)) >> (32 - kBits);
#endif
}

// By so many bits modulo 32.
WEFT_HD std::uint32_t shift_up(std::uint32_t x, std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __funnelshift_l(0, x, bits);
#else
  return x << (bits & 31);
#endif
}
WEFT_HD std::uint32_t rotate_right(std::uint32_t x, std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __funnelshift_r(x, x, bits);
#else
  return x >> (bits & 31) | x << ((0 - bits) & 31);
#endif
}

}  // namespace weft::core
