// The cheapest entry of each vector, for a device: bias - x . c, the least of all entries, of equal ones the first.
//
// * The definition (cpu::Kernels::nearest) rounds every product and every sum, in the order of the components: two
//   instructions a component. A device looks with one, which rounds once (score_fused); that is off by at most a
//   margin that is known beforehand.
// * Entries go in chunks, of which the two lowest fused scores are kept. Where they are further apart than the
//   margin, the lower one's chunk has the answer, and exact scores of its few entries find it. Vectors where they are
//   not are left to a second search with exact scores alone: some in a thousand.
// * Every thread searches for some vectors at once, which share what it loads of an entry.
#pragma once

#include <limits>

#include "weft/core/dequantize.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::core {

inline constexpr std::uint32_t kEntryChunk = 16, kEntryTile = 1024;  // a tile is what threads share at a time
inline constexpr float kFarScore = std::numeric_limits<float>::infinity();
inline constexpr float kLeastNormal = std::numeric_limits<float>::min();  // smaller products lose digits
inline constexpr float kFarthest =
    0x1p40f;  // products with scaled entries, which are small, stay far from the end of float32

// A weight as it is compared with entries that were scaled by this factor. What is not finite becomes zero, what is far
// beyond all entries is cut off.
WEFT_HD float scaled_component(float value, float factor) {
  const float scaled = value * factor;
  const float near = scaled < -kFarthest ? -kFarthest : kFarthest < scaled ? kFarthest : scaled;
  return is_finite(value) ? near : 0.0f;
}

// Vectors that one thread searches for at once: what registers hold.
WEFT_HD constexpr std::uint32_t nearest_width(int dimension) { return dimension == 8 ? 4 : 8; }

// Half of the squared distance to an entry, less what all entries share.
template <int kDim>
WEFT_HD float score_exact(const float* vector, const float* entry, float bias) {
  float score = bias;
  for (int k = 0; k < kDim; k++) score -= vector[k] * entry[k];
  return score;
}

// The same with every product fused to its sum.
template <int kDim>
WEFT_HD float score_fused(const float* vector, const float* entry, float bias) {
  float score = bias;
  for (int k = 0; k < kDim; k++) {
#if defined(__CUDA_ARCH__)
    score = __fmaf_rn(-vector[k], entry[k], score);
#else
    score = __builtin_fmaf(-vector[k], entry[k], score);
#endif
  }
  return score;
}

struct Entries {
  const float* values = nullptr;  // of `count` entries
  const float* biases = nullptr;
  std::uint32_t count = 0;
  float largest_value = 0, largest_bias = 0;  // magnitudes
};

// A codebook of vectors: its entries, scaled by a factor, and as many more of bias kFarScore as fill up a chunk.
struct VectorBook {
  Entries entries;
  float factor;
};

WEFT_HD constexpr std::uint32_t whole_chunks(std::uint32_t entries) {
  return (entries + kEntryChunk - 1) / kEntryChunk * kEntryChunk;
}

// Of the tile from number `first` on, up to whole chunks.
WEFT_HD std::uint32_t tile_entries(const Entries& entries, std::uint32_t first) {
  const std::uint32_t left = entries.count - first, count = left < kEntryTile ? left : kEntryTile;
  return whole_chunks(count);
}

// Entries and biases of one tile, for thread `thread` of `threads` to put down. Chunks are filled up with what no
// vector is near.
template <int kDim>
WEFT_HD void stage_entries(const Entries& entries, std::uint32_t first, float* values, float* biases,
                           std::uint32_t thread, std::uint32_t threads) {
  const std::uint32_t whole = tile_entries(entries, first), count = entries.count - first;
  for (std::uint32_t i = thread; i < whole; i += threads) biases[i] = i < count ? entries.biases[first + i] : kFarScore;
  for (std::uint32_t i = thread; i < whole * kDim; i += threads)
    values[i] = i < count * kDim ? entries.values[std::size_t{first} * kDim + i] : 0.0f;
}

template <int kDim, bool kExact, std::uint32_t kVectors = nearest_width(kDim)>
class NearestSearch {
 public:
  static constexpr std::uint32_t kWidth = kVectors;

  WEFT_HD void begin() {
    for (std::uint32_t v = 0; v < kWidth; v++) {
      least_[v] = next_[v] = kFarScore;
      chunks_[v] = 0;
    }
  }
  WEFT_HD void set(std::uint32_t v, const float* vector) {
    for (int k = 0; k < kDim; k++) vectors_[v][k] = vector[k];
  }

