// What the index says of trellis streams: their parameters, the codes of the scale factors, the taps, and the bank of shapes.
#pragma once

#include "archive/index_state.hpp"
#include "archive/numbers.hpp"
#include "weft/archive.hpp"

namespace weft::archive {

// A stream with a view is coded whole, with the axes of a box of its tensor reversed.
[[nodiscard]] constexpr bool has_view(const TrellisStream& stream) noexcept {
  return stream.view[0] != 1 || stream.view[1] != 1 || stream.view[2] != 1;
}

// What users call a stream's codec: a trellis of one state is a uniform quantizer with a model.
[[nodiscard]] inline std::string_view codec_name(const StreamRecord& stream) noexcept {
  const bool is_uniform = stream.codec == CodecId::kTrellis && stream.trellis.states_log2 == 0;
  return name_of(is_uniform ? CodecId::kUniform : stream.codec);
}

void put_shapes(NumberWriter& out, const std::vector<Shape>& shapes);
// shape: of the stream's tensor.
void put_trellis(NumberWriter& out, const TrellisStream& stream, const std::vector<std::uint64_t>& shape,
                 LastStream& last);

// The readers check everything. `shapes`: how many there are.
void read_shapes(NumberReader& in, std::vector<Shape>& shapes);
void read_trellis(NumberReader& in, const std::vector<std::uint64_t>& shape, std::size_t shapes, LastStream& last,
                  StreamRecord& stream);

}  // namespace weft::archive
