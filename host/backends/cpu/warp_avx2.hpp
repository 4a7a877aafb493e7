// The AVX2 model of a warp: four vectors of eight lanes, or fewer vectors for blocks of fewer lanes (Warp::kWidth).
//
// Include it only in a file that is compiled with AVX2 (kernels_avx2.cpp). An AVX-512 model would stand beside this
// one: two vectors of sixteen lanes, vpexpandw / vpcompressw in place of the shuffle tables, one line in kernels.cpp.
#pragma once

#include <immintrin.h>

#include "weft/core/warp.hpp"

namespace weft::cpu {

// Byte shuffles that move the k-th of eight 16-bit words to the place of the k-th set bit (expand), and the words of
// the set bits to the top end of the vector (compress). 0x80 gives a zero byte.
struct ShuffleTables {
  alignas(64) std::uint8_t expand[256][16];
  alignas(64) std::uint8_t compress[256][16];
};

constexpr ShuffleTables make_shuffle_tables() {
  ShuffleTables t{};
  for (int bits = 0; bits < 256; bits++) {
    int set = 0;
    for (int i = 0; i < 8; i++) set += bits >> i & 1;
    int rank = 0;
    for (int i = 0; i < 8; i++) {
      const bool in = (bits >> i & 1) != 0;
      for (int b = 0; b < 2; b++) {
        t.expand[bits][2 * i + b] = static_cast<std::uint8_t>(in ? 2 * rank + b : 0x80);
        if (in) t.compress[bits][2 * (8 - set + rank) + b] = static_cast<std::uint8_t>(2 * i + b);
      }
      rank += in;
    }
    for (int i = 0; i < 2 * (8 - set); i++) t.compress[bits][i] = 0x80;
  }
  return t;
}
inline constexpr ShuffleTables kShuffles = make_shuffle_tables();

template <int kVectors>
struct Avx2Vectors {
  static constexpr std::uint32_t kWidth = 8 * kVectors;
  struct U32 {
    __m256i v[kVectors];
    friend WEFT_HD U32 operator+(const U32& a, const U32& b) {
      return each<U32>([&](int k) { return _mm256_add_epi32(a.v[k], b.v[k]); });
    }
    friend WEFT_HD U32 operator-(const U32& a, const U32& b) {
      return each<U32>([&](int k) { return _mm256_sub_epi32(a.v[k], b.v[k]); });
    }
    friend WEFT_HD U32 operator*(const U32& a, const U32& b) {
      return each<U32>([&](int k) { return _mm256_mullo_epi32(a.v[k], b.v[k]); });
    }
    friend WEFT_HD U32 operator&(const U32& a, const U32& b) {
      return each<U32>([&](int k) { return _mm256_and_si256(a.v[k], b.v[k]); });
    }
    friend WEFT_HD U32 operator|(const U32& a, const U32& b) {
      return each<U32>([&](int k) { return _mm256_or_si256(a.v[k], b.v[k]); });
    }
    friend WEFT_HD U32 operator^(const U32& a, const U32& b) {
      return each<U32>([&](int k) { return _mm256_xor_si256(a.v[k], b.v[k]); });
    }
    friend WEFT_HD U32 operator<<(const U32& a, int n) {
      return each<U32>([&](int k) { return _mm256_slli_epi32(a.v[k], n); });
    }
    friend WEFT_HD U32 operator>>(const U32& a, int n) {
      return each<U32>([&](int k) { return _mm256_srli_epi32(a.v[k], n); });
    }
  };
  struct Mask {
    __m256i v[kVectors];
  };

  template <class R, class F>
  static WEFT_HD R each(F f) {
    if constexpr (kVectors == 1)
      return R{{f(0)}};
    else if constexpr (kVectors == 2)
      return R{{f(0), f(1)}};
    else
      return R{{f(0), f(1), f(2), f(3)}};
  }
  static WEFT_HD int bits_of(__m256i m) { return _mm256_movemask_ps(_mm256_castsi256_ps(m)); }

