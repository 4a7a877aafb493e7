// Codebooks as an encoder compares weights of a type with them: by the values that a decoder restores, not by those
// that the archive stores.
//
// * These are what all backends search in; a device has them in its own memory.
#pragma once

#include <vector>

#include "backends/backend.hpp"
#include "weft/core/index_choice.hpp"
#include "weft/core/nearest_vectors.hpp"

namespace weft::cpu {

struct ComparedScalars {
  std::vector<float> entries, upper;  // core::ScalarBook has the same
  core::ScalarBook rest{};

  // With both arrays there.
  [[nodiscard]] core::ScalarBook at(const float* entries_there, const float* upper_there) const;
  [[nodiscard]] core::ScalarBook here() const { return at(entries.data(), upper.data()); }
};
[[nodiscard]] ComparedScalars compare_scalars(DType dtype, const Codebook& book, bool pin_zero);

struct ComparedVectors {
  std::vector<float> entries, biases;  // filled up to whole chunks, as core::VectorBook wants it
  core::VectorBook rest{};

  [[nodiscard]] core::VectorBook at(const float* entries_there, const float* biases_there) const;
};
[[nodiscard]] ComparedVectors compare_vectors(DType dtype, const Codebook& book);

}  // namespace weft::cpu
