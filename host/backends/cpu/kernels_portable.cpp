#include "backends/cpu/kernels_impl.hpp"
#include "backends/cpu/warp_portable.hpp"

namespace weft::cpu {

const Kernels& portable_kernels() noexcept {
  static const Kernels kernels = make_kernels<PortableWarp>("portable", portable_trellis_kernels);
  return kernels;
}

}  // namespace weft::cpu
