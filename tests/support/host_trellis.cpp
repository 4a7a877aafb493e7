#include "support/host_trellis.hpp"

#include "backends/cpu/warp_portable.hpp"
#include "support/trellis_passes.hpp"

namespace weft::testing {

void encode_trellis_on_host(cuda::TrellisPass pass, cuda::TrellisEncodeOp op, const cuda::TrellisEncodeArrays& arrays) {
  run_trellis_pass<cpu::PortableWarp>(pass, op, arrays, [](auto f) { f(); });
}

}  // namespace weft::testing
