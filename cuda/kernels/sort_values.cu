// What CUB does of clustering: the sort, and adding up the sums of all strides. Apart, because it takes long to
// compile.
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>

#include "kernels/kernels.hpp"

namespace weft::cuda {
namespace {

constexpr int kKeyBits = 32;

struct Plus {
  __host__ __device__ core::Prefix operator()(const core::Prefix& a, const core::Prefix& b) const { return a + b; }
};

// CUB leaves the result in either of its two buffers, but here it has one place.
cudaError_t bring_back(cub::DoubleBuffer<std::uint32_t>& buffer, std::uint32_t* wanted, std::uint64_t n,
                       cudaStream_t stream) {
  if (buffer.Current() == wanted) return cudaSuccess;
  return cudaMemcpyAsync(wanted, buffer.Current(), n * sizeof *wanted, cudaMemcpyDeviceToDevice, stream);
}

cudaError_t sort(void* scratch, std::size_t& bytes, const ScalarArrays& arrays, cudaStream_t stream) {
  const std::uint64_t n = arrays.sorted.n;
  cub::DoubleBuffer<std::uint32_t> keys(arrays.keys, arrays.keys_room);
  if (arrays.weights == nullptr) {
    const cudaError_t status = cub::DeviceRadixSort::SortKeys(scratch, bytes, keys, n, 0, kKeyBits, stream);
    return status != cudaSuccess || scratch == nullptr ? status : bring_back(keys, arrays.keys, n, stream);
  }
  cub::DoubleBuffer<std::uint32_t> weights(arrays.weights, arrays.weights_room);
  cudaError_t status = cub::DeviceRadixSort::SortPairs(scratch, bytes, keys, weights, n, 0, kKeyBits, stream);
  if (status != cudaSuccess || scratch == nullptr) return status;
  status = bring_back(keys, arrays.keys, n, stream);
  return status != cudaSuccess ? status : bring_back(weights, arrays.weights, n, stream);
}

cudaError_t add_up(void* scratch, std::size_t& bytes, const ScalarArrays& arrays, cudaStream_t stream) {
  core::Prefix* sums = arrays.prefix + 1;
  return cub::DeviceScan::InclusiveScan(scratch, bytes, sums, sums, Plus{}, arrays.sorted.n / core::kPrefixStride,
                                        stream);
}

}  // namespace

cudaError_t launch_sort(Launch launch, const ScalarArrays& arrays) {
  std::size_t bytes = arrays.scratch_bytes;
  return sort(arrays.scratch, bytes, arrays, launch.stream);
}

cudaError_t launch_add_up(Launch launch, const ScalarArrays& arrays) {
  if (arrays.sorted.n < core::kPrefixStride) return cudaSuccess;
  std::size_t bytes = arrays.scratch_bytes;
  return add_up(arrays.scratch, bytes, arrays, launch.stream);
}

cudaError_t sort_scratch_bytes(std::uint64_t n, bool weighted, std::size_t& bytes) {
  ScalarArrays arrays{};
  arrays.sorted.n = n;
  std::uint32_t any = 0;
  if (weighted) arrays.weights = &any;  // asked about, not used
  std::size_t sorting = 0, adding = 0;
  cudaError_t status = sort(nullptr, sorting, arrays, nullptr);
  if (status == cudaSuccess && n >= core::kPrefixStride) status = add_up(nullptr, adding, arrays, nullptr);
  bytes = sorting > adding ? sorting : adding;
  return status;
}

}  // namespace weft::cuda
