// Views: a trellis stream may be coded with the axes of its tensor reversed, so that neighbours in a kernel are neighbours.
//
// A stream with a view is one segment, small enough to be held whole. Everything between reading a tensor and writing it
// sees the units in the order of the view.
#pragma once

#include <cstddef>
#include <span>

#include "weft/archive.hpp"

namespace weft::engine {

[[nodiscard]] bool has_view(const StreamRecord& stream) noexcept;

// All units of a stream with a view, from memory order to view order and back.
void to_view_order(const StreamRecord& stream, std::span<const std::byte> memory, std::span<std::byte> view);
void to_memory_order(const StreamRecord& stream, std::span<const std::byte> view, std::span<std::byte> memory);

}  // namespace weft::engine
