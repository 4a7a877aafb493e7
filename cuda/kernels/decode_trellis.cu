// The kernels around core::decode_trellis_block and core::decode_mapped_block.
//
// Thread blocks take equal shares of all jobs, whichever segments these are of. They go through the groups in their share, keep
// a group's tables in shared memory, and each of their warps decodes block after block.
#include "kernels/launch.cuh"
#include "warp_cuda.cuh"

namespace weft::cuda {
namespace {

WEFT_HD constexpr std::uint32_t room_bytes(std::uint32_t warps) {
  return warps * static_cast<std::uint32_t>(CudaWarp::kWordBytes);
}

// In all threads: fill(group) for the groups of this thread block's share, and for each of their jobs there, in one of its
// warps, status[job] = decode(group, job).
template <class Fill, class Decode>
__device__ __forceinline__ void decode_share(const TrellisGroups& groups, std::uint32_t warps, std::uint32_t* status,
                                             Fill fill, Decode decode) {
  const std::uint64_t jobs = groups.job_count;  // counted over all groups
  auto at = static_cast<std::uint32_t>(jobs * blockIdx.x / gridDim.x);
  const auto end = static_cast<std::uint32_t>(jobs * (blockIdx.x + 1) / gridDim.x);
  std::uint32_t g = 0, beyond = groups.count;  // the last group that does not begin after `at`
  while (beyond - g > 1) {
    const std::uint32_t middle = g + (beyond - g) / 2;
    (groups.groups[middle].jobs_before <= at ? g : beyond) = middle;
  }
  while (at < end) {  // few numbers are kept: registers are for decoding
    const auto group = [&]() -> const core::TrellisGroup& { return groups.groups[g]; };
    const auto group_end = [&] { return group().jobs_before + group().job_count; };
    __syncthreads();  // the tables of the group before are in use until here
    fill(group());
    __syncthreads();
    for (at += warp_index(); at < end && at < group_end(); at += warps) {
      const std::uint32_t job = group().first_job + (at - group().jobs_before);
      const core::Status answer = decode(group(), job);
      if (CudaWarp::lane() == 0)
        status[group().first_job + (at - group().jobs_before)] = static_cast<std::uint32_t>(answer);
    }
    at = group_end();
    g++;
  }
}

constexpr std::uint32_t kWarps = 8;

template <class Unit, bool kZero, bool kPredict, bool kExact>
__global__ __launch_bounds__(kWarps* core::kLanes,
                             3) void decode_trellis_kernel(TrellisGroups groups, const core::TrellisJob* jobs,
                                                           std::uint8_t* out, std::uint32_t* status) {
  auto* rooms = dynamic_shared<std::uint8_t>();
  auto* memory = reinterpret_cast<std::uint32_t*>(rooms + room_bytes(kWarps));
  decode_share(
      groups, kWarps, status,
      [&](const core::TrellisGroup& group) {
        core::fill_trellis_memory<Unit, kZero, kExact>(group, memory, threadIdx.x, kWarps * core::kLanes);
      },
      [&](const core::TrellisGroup& group, std::uint32_t job) {
        return core::decode_trellis_block<CudaWarp, Unit, kZero, kPredict, kExact>(
            *group.stream, jobs[job], memory, rooms + warp_index() * CudaWarp::kWordBytes, out);
      });
}

// Warps on a multiprocessor, by the registers that they need: several thread blocks of 8 share it, if their maps are small, or
// one has it to itself.
template <class Unit>
constexpr std::uint32_t kManyWarps = sizeof(Unit) == 2 ? 32 : 24;

template <class Unit, std::uint32_t kMapWarps>
__global__ __launch_bounds__(kMapWarps* core::kLanes, kManyWarps<Unit> / kMapWarps) void decode_mapped_kernel(
    TrellisGroups groups, bool zero, const core::TrellisJob* jobs, std::uint8_t* out, std::uint32_t* status) {
  // Addresses that the compiler sees to be the same in all threads need no register and no addition.
  const auto maps = [&] {
    return core::TrellisMaps(dynamic_shared<std::uint8_t>() + room_bytes(kMapWarps),
                             groups.map_bytes / core::trellis_map_bytes(1));
  };
  decode_share(
      groups, kMapWarps, status,
      [&](const core::TrellisGroup& group) { maps().fill(group, zero, threadIdx.x, kMapWarps * core::kLanes); },
      [&](const core::TrellisGroup& group, std::uint32_t job) {
        return core::decode_mapped_block<CudaWarp, Unit>(
            *group.stream, jobs[job], maps(), dynamic_shared<std::uint8_t>() + warp_index() * CudaWarp::kWordBytes,
            out);
      });
}

// The thread block of so many warps, and whether it fits the device.
struct MappedShape {
  BlockShape shape;
  bool fits;
  MappedShape(std::uint32_t warps, std::uint32_t map_bytes, std::uint32_t most)
      : shape{warps * core::kLanes, room_bytes(warps) + map_bytes}, fits(shape.dynamic_bytes <= most) {}
};

// `few` fits.
template <class Unit>
cudaError_t launch_mapped(Launch launch, const MappedShape& few, const TrellisGroups& groups, std::uint32_t most,
                          bool zero, const core::TrellisJob* jobs, std::uint8_t* out, std::uint32_t* status) {
  const MappedShape many(kManyWarps<Unit>, groups.map_bytes, most);
  const auto start = [&](auto kernel, BlockShape shape) {
    return launch_persistent(kernel, launch, shape, groups.job_count, groups, zero, jobs, out, status);
  };
  std::uint32_t resident = launch.max_blocks;
  if (resident == 0) {
    const cudaError_t answer = resident_blocks(decode_mapped_kernel<Unit, kWarps>, few.shape, resident);
    if (answer != cudaSuccess) return answer;
  }
  if (many.fits && groups.job_count > resident * kWarps)
    return start(decode_mapped_kernel<Unit, kManyWarps<Unit>>, many.shape);
  return start(decode_mapped_kernel<Unit, kWarps>, few.shape);
}

}  // namespace

cudaError_t launch_decode_trellis(Launch launch, TrellisOp op, const TrellisGroups& groups,
                                  const core::TrellisJob* jobs, std::uint8_t* out, std::uint32_t* status) {
  std::uint32_t most = 0;
  if (const cudaError_t answer = shared_bytes_at_most(most); answer != cudaSuccess) return answer;
  const MappedShape few(kWarps, groups.map_bytes, most);
  return with_trellis_op(op, [&](auto unit, auto zero, auto predicts) {
    using Unit = decltype(unit);
    constexpr bool kZero = decltype(zero)::value, kPredict = decltype(predicts)::value;
    const auto by_rows = [&](auto exact, std::uint32_t bytes) {
      return launch_persistent(decode_trellis_kernel<Unit, kZero, kPredict, decltype(exact)::value>, launch,
                               BlockShape{kWarps * core::kLanes, room_bytes(kWarps) + bytes}, groups.job_count, groups,
                               jobs, out, status);
    };
    if constexpr (kPredict) {
      if (groups.exact_bytes > 0 && room_bytes(kWarps) + groups.exact_bytes <= most)
        return by_rows(std::true_type{}, groups.exact_bytes);
    } else {
      if (groups.map_bytes > 0 && few.fits)
        return launch_mapped<Unit>(launch, few, groups, most, kZero, jobs, out, status);
    }
    return by_rows(std::false_type{}, groups.memory_bytes);
  });
}

}  // namespace weft::cuda
