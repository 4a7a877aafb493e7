// The encoder's side of codec codebook: which entry each weight, or vector of weights, becomes.
//
// * Of scalars the cheapest entry is a matter of thresholds (core/index_choice.hpp), of vectors a search through all
//   entries (nearest_entries.hpp), with a bit's price or without.
// * Weights that are not finite count as zero in a vector; they come back as exceptions.
#pragma once

#include "backends/cpu/cpu_codec.hpp"

namespace weft::cpu {

// Of scratch.values, the segment's weights. Fills the first planes of scratch: the indices, or their high and low bytes.
void choose_indices(Scratch& scratch, const SegmentView& view, bool pin_zero);

// Whether indices have a price that may differ by class: those of one byte, in one codebook of scalars.
[[nodiscard]] bool has_price_by_class(const SegmentView& view);
// Chooses them again where plane 0 has tables by class, `numbers` of so many: each at the price that it has in its unit's table.
void choose_indices_by_class(Scratch& scratch, const SegmentView& view, bool pin_zero,
                             std::span<const std::uint8_t> numbers, std::size_t tables);

}  // namespace weft::cpu
