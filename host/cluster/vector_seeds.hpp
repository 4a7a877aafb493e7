// Where vector clustering begins: k-means++ in batches.
//
// * k-means++ draws entries one by one, each vector with a chance that goes with its squared distance to those drawn before.
//   Here, after the first 64, an eighth more are drawn at once, so that distances to them are a matrix product: as good a start, and all draws
//   together cost what one assignment does. Source: Bahmani et al., "Scalable k-means++" (2012), for drawing in batches.
// * Distances are drawn from as integers with a fixed seed: the same entries on every machine, with any number of threads.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "cluster/vector_set.hpp"

namespace weft::cluster {

// Draws vectors by squared distance and weight.
class VectorDraws {
 public:
  explicit VectorDraws(VectorSet& set) : set_(set) {}

  // Appends up to `count` different vectors to `entries`; fewer where no others are away from what they are nearest to.
  void draw(std::size_t count, std::vector<float>& entries);

 private:
  VectorSet& set_;
  std::mt19937_64 random_{20'261'127};
};

// Up to `count` entries to start from: fewer when there are fewer different vectors.
[[nodiscard]] std::vector<float> draw_seeds(VectorSet& set, std::size_t count, VectorDraws& draws);

}  // namespace weft::cluster
