// Loops over many values on many threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/workers.hpp"

namespace weft::cluster {

// Calls body(begin, end) for the pieces of this size that n things make, the last one shorter.
template <class F>
void for_pieces(std::uint32_t threads, std::uint64_t n, std::uint64_t size, F body) {
  engine::run_parallel(threads, (n + size - 1) / size, nullptr, [&](std::uint32_t, std::size_t piece) {
    body(piece * size, std::min<std::uint64_t>(n, (piece + 1) * size));
  });
}

}  // namespace weft::cluster
