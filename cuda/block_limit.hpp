// WEFT_MAX_BLOCKS=N: no launch has more than N thread blocks. For tests and measurements.
//
// A large GPU takes the few jobs of a test in one round; with 3 thread blocks its persistent grids go round again and
// again, as they do in a large run. Bytes and answers do not depend on it. Only CUB's kernels take no notice.
// A limit of 0 is none.
#pragma once

#include <cstdint>

namespace weft::cuda {

// A decimal number from 1 to 65535 and nothing else, or null: 0. Throws Error(kConfig).
[[nodiscard]] std::uint32_t parse_block_limit(const char* text);
// What a queue may use of its own limit: the environment, which is read once, can only lower it.
[[nodiscard]] std::uint32_t limit_blocks(std::uint32_t of_queue);

}  // namespace weft::cuda
