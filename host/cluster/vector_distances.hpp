// Vectors and their nearest entries, on many threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weft::cluster {

// Vectors of 2, 4 or 8 floats, one after another, of a size that VectorScale gives them.
struct Vectors {
  std::span<const float> values;
  std::size_t dimension = 1;
  [[nodiscard]] std::size_t size() const { return values.size() / dimension; }
  [[nodiscard]] std::span<const float> operator[](std::size_t i) const {
    return values.subspan(i * dimension, dimension);
  }
};

struct Nearest {
  std::vector<std::uint32_t> entries;  // per vector
  std::vector<float> distances;        // squared, to that entry
};

// The cheapest entry of each vector (cpu::Kernels::nearest). The same whatever the number of threads.
void find_nearest(const Vectors& vectors, std::span<const float> entries, std::span<const float> biases,
                  std::uint32_t threads, Nearest& nearest);

}  // namespace weft::cluster
