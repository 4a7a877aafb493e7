#include "backends/cpu/trellis_kernels_impl.hpp"
#include "backends/cpu/warp_portable.hpp"

namespace weft::cpu {

const TrellisKernels& portable_trellis_kernels(std::uint32_t) noexcept {
  static constexpr TrellisKernels kKernels = make_trellis_kernels<PortableWarp>();
  return kKernels;
}

}  // namespace weft::cpu
