#include "backends/cpu/kernels_impl.hpp"
#include "backends/cpu/warp_portable.hpp"

namespace weft::cpu {

const Kernels& portable_kernels() noexcept {
  static constexpr Kernels kernels = make_kernels<PortableWarp>("portable");
  return kernels;
}

}  // namespace weft::cpu
