// Compiled with AVX2 (CMakeLists.txt); nothing of it runs before avx2_kernels() has asked the processor.
#if defined(__AVX2__)

#include "backends/cpu/trellis_kernels_impl.hpp"
#include "backends/cpu/warp_avx2.hpp"

namespace weft::cpu {

const TrellisKernels& avx2_trellis_kernels(std::uint32_t lanes) noexcept {
  static constexpr TrellisKernels kEight = make_trellis_kernels<Avx2Vectors<1>>(),
                                  kSixteen = make_trellis_kernels<Avx2Vectors<2>>(),
                                  kAll = make_trellis_kernels<Avx2Warp>();
  return lanes <= kEight.width ? kEight : lanes <= kSixteen.width ? kSixteen : kAll;
}

}  // namespace weft::cpu

#endif
