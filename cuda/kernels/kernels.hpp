// Launching the kernels.
//
// Read me first:
// * Every pointer is device memory. A launch is asynchronous on its stream, allocates nothing and does not synchronise;
//   it returns the launch's error. A count of zero launches nothing.
// * The grids are persistent: as many thread blocks as the device holds at once, or max_blocks if that is not zero, walk
//   over all jobs. A thread block sits on one multiprocessor, so max_blocks bounds how many of these are used.
// * The callers check sizes and offsets before they launch; the kernels then touch only what a job names, whatever the
//   bytes there are.
#pragma once

#include <cuda_runtime_api.h>

#include "backends/cuda/device.hpp"

namespace weft::cuda {

struct Launch {
  cudaStream_t stream = nullptr;
  std::uint32_t max_blocks = 0;
};

// crcs[i] = core::crc32c of jobs[i].
cudaError_t launch_checksum(Launch launch, const ChecksumJob* jobs, std::uint32_t count, std::uint32_t* crcs);

// core::decode_block for the jobs of all groups.
cudaError_t launch_decode(Launch launch, DecodeOp op, const core::BlockGroup* groups, std::uint32_t count,
                          const core::BlockJob* jobs, std::uint8_t* out, std::uint32_t* status);

// core::decode_by_class for the jobs of all groups.
cudaError_t launch_decode_classes(Launch launch, const ClassGroups& groups, const core::BlockJob* jobs,
                                  std::uint8_t* out, std::uint32_t* status);

// core::decode_trellis_block or decode_mapped_block for the jobs of all groups.
cudaError_t launch_decode_trellis(Launch launch, TrellisOp op, const TrellisGroups& groups,
                                  const core::TrellisJob* jobs, std::uint8_t* out, std::uint32_t* status);

// core::look_up_units for all jobs, whose units are of this type, and their exceptions.
cudaError_t launch_look_up(Launch launch, core::FloatType type, const core::LookUpJob* jobs, std::uint32_t count,
                           std::uint8_t* out, std::uint32_t* status);

cudaError_t launch_copy_from_view(Launch launch, const core::ViewCopy& copy);

// A pass of core/encode_block.hpp; `op` matters to those over groups.
cudaError_t launch_encode(Launch launch, EncodePass pass, EncodeOp op, const EncodeArrays& arrays);

// A pass of core/trellis_encode.hpp; `op` matters to kSearch and kCode.
cudaError_t launch_encode_trellis(Launch launch, TrellisPass pass, TrellisEncodeOp op,
                                  const TrellisEncodeArrays& arrays);

cudaError_t launch_cluster_vectors(Launch launch, VectorPass pass, const VectorArrays& arrays);

// The parts of a job's rows.
cudaError_t launch_square_rows(Launch launch, const core::RowJob& job);

// A pass of clustering of scalars. kSort and kSums are CUB's.
cudaError_t launch_cluster_scalars(Launch launch, ScalarPass pass, const ScalarArrays& arrays);
cudaError_t launch_sort(Launch launch, const ScalarArrays& arrays);
cudaError_t launch_add_up(Launch launch, const ScalarArrays& arrays);
// The scratch of both for n values.
cudaError_t sort_scratch_bytes(std::uint64_t n, bool weighted, std::size_t& bytes);

}  // namespace weft::cuda
