// The nearest entries of vectors, as a matrix product that keeps the least of each row instead of the product. Included by
// the kernel sets, each compiled for its own instruction set.
//
// * Half the squared distance is bias - x . c with bias = c . c / 2, less what all entries share; a price of an entry joins
//   the bias. Operations come in one order and unfused, so every set finds the same entry.
// * Lanes are vectors. The least score is kept per chunk of entries, and which of a chunk it was is found once at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace weft::cpu {
namespace {

constexpr std::size_t kNearestTiles = 32;  // that go through a block of entries while it is in the cache
constexpr std::uint32_t kNearestChunk = 16, kNearestBlock = 512;

template <int kDim>
inline float score_of(const float* vector, const float* entry, float bias) {
  float score = bias;
  for (int k = 0; k < kDim; k++) score -= vector[k] * entry[k];
  return score;
}

// A register of floats, and of as many integers. Written out, because compilers do not vectorise the loop with a minimum.
#ifdef __AVX__
constexpr std::size_t kNearestWidth = 8;
#else
constexpr std::size_t kNearestWidth = 4;
#endif
using NearestFloats = float __attribute__((vector_size(kNearestWidth * sizeof(float))));
using NearestInts = std::int32_t __attribute__((vector_size(kNearestWidth * sizeof(float))));
constexpr std::size_t kNearestRegisters = 2, kNearestLanes = kNearestRegisters * kNearestWidth;

// Vectors that are searched for at once, transposed, and what was found so far.
template <int kDim>
struct NearestTile {
  NearestFloats x[kNearestRegisters][kDim];
  NearestFloats least[kNearestRegisters];
  NearestInts chunks[kNearestRegisters];  // the first entry of the chunk that has the least
};

// Lowers `least` where an entry of [begin, end) is cheaper.
template <int kDim>
inline void search_block(NearestTile<kDim>& tile, const float* entries, const float* bias, std::uint32_t begin,
                         std::uint32_t end) {
  for (std::uint32_t chunk = begin; chunk < end; chunk += kNearestChunk) {
    const std::uint32_t last = end - chunk < kNearestChunk ? end : chunk + kNearestChunk;
    NearestFloats low[kNearestRegisters];
    for (auto& one : low) one = NearestFloats{} + std::numeric_limits<float>::infinity();
    for (std::uint32_t j = chunk; j < last; j++) {
      NearestFloats score[kNearestRegisters];
      for (auto& one : score) one = NearestFloats{} + bias[j];
      for (int k = 0; k < kDim; k++)
        for (std::size_t r = 0; r < kNearestRegisters; r++) score[r] -= tile.x[r][k] * entries[j * kDim + k];
      for (std::size_t r = 0; r < kNearestRegisters; r++) low[r] = score[r] < low[r] ? score[r] : low[r];
    }
    for (std::size_t r = 0; r < kNearestRegisters; r++) {
      const auto lower = low[r] < tile.least[r];
      tile.least[r] = lower ? low[r] : tile.least[r];
      tile.chunks[r] = lower ? NearestInts{} + static_cast<std::int32_t>(chunk) : tile.chunks[r];
    }
  }
}

template <int kDim>
void nearest_of(const float* vectors, std::size_t n, const float* entries, const float* bias, std::uint32_t count,
                std::uint32_t* indices) {
  NearestTile<kDim> tiles[kNearestTiles];
  constexpr std::size_t kRows = kNearestTiles * kNearestLanes;
  for (std::size_t begin = 0; begin < n; begin += kRows) {
    const std::size_t rows = n - begin < kRows ? n - begin : kRows, used = (rows + kNearestLanes - 1) / kNearestLanes;
    for (std::size_t i = 0; i < used * kNearestLanes; i++) {
      NearestTile<kDim>& tile = tiles[i / kNearestLanes];
      const std::size_t r = i % kNearestLanes / kNearestWidth, lane = i % kNearestWidth;
      for (std::size_t k = 0; k < kDim; k++) tile.x[r][k][lane] = i < rows ? vectors[(begin + i) * kDim + k] : 0;
      tile.least[r][lane] = std::numeric_limits<float>::infinity();
      tile.chunks[r][lane] = 0;
    }
    for (std::uint32_t block = 0; block < count; block += kNearestBlock)
      for (std::size_t t = 0; t < used; t++)
        search_block<kDim>(tiles[t], entries, bias, block,
                           count - block < kNearestBlock ? count : block + kNearestBlock);
    for (std::size_t i = 0; i < rows; i++) {
      const NearestTile<kDim>& tile = tiles[i / kNearestLanes];
      const std::size_t r = i % kNearestLanes / kNearestWidth, lane = i % kNearestWidth;
      const auto chunk = static_cast<std::uint32_t>(tile.chunks[r][lane]);
      std::uint32_t j = chunk;
      while (j + 1 < count && j + 1 < chunk + kNearestChunk &&
             score_of<kDim>(vectors + (begin + i) * kDim, entries + std::size_t{j} * kDim, bias[j]) !=
                 tile.least[r][lane])
        j++;
      indices[begin + i] = j;
    }
  }
}

void nearest(const float* vectors, std::size_t n, int dimension, const float* entries, const float* bias,
             std::uint32_t count, std::uint32_t* indices) {
  (dimension == 2   ? nearest_of<2>
   : dimension == 4 ? nearest_of<4>
                    : nearest_of<8>)(vectors, n, entries, bias, count, indices);
}

}  // namespace
}  // namespace weft::cpu
