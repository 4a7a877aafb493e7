// What a model would cost, and its parameters, from a sample that a scalar quantizer codes: close to the trellis's own
// cost as far as one model is compared with another, and many times cheaper than a search.
#pragma once

#include "trellis/sample.hpp"
#include "weft/archive.hpp"

namespace weft::trellis {

// Estimated bits of the whole tensor under the stream's model; its shape is a number of typical_shapes().
[[nodiscard]] double price(const Sample& sample, const TrellisStream& stream);

// Sets the cheapest of the typical shapes.
void choose_shape(const Sample& sample, TrellisStream& stream);

// Sets taps by least squares on normalised weights; returns the log2 of the residual's deviation over theirs.
double fit_taps(const Sample& sample, TrellisStream& stream);

// Finds by how many classes each bin of local energy should move a weight; returns the bits that this saves.
double fit_shifts(const Sample& sample, TrellisStream& stream);

}  // namespace weft::trellis
