#include <algorithm>

#include "archive/bytes.hpp"
#include "archive/codebook_index.hpp"
#include "archive/index.hpp"
#include "archive/trellis_index.hpp"
#include "formats/safetensors.hpp"
#include "weft/error.hpp"

namespace weft::archive {
namespace {

void put_section(ByteWriter& out, std::uint8_t id, ByteWriter& section) {
  out.put_u8(id);
  out.put_varint(section.bytes().size());
  out.bytes().insert(out.bytes().end(), section.bytes().begin(), section.bytes().end());
}

void put_files(ByteWriter& out, const Index& index) {
  out.put_varint(index.is_folder ? 1 : 0);
  out.put_varint(index.files.size());
  for (std::size_t i = 0; i < index.files.size(); i++) {
    const FileInfo& file = index.files[i];
    out.put_varint(static_cast<std::uint64_t>(file.kind));
    out.put_string(file.name);
    if (file.kind == FileInfo::Kind::kAsset) {
      out.put_varint(index.asset_streams[i]);
      continue;
    }
    out.put_varint(file.tensor_count);
    const std::span tensors(index.tensors.data() + file.first_tensor, file.tensor_count);
    if (file.header != formats::canonical_header(tensors, file.metadata, file.has_metadata)) {
      out.put_varint(2);
      out.put_string(file.header);
    } else if (file.has_metadata) {
      out.put_varint(1);
      out.put_varint(file.metadata.size());
      for (const auto& [key, value] : file.metadata) {
        out.put_string(key);
        out.put_string(value);
      }
    } else {
      out.put_varint(0);
    }
  }
}

void put_tensors(ByteWriter& out, const Index& index) {
  out.put_varint(index.tensors.size());
  for (const auto& t : index.tensors) out.put_varint(t.name.size());
  for (const auto& t : index.tensors) out.put_bytes(t.name);
  for (const auto& t : index.tensors) out.put_u8(static_cast<std::uint8_t>(t.dtype));
  for (const auto& t : index.tensors) out.put_varint(t.shape.size());
  for (const auto& t : index.tensors)
    for (const std::uint64_t dimension : t.shape) out.put_varint(dimension);
  std::int64_t previous = 0;
  for (const auto& place : index.places) {
    const auto stream = static_cast<std::int64_t>(place.stream);
    out.put_signed_varint(stream - previous);
    previous = stream;
  }
}

void put_tables(ByteWriter& out, const Index& index) {
  out.put_varint(index.tables.size());
  for (const auto& table : index.tables) {
    out.put_u8(table.pair_base ? 1 + *table.pair_base : 0);
    out.put_u8(table.first);
    out.put_u8(table.frequencies.size() - 1);
    for (const std::uint16_t f : table.frequencies) out.put_varint(f);
  }
  put_shapes(out, index.shapes);
  put_codebooks(out, index.codebooks);
}

void put_stream(ByteWriter& out, const Index& index, const StreamRecord& stream) {
  out.put_u8(static_cast<std::uint8_t>(stream.codec));
  out.put_u8(stream.block_log2);
  out.put_u8(stream.segment_log2);
  if (stream.codec == CodecId::kAsset) out.put_varint(stream.units);
  if (stream.codec == CodecId::kUniform) {
    out.put(stream.uniform.fine_step);
    out.put_u8(stream.uniform.low_bits);
    out.put_u8(stream.uniform.scale_codes.empty() ? 0 : 1);
    if (!stream.uniform.scale_codes.empty()) {
      out.put_varint(stream.uniform.inner);
      out.put_varint(stream.uniform.scale_codes.size());
      for (const std::uint8_t code : stream.uniform.scale_codes) out.put_u8(code);
    }
  }
  if (stream.codec == CodecId::kCodebook) put_codebook_stream(out, stream.codebook);
  if (stream.codec == CodecId::kTrellis) put_trellis(out, stream.trellis);
  const std::span segments(index.segments.data() + stream.first_segment, stream.segment_count);
  for (const auto& segment : segments) {
    for (int p = 0; p < coded_planes(stream); p++) out.put_varint(segment.tables[static_cast<std::size_t>(p)]);
    if (has_corrections(stream.codec))
      for (const std::int8_t c : segment.corrections) out.put(c);
  }
  for (const auto& segment : segments)
    for (std::uint32_t b = 0; b < segment.block_count; b++) out.put_varint(index.blocks[segment.first_block + b].size);
}

constexpr std::uint8_t kFirstCodedSection = 5;

}  // namespace

std::vector<std::byte> serialize_index(const Index& index) {
  ByteWriter files, tensors, tables, streams, codes, taps, out;
  put_files(files, index);
  put_tensors(tensors, index);
  put_tables(tables, index);
  streams.put_varint(index.streams.size());
  for (const auto& stream : index.streams) put_stream(streams, index, stream);
  put_section(out, 1, files);
  put_section(out, 2, tensors);
  put_section(out, 3, tables);
  put_section(out, 4, streams);
  put_scale_codes(codes, index);
  put_section(out, kFirstCodedSection, codes);
  put_taps(taps, index);
  put_section(out, kFirstCodedSection + 1, taps);
  return std::move(out.bytes());
}

std::size_t coded_tail(std::span<const std::byte> serialized) {
  ByteReader in(serialized, [](const char* what) { throw Error(ErrorKind::kInternal, what); });
  while (in.get_u8() != kFirstCodedSection) (void)in.take(in.get_varint());
  (void)in.get_varint();
  return in.left();
}

}  // namespace weft::archive
