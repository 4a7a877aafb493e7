// Compiled with AVX2 (CMakeLists.txt); nothing of it runs before the processor has been asked.
#include "backends/cpu/kernels.hpp"

#if defined(__AVX2__)

#include "backends/cpu/crc32c_sse42.hpp"
#include "backends/cpu/kernels_impl.hpp"
#include "backends/cpu/warp_avx2.hpp"

namespace weft::cpu {
namespace {

constexpr Kernels make_avx2_kernels() {
  Kernels kernels = make_kernels<Avx2Warp>("avx2");
  kernels.crc32c = crc32c_sse42;
  return kernels;
}

}  // namespace

const Kernels* avx2_kernels() noexcept {
  static constexpr Kernels kernels = make_avx2_kernels();
  const bool here = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
                    __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("sse4.2");
  return here ? &kernels : nullptr;
}

}  // namespace weft::cpu

#else

const weft::cpu::Kernels* weft::cpu::avx2_kernels() noexcept { return nullptr; }

#endif
