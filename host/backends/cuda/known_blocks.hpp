// Which blocks a device decodes, and with which kernel. Whatever it does not know goes to the CPU, which has the last word.
#pragma once

#include <cstdint>
#include <optional>

#include "archive/block.hpp"
#include "backends/backend.hpp"
#include "backends/cuda/device.hpp"

namespace weft::cuda {

// Codecs that the device decodes.
[[nodiscard]] bool decodes_on_device(CodecId codec) noexcept;

// Planes of a block of a stream that the device knows.
[[nodiscard]] int plane_count(const SegmentView& view);
// Whether plane 0 is symbols that stand for weights, each for one.
[[nodiscard]] bool has_weights(const SegmentView& view);
// Whether the blocks that decode_block() sees hold the units as they are: of the trellis-coded it sees no others.
[[nodiscard]] bool stores_units(const SegmentView& view);

// Symbols of each plane that may be coded, of a block of n units: most often n, but a vector has one index.
[[nodiscard]] std::uint64_t symbols_in(const SegmentView& view, std::uint64_t n);
// Whether this plane has a table for each class of its units.
[[nodiscard]] bool by_class(const SegmentView& view, const archive::BlockView& planes, int plane);
// A block that is not trellis-coded, of a codec that the device decodes, whose shape is in order.
[[nodiscard]] bool knows_block(const SegmentView& view, const archive::BlockView& planes, std::uint64_t n);

[[nodiscard]] DecodeOp op_of(const SegmentView& view);
// The same for blocks whose plane 0 is coded in pairs; none: the pairs are decoded to symbols first.
[[nodiscard]] std::optional<DecodeOp> pair_op_of(DecodeOp op);

// What 256 symbols of a codebook of scalars stand for, as bits of the element type. Those beyond the codebook do not occur.
void fill_entries(const SegmentView& view, std::uint32_t* entries);

}  // namespace weft::cuda
