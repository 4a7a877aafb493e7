// Where vector clustering begins: k-means++ in batches.
//
// * k-means++ draws entries one by one, each vector with a chance that goes with its squared distance to those drawn before.
//   Here, after the first 64, an eighth more are drawn at once, so that distances to them are a matrix product: as good a start, and all draws
//   together cost what one assignment does. Source: Bahmani et al., "Scalable k-means++" (2012), for drawing in batches.
// * Distances are drawn from as integers with a fixed seed: the same entries on every machine, with any number of threads.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "cluster/vector_distances.hpp"
#include "cluster/vector_scale.hpp"

namespace weft::cluster {

// Draws vectors by squared distance.
class VectorDraws {
 public:
  // `weights` is empty or has a number from 0 to 1 per vector that multiplies its distance.
  VectorDraws(const Vectors& vectors, std::span<const float> weights) : vectors_(vectors), weights_(weights) {}

  // Appends up to `count` different vectors to `entries`; fewer where no others are away from what they are nearest to.
  void draw(std::span<const float> distances, std::size_t count, std::vector<float>& entries);

 private:
  const Vectors& vectors_;
  std::span<const float> weights_;
  std::mt19937_64 random_{20'261'127};
  std::vector<std::uint64_t> sums_;
};

// Up to `count` entries to start from: fewer when there are fewer different vectors.
[[nodiscard]] std::vector<float> draw_seeds(const Vectors& vectors, std::size_t count, const VectorScale& scale,
                                            std::uint32_t threads, VectorDraws& draws);

}  // namespace weft::cluster