  // Entries of a tile, from number `first` on, in whole chunks.
  WEFT_HD void search(const float* values, const float* biases, std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t chunk = 0; chunk < count; chunk += kEntryChunk) {
      float low[kWidth];
      for (std::uint32_t v = 0; v < kWidth; v++) low[v] = kFarScore;
      WEFT_UNROLL(4)
      for (std::uint32_t j = chunk; j < chunk + kEntryChunk; j += 4) look_at_four(values + j * kDim, biases + j, low);
      for (std::uint32_t v = 0; v < kWidth; v++) {
        const bool lower = low[v] < least_[v];
        if (!kExact) {
          next_[v] = lower_of(lower ? least_[v] : low[v], next_[v]);
        }
        least_[v] = lower ? low[v] : least_[v];
        chunks_[v] = lower ? first + chunk : chunks_[v];
      }
    }
  }

  // Whether the chunk that was found has the answer. From the true score a fused one is off by at most kDim roundings
  // of sums no larger than `size`, an exact one by kDim + 1; two scores are compared by way of both. Twice that, to
  // be safe.
  [[nodiscard]] WEFT_HD bool is_settled(std::uint32_t v, const Entries& entries) const {
    if (kExact) return true;
    float size = entries.largest_bias;
    for (int k = 0; k < kDim; k++) size += magnitude(vectors_[v][k]) * entries.largest_value;
    constexpr float kRoundings = 4 * (2 * kDim + 1) * 0x1p-24f;
    return next_[v] > least_[v] + (size * kRoundings + kLeastNormal);
  }

  // The first of the chunk's entries with the least exact score.
  [[nodiscard]] WEFT_HD std::uint32_t answer(std::uint32_t v, const Entries& entries) const {
    const std::uint32_t begin = chunks_[v],
                        end = begin + kEntryChunk < entries.count ? begin + kEntryChunk : entries.count;
    float least = kFarScore;
    std::uint32_t found = begin;
    for (std::uint32_t j = begin; j < end; j++) {
      const float score = score_exact<kDim>(vectors_[v], entries.values + std::size_t{j} * kDim, entries.biases[j]);
      found = score < least ? j : found;
      least = score < least ? score : least;
    }
    return found;
  }

  [[nodiscard]] WEFT_HD float squared_distance(std::uint32_t v, const Entries& entries, std::uint32_t entry) const {
    float sum = 0;
    for (int k = 0; k < kDim; k++) {
      const float apart = vectors_[v][k] - entries.values[std::size_t{entry} * kDim + k];
      sum += apart * apart;
    }
    return sum;
  }

 private:
  // One instruction, where a comparison and a choice would be two. None of them is NaN.
  static WEFT_HD float lower_of(float a, float b) {
#if defined(__CUDA_ARCH__)
    return fminf(a, b);
#else
    return a < b ? a : b;
#endif
  }
  static WEFT_HD float magnitude(float x) { return x < 0 ? -x : x; }

  WEFT_HD void look_at_four(const float* values, const float* biases, float* low) const {
    float entries[4 * kDim], bias[4];
    for (int i = 0; i < kDim; i++) load_four(values + 4 * i, entries + 4 * i);
    load_four(biases, bias);
    for (int j = 0; j < 4; j++)
      for (std::uint32_t v = 0; v < kWidth; v++) {
        const float score = kExact ? score_exact<kDim>(vectors_[v], entries + j * kDim, bias[j])
                                   : score_fused<kDim>(vectors_[v], entries + j * kDim, bias[j]);
        low[v] = lower_of(score, low[v]);
      }
  }
  static WEFT_HD void load_four(const float* from, float* to) {
    const auto words = load_aligned<Words4>(reinterpret_cast<const std::uint8_t*>(from));
    for (int i = 0; i < 4; i++) to[i] = float_of_bits(words.word[i]);
  }

  float vectors_[kWidth][kDim];
  float least_[kWidth], next_[kWidth];  // the least scores of chunks, and the least of the others'
  std::uint32_t chunks_[kWidth];        // the first entry of the chunk that has the least
};

struct NearestAnswers {
  std::uint32_t* nearest = nullptr;  // per vector
  float* distances = nullptr;        // squared, to that entry; may be null
  bool keep_lower = false;           // a distance that is there already stays where it is lower
};

// Of vector number i, which is number v of the search.
template <class Search>
WEFT_HD void write_answer(const Search& search, std::uint32_t v, std::uint64_t i, const Entries& entries,
                          const NearestAnswers& answers) {
  const std::uint32_t entry = search.answer(v, entries);
  answers.nearest[i] = entry;
  if (answers.distances == nullptr) return;
  const float distance = search.squared_distance(v, entries, entry);
  if (!answers.keep_lower || distance < answers.distances[i]) answers.distances[i] = distance;
}

}  // namespace weft::core
