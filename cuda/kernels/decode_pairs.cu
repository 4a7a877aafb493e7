#include "kernels/decode_group.cuh"
#include "kernels/decode_ops.hpp"
#include "weft/core/decode_pairs.hpp"

namespace weft::cuda {
namespace {

// make(group, job, pairs) is the finisher of a block.
template <class Finish, class Make>
__device__ __forceinline__ void decode_pair_groups(const core::BlockGroup* groups, std::uint32_t count,
                                                   const core::BlockJob* jobs, std::uint32_t* status, Make make) {
  using Value = typename Finish::Value;
  __shared__ Value values[core::kTableSymbols];
  decode_groups(
      groups, count, jobs, status,
      [](const core::BlockGroup& group) {
        if constexpr (Finish::kDirect) values[threadIdx.x] = Finish::value(group, threadIdx.x);
      },
      [&](const core::BlockGroup& group, const core::BlockJob& job) {
        return make(group, job, core::PairTable<Value>{group.pair_base, values});
      });
}

// Of four-byte units a lane fetches 48 bytes ahead, which takes registers.
template <class Finish>
inline constexpr int kResident = Finish::kDirect || sizeof(typename Finish::Output) < 4 ? 5 : 3;

template <class Finish>
__global__ __launch_bounds__(kDecodeThreads, kResident<Finish>) void decode_pairs_kernel(const core::BlockGroup* groups,
                                                                                         std::uint32_t count,
                                                                                         const core::BlockJob* jobs,
                                                                                         std::uint8_t* out,
                                                                                         std::uint32_t* status) {
  decode_pair_groups<Finish>(
      groups, count, jobs, status,
      [out](const core::BlockGroup&, const core::BlockJob& job, auto pairs) { return Finish(job, out, pairs); });
}

template <core::FloatType kType>
__global__ __launch_bounds__(kDecodeThreads,
                             resident(sizeof(typename core::FloatUnit<kType>::Unit),
                                      5)) void dequantize_pairs_kernel(const core::BlockGroup* groups,
                                                                       std::uint32_t count, const core::BlockJob* jobs,
                                                                       std::uint8_t* out, std::uint32_t* status) {
  using Finish = core::PairsToWeights<kType>;
  decode_pair_groups<Finish>(groups, count, jobs, status,
                             [out](const core::BlockGroup& group, const core::BlockJob& job, auto pairs) {
                               return Finish(job, out, group, pairs);
                             });
}

}  // namespace

cudaError_t launch_pairs(Launch launch, DecodeOp op, const core::BlockGroup* groups, std::uint32_t count,
                         const core::BlockJob* jobs, std::uint8_t* out, std::uint32_t* status) {
  using enum core::FloatType;
  const auto run = [&](auto kernel) {
    return launch_persistent(kernel, launch, kDecodeShape, count, groups, count, jobs, out, status);
  };
  switch (op) {
    case DecodeOp::kPairs1:
      return run(decode_pairs_kernel<core::PairsToBytes>);
    case DecodeOp::kPairs2:
      return run(decode_pairs_kernel<core::PairsToUnits<std::uint16_t>>);
    case DecodeOp::kPairs4:
      return run(decode_pairs_kernel<core::PairsToUnits<std::uint32_t>>);
    case DecodeOp::kPairsBF16:
      return run(dequantize_pairs_kernel<kBF16>);
    case DecodeOp::kPairsF16:
      return run(dequantize_pairs_kernel<kF16>);
    case DecodeOp::kPairsF32:
      return run(dequantize_pairs_kernel<kF32>);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace weft::cuda