  static WEFT_HD U32 splat(std::uint32_t u) {
    return each<U32>([=](int) { return _mm256_set1_epi32(static_cast<int>(u)); });
  }
  static WEFT_HD Mask first_lanes(std::uint32_t n) {
    return each<Mask>([=](int k) {
      const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
      return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n) - 8 * k), lane);
    });
  }
  static WEFT_HD U32 load_bytes(const std::uint8_t* p) {
    return each<U32>(
        [=](int k) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8 * k))); });
  }
  static WEFT_HD U32 load_bytes(const std::uint8_t* p, const Mask& m) {
    alignas(32) std::uint8_t buffer[kWidth] = {};
    for_lanes(m, [&](int i) { buffer[i] = p[i]; });
    return load_bytes(buffer);
  }
  static WEFT_HD void store_bytes(std::uint8_t* p, const U32& x) {
    const __m256i low = _mm256_set1_epi32(255);
    if constexpr (kVectors == 4) {
      const __m256i a = _mm256_packus_epi32(_mm256_and_si256(x.v[0], low), _mm256_and_si256(x.v[1], low));
      const __m256i b = _mm256_packus_epi32(_mm256_and_si256(x.v[2], low), _mm256_and_si256(x.v[3], low));
      const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
      const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), bytes);
    } else {
      for (int k = 0; k < kVectors; k++) {
        const __m128i halves = packed_halves(_mm256_and_si256(x.v[k], low));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(p + 8 * k), _mm_packus_epi16(halves, halves));
      }
    }
  }
  static WEFT_HD void store_bytes(std::uint8_t* p, const U32& x, const Mask& m) {
    alignas(32) std::uint8_t buffer[kWidth];
    store_bytes(buffer, x);
    for_lanes(m, [&](int i) { p[i] = buffer[i]; });
  }
  static WEFT_HD U32 gather(const std::uint32_t* table, const U32& index) {
    return each<U32>([&](int k) { return _mm256_i32gather_epi32(reinterpret_cast<const int*>(table), index.v[k], 4); });
  }
  static WEFT_HD U32 gather(const std::uint32_t* table, const U32& index, std::uint32_t mask) {
    return gather(table, index & splat(mask));
  }
  static WEFT_HD U32 select(const Mask& m, const U32& a, const U32& b) {
    return each<U32>([&](int k) { return _mm256_blendv_epi8(b.v[k], a.v[k], m.v[k]); });
  }
  static WEFT_HD Mask less(const U32& a, const U32& b) {
    return each<Mask>([&](int k) { return _mm256_cmpgt_epi32(b.v[k], a.v[k]); });
  }
  static WEFT_HD Mask both(const Mask& a, const Mask& b) {
    return each<Mask>([&](int k) { return _mm256_and_si256(a.v[k], b.v[k]); });
  }
  static WEFT_HD std::uint32_t count(const Mask& m) {
    std::uint32_t n = 0;
    for (int k = 0; k < kVectors; k++) n += static_cast<std::uint32_t>(_mm_popcnt_u32(bits_of(m.v[k])));
    return n;
  }
  static WEFT_HD bool all_equal(const U32& x, std::uint32_t u, const Mask& m) {
    __m256i differs = _mm256_setzero_si256();
    for (int k = 0; k < kVectors; k++) {
      const __m256i difference = _mm256_xor_si256(x.v[k], _mm256_set1_epi32(static_cast<int>(u)));
      differs = _mm256_or_si256(differs, _mm256_and_si256(difference, m.v[k]));
    }
    return _mm256_testz_si256(differs, differs) != 0;
  }
  static WEFT_HD U32 expand_load(const std::uint16_t* p, const Mask& m) {
    return each<U32>([&](int k) {
      const int bits = bits_of(m.v[k]);
      const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
      const __m128i shuffle = _mm_load_si128(reinterpret_cast<const __m128i*>(kShuffles.expand[bits]));
      p += _mm_popcnt_u32(static_cast<unsigned>(bits));
      return _mm256_cvtepu16_epi32(_mm_shuffle_epi8(words, shuffle));
    });
  }
  static WEFT_HD U32 expand_load_exact(const std::uint16_t* p, const Mask& m) {
    alignas(32) std::uint16_t buffer[kWidth + 8] = {};
    const std::uint32_t n = count(m);
    for (std::uint32_t i = 0; i < n; i++) buffer[i] = p[i];
    return expand_load(buffer, m);
  }
  static WEFT_HD std::uint32_t compress_store(std::uint16_t* end, const U32& x, const Mask& m) {
    std::uint16_t* p = end;
    for (int k = kVectors - 1; k >= 0; k--) {
      const int bits = bits_of(m.v[k]);
      const __m128i packed = packed_halves(_mm256_and_si256(x.v[k], _mm256_set1_epi32(0xFFFF)));
      const __m128i shuffle = _mm_load_si128(reinterpret_cast<const __m128i*>(kShuffles.compress[bits]));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p - 8), _mm_shuffle_epi8(packed, shuffle));
      p -= _mm_popcnt_u32(static_cast<unsigned>(bits));
    }
    return static_cast<std::uint32_t>(end - p);
  }
  static WEFT_HD U32 load_words(const std::uint8_t* p) {
    return each<U32>([=](int k) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * k)); });
  }
  static WEFT_HD U32 load_aligned_words(const std::uint8_t* p) { return load_words(p); }
  static WEFT_HD U32 load_table(const std::uint32_t* p) {
    return each<U32>([=](int k) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8 * k)); });
  }
  static WEFT_HD std::uint32_t xor_lanes(const U32& x) {
    __m256i all = x.v[0];
    for (int k = 1; k < kVectors; k++) all = _mm256_xor_si256(all, x.v[k]);
    const __m128i half = _mm_xor_si128(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    const std::uint64_t pair = static_cast<std::uint64_t>(_mm_cvtsi128_si64(half) ^ _mm_extract_epi64(half, 1));
    return static_cast<std::uint32_t>(pair ^ (pair >> 32));
  }
  static WEFT_HD U32 mul_high(const U32& a, const U32& b) {
    return each<U32>([&](int k) {
      const __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(a.v[k], b.v[k]), 32);
      const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a.v[k], 32), _mm256_srli_epi64(b.v[k], 32));
      return _mm256_blend_epi32(even, odd, 0xAA);
    });
  }
  // What the search knows longer ways for (core/trellis_search.hpp); compares are signed.
  static WEFT_HD U32 shift_signed(const U32& x, int n) {
    return each<U32>([&](int k) { return _mm256_srai_epi32(x.v[k], n); });
  }
  static WEFT_HD U32 smaller(const U32& a, const U32& b) {
    return each<U32>([&](int k) { return _mm256_min_epi32(a.v[k], b.v[k]); });
  }
  static WEFT_HD Mask signed_less(const U32& a, const U32& b) { return less(a, b); }
  static WEFT_HD U32 size_of(const U32& x) {
    return each<U32>([&](int k) { return _mm256_abs_epi32(x.v[k]); });
  }
  static WEFT_HD U32 clamp_signed(const U32& x, std::uint32_t top) {
    const __m256i zero = _mm256_setzero_si256(), most = _mm256_set1_epi32(static_cast<int>(top));
    return each<U32>([&](int k) { return _mm256_min_epi32(_mm256_max_epi32(x.v[k], zero), most); });
  }
  static WEFT_HD U32 dot_bytes(const U32& a, const U32& b) {
    return each<U32>([&](int k) {
      const auto even = [](__m256i x) { return _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8); };
      const auto odd = [](__m256i x) { return _mm256_srai_epi16(x, 8); };
      return _mm256_add_epi32(_mm256_madd_epi16(even(a.v[k]), even(b.v[k])),
                              _mm256_madd_epi16(odd(a.v[k]), odd(b.v[k])));
    });
  }
  static WEFT_HD U32 shift_right(const U32& x, const U32& n) {
    return each<U32>([&](int k) { return _mm256_srlv_epi32(x.v[k], _mm256_and_si256(n.v[k], _mm256_set1_epi32(31))); });
  }
  static WEFT_HD std::uint32_t ballot(const Mask& m) {
    std::uint32_t bits = 0;
    for (int k = 0; k < kVectors; k++) bits |= static_cast<std::uint32_t>(bits_of(m.v[k])) << (8 * k);
    return bits;
  }
  static WEFT_HD U32 lane_numbers() {
    return each<U32>(
        [](int k) { return _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(8 * k)); });
  }
  static WEFT_HD void store_table(std::uint32_t* p, const U32& x) {
    for (int k = 0; k < kVectors; k++) _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8 * k), x.v[k]);
  }
  static WEFT_HD void store_halves(std::uint16_t* p, const U32& x) {
    const __m256i low = _mm256_set1_epi32(0xFFFF);
    if constexpr (kVectors == 1) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p), packed_halves(_mm256_and_si256(x.v[0], low)));
    } else {
      for (int k = 0; k < kVectors; k += 2) {
        const __m256i packed = _mm256_packus_epi32(_mm256_and_si256(x.v[k], low), _mm256_and_si256(x.v[k + 1], low));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8 * k), _mm256_permute4x64_epi64(packed, 0xD8));
      }
    }
  }

 private:
  // Eight numbers below 2^16, in 16 bits.
  static WEFT_HD __m128i packed_halves(__m256i numbers) {
    return _mm_packus_epi32(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256(numbers, 1));
  }
  template <class F>
  static WEFT_HD void for_lanes(const Mask& m, F f) {
    for (int k = 0; k < kVectors; k++)
      for (int bits = bits_of(m.v[k]); bits != 0; bits &= bits - 1)
        f(8 * k + __builtin_ctz(static_cast<unsigned>(bits)));
  }
};

using Avx2Warp = Avx2Vectors<4>;
static_assert(core::Warp<Avx2Warp> && core::Warp<Avx2Vectors<1>>);

}  // namespace weft::cpu
