#include "cluster/vector_distances.hpp"

#include "backends/cpu/kernels.hpp"
#include "cluster/pieces.hpp"

namespace weft::cluster {
namespace {

constexpr std::size_t kPiece = 4096;  // vectors that one thread takes at once

}  // namespace

void find_nearest(const Vectors& vectors, std::span<const float> entries, std::span<const float> biases,
                  std::uint32_t threads, Nearest& nearest) {
  const std::size_t n = vectors.size(), d = vectors.dimension;
  nearest.entries.resize(n);
  nearest.distances.resize(n);
  for_pieces(threads, n, kPiece, [&](std::size_t begin, std::size_t end) {
    cpu::active_kernels().nearest(vectors.values.data() + begin * d, end - begin, static_cast<int>(d), entries.data(),
                                  biases.data(), static_cast<std::uint32_t>(biases.size()),
                                  nearest.entries.data() + begin);
    for (std::size_t i = begin; i < end; i++) {
      float sum = 0;
      for (std::size_t k = 0; k < d; k++) {
        const float apart = vectors.values[i * d + k] - entries[nearest.entries[i] * d + k];
        sum += apart * apart;
      }
      nearest.distances[i] = sum;
    }
  });
}

}  // namespace weft::cluster
