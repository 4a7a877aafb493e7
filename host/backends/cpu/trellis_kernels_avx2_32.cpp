// Compiled with AVX2 (CMakeLists.txt); nothing of it runs before avx2_kernels() has asked the processor.
#if defined(__AVX2__)

#include "backends/cpu/trellis_kernels_impl.hpp"
#include "backends/cpu/warp_avx2.hpp"

namespace weft::cpu {

const TrellisKernels& avx2_trellis_kernels_32() noexcept {
  static constexpr TrellisKernels kKernels = make_trellis_kernels<Avx2Vectors<4>>();
  return kKernels;
}

}  // namespace weft::cpu

#endif
