// Compiled with AVX2 (CMakeLists.txt); nothing of it runs before the processor has been asked.
#include "backends/cpu/kernels.hpp"

#if defined(__AVX2__)

#include <cpuid.h>

#include "backends/cpu/crc32c_sse42.hpp"
#include "backends/cpu/kernels_impl.hpp"
#include "backends/cpu/warp_avx2.hpp"

namespace weft::cpu {
namespace {

// F16 by the processor's own conversions, which every processor with AVX2 has.
void to_float_f16c(DType dtype, const std::byte* units, std::size_t n, float* values) {
  std::size_t i = 0;
  if (dtype == DType::kF16)
    for (; i + 8 <= n; i += 8)
      _mm256_storeu_ps(values + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(units + 2 * i))));
  to_float(dtype, units + i * 2, n - i, values + i);
}

void from_float_f16c(DType dtype, const float* values, std::size_t n, std::byte* units) {
  std::size_t i = 0;
  if (dtype == DType::kF16)
    for (; i + 8 <= n; i += 8)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(units + 2 * i),
                       _mm256_cvtps_ph(_mm256_loadu_ps(values + i), _MM_FROUND_TO_NEAREST_INT));
  from_float(dtype, values + i, n - i, units + i * 2);
}

// By the 16 bytes that a shuffle looks up in, twice.
void number_classes_avx2(const std::uint8_t* classes, std::size_t n, const std::uint8_t* number_of_class,
                         std::uint8_t* numbers) {
  static_assert(core::kScaleClasses == 32);
  const auto half = [&](std::size_t begin) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(number_of_class + begin)));
  };
  const __m256i low = half(0), high = half(16), last_low = _mm256_set1_epi8(15);
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i c = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(classes + i));
    const __m256i number =
        _mm256_blendv_epi8(_mm256_shuffle_epi8(low, c), _mm256_shuffle_epi8(high, c), _mm256_cmpgt_epi8(c, last_low));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(numbers + i), number);
  }
  number_classes(classes + i, n - i, number_of_class, numbers + i);
}

Kernels make_avx2_kernels() {
  Kernels kernels = make_kernels<Avx2Warp>("avx2", avx2_trellis_kernels);
  kernels.number_classes = number_classes_avx2;
  kernels.crc32c = crc32c_sse42;
  kernels.to_float = to_float_f16c;
  kernels.from_float = from_float_f16c;
  return kernels;
}

}  // namespace

const Kernels* avx2_kernels() noexcept {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const bool has_f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
  const bool here = has_f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
                    __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("sse4.2");
  if (!here) return nullptr;
  static const Kernels kernels = make_avx2_kernels();
  return &kernels;
}

}  // namespace weft::cpu

#else

const weft::cpu::Kernels* weft::cpu::avx2_kernels() noexcept { return nullptr; }

#endif
