// What follows from the streams of an index without being stored: segments, blocks and where they are.
#include <algorithm>

#include "archive/block.hpp"
#include "archive/index.hpp"

namespace weft::archive {

void lay_out_stream(Index& index, StreamRecord& stream) {
  const std::uint64_t segment_units = std::uint64_t{1} << stream.segment_log2;
  const std::uint64_t block_units = std::uint64_t{1} << stream.block_log2;
  stream.first_segment = index.segments.size();
  stream.segment_count = static_cast<std::size_t>(blocks_in(stream.units, stream.segment_log2));
  for (std::size_t s = 0; s < stream.segment_count; s++) {
    SegmentRecord segment;
    segment.first_unit = std::uint64_t{s} << stream.segment_log2;
    segment.units = std::min(stream.units - segment.first_unit, segment_units);
    segment.first_block = index.blocks.size();
    segment.block_count = static_cast<std::uint32_t>(blocks_in(segment.units, stream.block_log2));
    for (std::uint32_t b = 0; b < segment.block_count; b++) {
      const std::uint64_t left = segment.units - b * block_units;
      index.blocks.push_back({0, 0, static_cast<std::uint32_t>(std::min(left, block_units))});
    }
    index.segments.push_back(segment);
  }
}

int coded_planes(const StreamRecord& stream) noexcept {
  switch (stream.codec) {
    case CodecId::kLossless:
      return unit_bytes(stream.dtype);
    case CodecId::kUniform:
      return 1;
    case CodecId::kCodebook:
      return stream.codebook.index_bytes;
    default:
      return 0;
  }
}

bool place_blocks(Index& index, std::uint64_t limit, std::uint64_t& end) noexcept {
  end = kHeaderBytes;
  for (const StreamRecord& stream : index.streams)
    for (std::size_t s = 0; s < stream.segment_count; s++) {
      const SegmentRecord& segment = index.segments[stream.first_segment + s];
      for (std::size_t b = 0; b < segment.block_count; b++) {
        BlockRecord& block = index.blocks[segment.first_block + b];
        block.offset = align_up(end, block_alignment(stream.codec, block.units));
        end = block.offset + block.size;
        if (end > limit) return false;
      }
    }
  return true;
}

std::uint64_t block_bytes(const Index& index, const StreamRecord& stream) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < stream.segment_count; i++) {
    const SegmentRecord& segment = index.segments[stream.first_segment + i];
    for (std::uint32_t b = 0; b < segment.block_count; b++) bytes += index.blocks[segment.first_block + b].size;
  }
  return bytes;
}

}  // namespace weft::archive
