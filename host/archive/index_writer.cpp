#include <algorithm>

#include "archive/codebook_index.hpp"
#include "archive/index.hpp"
#include "archive/index_state.hpp"
#include "archive/numbers.hpp"
#include "archive/scale_index.hpp"
#include "archive/trellis_index.hpp"
#include "archive/zstd_frame.hpp"
#include "formats/safetensors.hpp"
#include "weft/error.hpp"

namespace weft::archive {
namespace {

constexpr int kTextLevel = 19;

HeaderKind header_kind(const Index& index, const FileInfo& file) {
  const std::span tensors(index.tensors.data() + file.first_tensor, file.tensor_count);
  if (file.header != formats::canonical_header(tensors, file.metadata, file.has_metadata)) return kVerbatim;
  return file.has_metadata ? kMetadata : kNoMetadata;
}

// All texts, in the order in which the numbers come to them.
std::string texts_of(const Index& index, const std::vector<HeaderKind>& kinds) {
  std::string texts;
  const auto put = [&](const std::string& text) { (texts += text) += kTextEnd; };
  for (std::size_t f = 0; f < index.files.size(); f++) {
    const FileInfo& file = index.files[f];
    put(file.name);
    if (file.kind == FileInfo::Kind::kAsset) continue;
    if (kinds[f] == kVerbatim) put(file.header);
    if (kinds[f] != kMetadata) continue;
    for (const auto& [key, value] : file.metadata) {
      put(key);
      put(value);
    }
  }
  for (const TensorInfo& tensor : index.tensors) put(tensor.name);
  return texts;
}

void put_files(NumberWriter& out, const Index& index, const std::vector<HeaderKind>& kinds) {
  out.put_flag(Field::kLayout, index.is_folder);
  out.put(Field::kFiles, index.files.size());
  for (std::size_t f = 0; f < index.files.size(); f++) {
    const FileInfo& file = index.files[f];
    out.put(Field::kFileKind, static_cast<std::uint64_t>(file.kind));
    if (file.kind == FileInfo::Kind::kAsset) {
      out.put(Field::kAssetStream, index.asset_streams[f]);
      continue;
    }
    out.put(Field::kTensors, file.tensor_count);
    out.put(Field::kHeader, kinds[f]);
    if (kinds[f] == kMetadata) out.put(Field::kPairs, file.metadata.size());
  }
}

void put_tensors(NumberWriter& out, const Index& index) {
  LastDimensions dimensions;
  Joins joins;
  int type = kFirstType;
  std::size_t rank = 0;
  for (std::size_t t = 0; t < index.tensors.size(); t++) {
    const TensorInfo& tensor = index.tensors[t];
    out.put_signed(Field::kType, static_cast<int>(tensor.dtype) - type);
    type = static_cast<int>(tensor.dtype);
    out.put(Field::kRank, tensor.shape.size(), kind_of_rank(rank));
    rank = tensor.shape.size();
    for (std::size_t i = 0; i < rank; i++) {
      const std::uint64_t dimension = tensor.shape[i];
      const std::size_t known = dimensions.find(dimension);
      out.put(Field::kKnown, known, kind_of_dimension(i, rank));
      if (known == 0) out.put(Field::kDimension, dimension);
      dimensions.use(dimension);
    }
    const std::size_t stream = index.places[t].stream;
    const Join join = joins.of(stream);
    out.put(Field::kJoin, join, kind_of_join(rank));
    if (join == kNamedStream) out.put(Field::kStream, stream);
    joins.use(stream, join);
  }
}

void put_tables(NumberWriter& out, const Index& index) {
  out.put(Field::kTables, index.tables.size());
  for (const auto& table : index.tables) {
    out.put(Field::kPairsOf, table.pair_base ? 1u + *table.pair_base : 0u);
    out.put(Field::kFirstSymbol, table.first);
    out.put(Field::kSymbols, table.frequencies.size() - 1);
    std::uint64_t before = 0;
    for (const std::uint16_t f : table.frequencies) {
      out.put(Field::kFrequency, f, kind_of_frequency(before));
      before = f;
    }
  }
  put_shapes(out, index.shapes);
  put_codebooks(out, index.codebooks);
}

void put_uniform(NumberWriter& out, const UniformStream& uniform, LastStream& last) {
  put_step(out, uniform.fine_step, last);
  out.put(Field::kLowBits, uniform.low_bits);
  out.put(Field::kChannels, uniform.scale_codes.size());
  if (uniform.scale_codes.empty()) return;
  out.put(Field::kInner, uniform.inner);
  int before = kFirstScale;
  for (const std::uint8_t code : uniform.scale_codes) {
    out.put_signed(Field::kScale, code - before);
    before = code;
  }
}

void put_stream(NumberWriter& out, const Index& index, const StreamRecord& stream, LastStream& last) {
  out.put(Field::kCodec, static_cast<std::uint64_t>(stream.codec));
  out.put_signed(Field::kBlock, stream.block_log2 - last.block_log2);
  out.put_signed(Field::kSegment, stream.segment_log2 - last.segment_log2);
  last.block_log2 = stream.block_log2;
  last.segment_log2 = stream.segment_log2;
  if (stream.codec == CodecId::kAsset) out.put(Field::kUnits, stream.units);
  if (stream.codec == CodecId::kUniform) put_uniform(out, stream.uniform, last);
  if (stream.codec == CodecId::kCodebook) put_codebook_stream(out, stream.codebook);
  if (stream.codec == CodecId::kTrellis)
    put_trellis(out, stream.trellis, index.tensors[stream.members.front()].shape, last);
  if (may_have_classes(stream.codec)) put_scales(out, stream.scales, index.tensors[stream.members.front()].shape, last);
  const std::span segments(index.segments.data() + stream.first_segment, stream.segment_count);
  for (const auto& segment : segments) {
    const bool by_class = !segment.class_tables.empty();
    if (!stream.scales.factors.empty()) out.put_flag(Field::kByClass, by_class);
    put_class_tables(out, segment, last);
    for (int p = by_class ? 1 : 0; p < coded_planes(stream); p++)
      out.put(Field::kTable, segment.tables[static_cast<std::size_t>(p)], static_cast<std::uint64_t>(p));
    for (std::size_t j = 0; j < segment.corrections.size() && has_corrections(stream.codec); j++)
      out.put_signed(Field::kCorrection, segment.corrections[j], j);
  }
  for (const auto& segment : segments)
    for (std::uint32_t b = 0; b < segment.block_count; b++) {
      const BlockRecord& block = index.blocks[segment.first_block + b];
      const std::int64_t expected = last.sizes.of(stream.codec, block.units);
      out.put_signed(Field::kSize, std::int64_t{block.size} - expected, static_cast<std::uint64_t>(stream.codec));
      last.sizes.use(stream.codec, block);
    }
}

}  // namespace

StoredIndex store_index(const Index& index) {
  std::vector<HeaderKind> kinds;
  for (const FileInfo& file : index.files) kinds.push_back(header_kind(index, file));
  const std::string texts = texts_of(index, kinds);
  StoredIndex stored;
  const std::size_t size = write_zstd_frame(std::as_bytes(std::span(texts)), kTextLevel, stored.bytes);
  const bool is_frame = size < texts.size() && texts.size() <= size * kMaxTextRatio + kTextSlack;
  if (!is_frame) {
    const auto plain = std::as_bytes(std::span(texts));
    stored.bytes.assign(plain.begin(), plain.end());
  }
  if (stored.bytes.size() > UINT32_MAX)
    throw Error(ErrorKind::kUnsupported, "the network's names and headers exceed 4 GiB");
  stored.text_bytes = static_cast<std::uint32_t>(stored.bytes.size());
  NumberWriter out;
  out.put(Field::kTextBytes, texts.size());
  out.put_flag(Field::kTextCoding, is_frame);
  put_files(out, index, kinds);
  put_tensors(out, index);
  put_tables(out, index);
  out.put(Field::kStreams, index.streams.size());
  LastStream last;
  for (const auto& stream : index.streams) put_stream(out, index, stream, last);
  const std::vector<std::byte> numbers = out.finish();
  stored.bytes.insert(stored.bytes.end(), numbers.begin(), numbers.end());
  return stored;
}

}  // namespace weft::archive
