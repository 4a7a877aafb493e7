// Segments, decoded and encoded on the GPU, out of and into its memory, and on the CPU beside it.
#pragma once

#include <memory>

#include "backends/cuda/device.hpp"
#include "results.hpp"

namespace weft::bench {

// Each adds to the list that is named like what it times.
void decode_section(Results& results, const std::shared_ptr<cuda::Device>& device);
void decode_trellis_section(Results& results, const std::shared_ptr<cuda::Device>& device);
// What pairs of symbols are worth, and codebooks.
void decode_variants_section(Results& results, const std::shared_ptr<cuda::Device>& device);
void block_sizes_section(Results& results, const std::shared_ptr<cuda::Device>& device);
void encode_section(Results& results, const std::shared_ptr<cuda::Device>& device);
void encode_trellis_section(Results& results, const std::shared_ptr<cuda::Device>& device);
void cpu_section(Results& results, const std::shared_ptr<cuda::Device>& device);

}  // namespace weft::bench
