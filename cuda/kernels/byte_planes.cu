#include "kernels/kernels.hpp"
#include "kernels/launch.cuh"
#include "weft/core/byte_planes.hpp"

namespace weft::cuda {
namespace {

template <class Unit>
__global__ void split_kernel(const Unit* units, std::uint64_t n, bool rotate, std::uint8_t* planes) {
  for_elements(n, [=](std::uint64_t i) {
    const Unit unit = rotate ? core::rotate_sign_down(units[i]) : units[i];
    for (int k = 0; k < static_cast<int>(sizeof(Unit)); k++)
      planes[static_cast<std::uint64_t>(k) * n + i] = core::plane_byte(unit, k);
  });
}

template <class Unit>
__global__ void merge_kernel(const std::uint8_t* planes, std::uint64_t n, bool rotate, Unit* units) {
  for_elements(n, [=](std::uint64_t i) {
    std::uint64_t unit = 0;
    for (std::uint64_t k = 0; k < sizeof(Unit); k++) unit = unit << 8 | planes[k * n + i];
    units[i] = rotate ? core::rotate_sign_up(static_cast<Unit>(unit)) : static_cast<Unit>(unit);
  });
}

}  // namespace

template <class Unit>
cudaError_t split_planes(const Unit* units, std::uint64_t n, bool rotate, std::uint8_t* planes, cudaStream_t stream) {
  return launch(split_kernel<Unit>, blocks_for_elements(n), stream, units, n, rotate, planes);
}

template <class Unit>
cudaError_t merge_planes(const std::uint8_t* planes, std::uint64_t n, bool rotate, Unit* units, cudaStream_t stream) {
  return launch(merge_kernel<Unit>, blocks_for_elements(n), stream, planes, n, rotate, units);
}

#define WEFT_INSTANTIATE(Unit)                                                                            \
  template cudaError_t split_planes<Unit>(const Unit*, std::uint64_t, bool, std::uint8_t*, cudaStream_t); \
  template cudaError_t merge_planes<Unit>(const std::uint8_t*, std::uint64_t, bool, Unit*, cudaStream_t);
WEFT_INSTANTIATE(std::uint8_t)
WEFT_INSTANTIATE(std::uint16_t)
WEFT_INSTANTIATE(std::uint32_t)
WEFT_INSTANTIATE(std::uint64_t)
#undef WEFT_INSTANTIATE

}  // namespace weft::cuda
