// What the index says of trellis streams: their parameters, the bank of shapes, the codes of the scale factors and the taps.
//
// The codes of all streams are one sequence after everything else (scale_codes.hpp), so that their model learns from one
// stream to the next; and so are their taps.
#pragma once

#include "archive/bytes.hpp"
#include "weft/archive.hpp"

namespace weft::archive {

// A stream with a view is coded whole, with the axes of a box of its tensor reversed.
[[nodiscard]] constexpr bool has_view(const TrellisStream& stream) noexcept {
  return stream.view[0] != 1 || stream.view[1] != 1 || stream.view[2] != 1;
}

void put_shapes(ByteWriter& out, const std::vector<Shape>& shapes);
void put_trellis(ByteWriter& out, const TrellisStream& stream);
void put_scale_codes(ByteWriter& out, const Index& index);
void put_taps(ByteWriter& out, const Index& index);

// The readers check everything; `elements` is the stream's. Codes and taps come last, into factors that read_trellis has left
// without, and periods of zeros.
void read_shapes(ByteReader& in, std::vector<Shape>& shapes);
void read_trellis(ByteReader& in, std::uint64_t elements, std::size_t shapes, StreamRecord& stream,
                  std::vector<std::uint64_t>& code_counts);
void read_scale_codes(ByteReader& in, const std::vector<std::uint64_t>& code_counts, Index& index);
void read_taps(ByteReader& in, Index& index);

}  // namespace weft::archive
