// Nothing here believes a number before it has been compared with the bytes that are left or the file's size.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "archive/block.hpp"
#include "archive/codebook_index.hpp"
#include "archive/index.hpp"
#include "archive/index_state.hpp"
#include "archive/scale_index.hpp"
#include "archive/trellis_index.hpp"
#include "archive/zstd_frame.hpp"
#include "backends/cpu/uniform_steps.hpp"
#include "formats/safetensors.hpp"
#include "text/utf8.hpp"
#include "weft/core/pairs.hpp"
#include "weft/core/rans_params.hpp"
#include "weft/error.hpp"

namespace weft::archive {
namespace {

[[noreturn]] void fail(const char* what) {
  throw Error(ErrorKind::kArchive, fmt::format("the index is corrupt: {}", what));
}
[[noreturn]] void fail_text(const std::string& what) { fail(what.c_str()); }

void check(bool ok, const char* what) {
  if (!ok) fail(what);
}

std::uint64_t checked_multiply(std::uint64_t a, std::uint64_t b, const char* what) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) fail(what);
  return product;
}

// By sorting: a hash set could be made slow by names that were chosen for it.
void check_distinct(std::vector<std::string_view>& names, const char* what) {
  std::sort(names.begin(), names.end());
  check(std::adjacent_find(names.begin(), names.end()) == names.end(), what);
}

// How each file's header is stored; it is made once the tensors are known.
using HeaderKinds = std::vector<std::uint64_t>;

void read_files(NumberReader& in, Index& index, HeaderKinds& header_kinds) {
  index.is_folder = in.get_flag(Field::kLayout);
  const std::size_t count = in.get_count(Field::kFiles);
  check(count <= in.texts_left(), "there are more files than names");
  in.require_numbers(2 * count, "there are more files than what is left of the index");
  check(index.is_folder || count == 1, "a single file is announced, but there are several");
  std::vector<std::string_view> names;
  std::size_t next_tensor = 0;
  for (std::size_t i = 0; i < count; i++) {
    FileInfo file;
    std::uint64_t header_kind = kNoMetadata;
    file.kind = static_cast<FileInfo::Kind>(in.get_flag(Field::kFileKind));
    const std::string_view name = in.get_text();
    if (const std::string fault = file_name_fault(name); !fault.empty()) fail_text(fault);
    names.push_back(name);
    file.name = name;
    std::size_t asset_stream = 0;
    if (file.kind == FileInfo::Kind::kAsset) {
      asset_stream = in.get(Field::kAssetStream);
    } else {
      file.first_tensor = next_tensor;
      file.tensor_count = in.get_count(Field::kTensors);
      check(file.tensor_count <= SIZE_MAX - next_tensor, "a count of tensors is too large");
      next_tensor += file.tensor_count;
      header_kind = in.get(Field::kHeader);
      check(header_kind <= kVerbatim, "unknown kind of header");
      if (header_kind == kVerbatim) file.header = in.get_text();
      if (header_kind == kMetadata) {
        file.has_metadata = true;
        const std::uint64_t pairs = in.get(Field::kPairs);
        std::vector<std::string_view> keys;
        for (std::uint64_t k = 0; k < pairs; k++) {
          const std::string_view key = in.get_text();
          keys.push_back(key);
          file.metadata.emplace_back(key, in.get_text());
        }
        check_distinct(keys, "a key of the metadata of a file occurs twice");
      }
    }
    index.asset_streams.push_back(asset_stream);
    index.files.push_back(std::move(file));
    header_kinds.push_back(header_kind);
  }
  check_distinct(names, "two files have the same name");
}

std::uint64_t read_dimension(NumberReader& in, LastDimensions& dimensions, std::uint64_t kind) {
  const std::uint64_t known = in.get(Field::kKnown, kind);
  check(known <= dimensions.count(), "a tensor has a dimension that none has had");
  const std::uint64_t dimension = known == 0 ? in.get(Field::kDimension) : dimensions[known];
  dimensions.use(dimension);
  return dimension;
}

std::size_t read_join(NumberReader& in, Joins& joins, std::uint64_t kind) {
  const std::uint64_t join = in.get(Field::kJoin, kind);
  check(join <= kNamedStream && (join != kLastJoined || joins.last()), "a tensor has no stream");
  const std::size_t stream = join == kNewStream    ? joins.next()
                             : join == kLastJoined ? *joins.last()
                                                   : static_cast<std::size_t>(in.get(Field::kStream));
  check(stream < SIZE_MAX, "a tensor names a stream that does not exist");
  joins.use(stream, static_cast<Join>(join));
  return stream;
}

void read_tensors(NumberReader& in, Index& index) {
  std::size_t count = 0;
  for (const auto& file : index.files) count += file.tensor_count;
  check(count <= in.texts_left(), "there are more tensors than names");
  in.require_numbers(3 * count, "there are more tensors than what is left of the index");  // before they are allocated
  index.tensors.resize(count);
  index.places.resize(count);
  std::vector<std::string_view> names;
  LastDimensions dimensions;
  Joins joins;
  std::int64_t type = kFirstType;
  std::size_t rank = 0;
  for (std::size_t t = 0; t < count; t++) {
    TensorInfo& tensor = index.tensors[t];
    const std::string_view name = in.get_text();
    names.push_back(name);
    tensor.name = name;
    type = in.get_next(Field::kType, type, 0, kDTypeCount - 1, "unknown element type");
    tensor.dtype = static_cast<DType>(type);
    rank = in.get(Field::kRank, kind_of_rank(rank));
    check(rank <= kMaxRank, "a tensor has too many dimensions");
    tensor.elements = 1;
    for (std::size_t i = 0; i < rank; i++) {
      tensor.shape.push_back(read_dimension(in, dimensions, kind_of_dimension(i, rank)));
      tensor.elements = checked_multiply(tensor.elements, tensor.shape.back(), "a tensor is too large");
    }
    const std::uint64_t bits =
        checked_multiply(tensor.elements, static_cast<std::uint64_t>(bits_of(tensor.dtype)), "a tensor is too large");
    check(bits % 8 == 0, "a tensor does not end at a whole byte");
    tensor.bytes = bits / 8;
    index.places[t].stream = read_join(in, joins, kind_of_join(rank));
  }
  check_distinct(names, "two tensors have the same name");
}

void read_tables(NumberReader& in, Index& index) {
  const std::size_t count = in.get_count(Field::kTables);
  for (std::size_t i = 0; i < count; i++) {
    FrequencyTable table;
    if (const std::uint64_t pairs = in.get(Field::kPairsOf); pairs > 0) {
      check(pairs - 1 <= core::kLastPairBase, "a table of pairs has symbols above 255");
      table.pair_base = static_cast<std::uint8_t>(pairs - 1);
    }
    const std::uint64_t first = in.get(Field::kFirstSymbol), more = in.get(Field::kSymbols);
    check(first < 256 && more < 256 - first, "a frequency table has symbols above 255");
    table.first = static_cast<std::uint8_t>(first);
    std::uint64_t sum = 0, present = 0, before = 0;
    for (std::uint64_t k = 0; k <= more; k++) {
      const std::uint64_t f = in.get(Field::kFrequency, kind_of_frequency(before));
      check(f < core::kProbScale, "a frequency is too large");
      sum += before = f;
      present += f != 0;
      table.frequencies.push_back(static_cast<std::uint16_t>(f));
    }
    check(sum == core::kProbScale && present >= 2, "the frequencies of a table do not sum to 4096");
    check(table.frequencies.front() != 0 && table.frequencies.back() != 0,
          "a frequency table begins or ends with zero");
    index.tables.push_back(std::move(table));
  }
  read_shapes(in, index.shapes);
  read_codebooks(in, index.codebooks);
}

void read_uniform(NumberReader& in, const Index& index, LastStream& last, StreamRecord& stream) {
  check(stream.members.size() == 1 && is_quantizable(stream.dtype), "a uniform stream needs one tensor of floats");
  UniformStream& u = stream.uniform;
  u.fine_step = get_step(in, last);
  const std::uint64_t low_bits = in.get(Field::kLowBits);
  check(low_bits == 0 || low_bits == 4 || low_bits == 8, "an invalid number of low bits");
  u.low_bits = static_cast<std::uint8_t>(low_bits);
  const std::size_t dim = in.get_count(Field::kChannels);
  if (dim == 0) return;
  u.inner = in.get(Field::kInner);
  check(u.inner > 0, "channels of no size");
  const std::uint64_t period = checked_multiply(u.inner, dim, "channels are too large");
  check(index.tensors[stream.members[0]].elements % period == 0, "channels do not divide their tensor");
  std::int64_t code = kFirstScale;
  for (std::size_t c = 0; c < dim; c++) {
    code = in.get_next(Field::kScale, code, 0, 255, "a channel's scale is out of range");
    u.scale_codes.push_back(static_cast<std::uint8_t>(code));
    check(std::isnormal(cpu::channel_step(u.fine_step, u.scale_codes.back())),
          "a channel's step is not a normal number");
  }
}

void read_segments(NumberReader& in, Index& index, std::uint64_t payload_end, LastStream& last, StreamRecord& stream) {
  const std::uint64_t blocks = blocks_in(stream.units, stream.block_log2);
  in.require_numbers(blocks, "a stream has more blocks than what is left of the index");
  check(blocks <= payload_end / kFewestBlockBytes - std::min(index.blocks.size(), payload_end / kFewestBlockBytes),
        "a stream has more blocks than the archive has bytes");
  lay_out_stream(index, stream);
  const bool has_classes = !stream.scales.factors.empty();
  const trellis::ClassRange classes = trellis::class_range(stream.scales);
  for (std::size_t s = 0; s < stream.segment_count; s++) {
    SegmentRecord& segment = index.segments[stream.first_segment + s];
    const bool by_class = has_classes && in.get_flag(Field::kByClass);
    if (by_class) read_class_tables(in, classes, index.tables, last, segment);
    for (int p = by_class ? 1 : 0; p < coded_planes(stream); p++) {
      const std::uint64_t table = in.get(Field::kTable, static_cast<std::uint64_t>(p));
      check(table <= index.tables.size(), "a segment names a frequency table that does not exist");
      segment.tables[static_cast<std::size_t>(p)] = static_cast<std::uint32_t>(table);
    }
    for (std::size_t j = 0; j < segment.corrections.size() && has_corrections(stream.codec); j++)
      segment.corrections[j] = static_cast<std::int8_t>(
          in.get_next(Field::kCorrection, 0, -128, 127, "a correction of reconstruction points is out of range", j));
  }
  for (std::size_t s = 0; s < stream.segment_count; s++) {
    const SegmentRecord& segment = index.segments[stream.first_segment + s];
    for (std::uint32_t b = 0; b < segment.block_count; b++) {
      BlockRecord& block = index.blocks[segment.first_block + b];
      block.size = static_cast<std::uint32_t>(in.get_next(Field::kSize, last.sizes.of(stream.codec, block.units), 0,
                                                          UINT32_MAX, "a block is too large or of negative size",
                                                          static_cast<std::uint64_t>(stream.codec)));
      last.sizes.use(stream.codec, block);
    }
  }
}

// Gives streams their members, and assets their streams; returns which of them are assets'.
std::vector<bool> join_streams(Index& index) {
  for (std::size_t i = 0; i < index.tensors.size(); i++) {
    TensorPlace& place = index.places[i];
    check(place.stream < index.streams.size(), "a tensor names a stream that does not exist");
    StreamRecord& stream = index.streams[place.stream];
    const TensorInfo& tensor = index.tensors[i];
    check(stream.members.empty() || stream.dtype == tensor.dtype, "tensors of different types share a stream");
    stream.dtype = tensor.dtype;
    stream.members.push_back(i);
    place.first_unit = stream.units;
    place.units = tensor.bytes / static_cast<std::uint64_t>(unit_bytes(tensor.dtype));
    check(!__builtin_add_overflow(stream.units, place.units, &stream.units), "a stream is too large");
  }
  std::vector<bool> is_asset(index.streams.size());
  for (std::size_t f = 0; f < index.files.size(); f++) {
    if (index.files[f].kind != FileInfo::Kind::kAsset) continue;
    const std::size_t s = index.asset_streams[f];
    check(s < index.streams.size() && index.streams[s].members.empty() && !is_asset[s],
          "an asset names a stream that is not its own");
    is_asset[s] = true;
  }
  return is_asset;
}

void read_streams(NumberReader& in, Index& index, std::uint64_t payload_end) {
  const std::size_t count = in.get_count(Field::kStreams);
  check(count <= index.tensors.size() + index.files.size(), "there are more streams than tensors and assets");
  index.streams.resize(count);
  const std::vector<bool> is_asset = join_streams(index);
  LastStream last;
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    StreamRecord& stream = index.streams[s];
    const std::uint64_t codec = in.get(Field::kCodec);
    check(codec <= static_cast<std::uint64_t>(CodecId::kTrellis), "unknown codec");
    stream.codec = static_cast<CodecId>(codec);
    check((stream.codec == CodecId::kAsset) == is_asset[s] && (is_asset[s] || !stream.members.empty()),
          "a stream belongs to no tensor or asset, or has the wrong codec");
    constexpr const char* kSize = "an invalid size of blocks or segments";
    last.block_log2 = static_cast<int>(in.get_next(Field::kBlock, last.block_log2, kMinBlockLog2,
                                                   is_asset[s] ? kMaxAssetBlockLog2 : kMaxBlockLog2, kSize));
    last.segment_log2 =
        static_cast<int>(in.get_next(Field::kSegment, last.segment_log2, last.block_log2, kMaxSegmentLog2, kSize));
    stream.block_log2 = static_cast<std::uint8_t>(last.block_log2);
    stream.segment_log2 = static_cast<std::uint8_t>(last.segment_log2);
    if (is_asset[s]) stream.units = in.get(Field::kUnits);
    if (stream.codec == CodecId::kUniform) read_uniform(in, index, last, stream);
    if (stream.codec == CodecId::kCodebook) read_codebook_stream(in, index.codebooks, stream);
    if (stream.codec == CodecId::kTrellis)
      read_trellis(in, index.tensors[stream.members.front()].shape, index.shapes.size(), last, stream);
    if (may_have_classes(stream.codec)) read_scales(in, index.tensors[stream.members.front()].shape, last, stream);
    read_segments(in, index, payload_end, last, stream);
  }
}

formats::SafetensorsHeader parse_stored_header(std::string_view text, std::uint64_t data, const std::string& file) {
  try {
    return formats::parse_safetensors_header(text, data, file);
  } catch (const Error& error) {
    fail_text(fmt::format("a stored header is wrong: {}", error.what()));
  }
}

void finish_files(Index& index, const HeaderKinds& header_kinds) {
  for (std::size_t f = 0; f < index.files.size(); f++) {
    FileInfo& file = index.files[f];
    if (file.kind == FileInfo::Kind::kAsset) {
      file.bytes = index.streams[index.asset_streams[f]].units;
      continue;
    }
    const std::span tensors(index.tensors.data() + file.first_tensor, file.tensor_count);
    std::uint64_t data = 0;
    for (const auto& t : tensors) check(!__builtin_add_overflow(data, t.bytes, &data), "a file is too large");
    if (header_kinds[f] == kVerbatim) {
      std::string text = std::move(file.header);
      const formats::SafetensorsHeader parsed = parse_stored_header(text, data, file.name);
      check(std::ranges::equal(parsed.tensors, tensors), "a stored header does not name the tensors of its file");
      file.metadata = parsed.metadata;
      file.has_metadata = parsed.has_metadata;
      file.header = std::move(text);
    } else {
      for (const auto& t : tensors) check(t.name != "__metadata__", "a tensor is called __metadata__");
      file.header = formats::canonical_header(tensors, file.metadata, file.has_metadata);
      check(text::is_utf8(file.header), "a tensor's name or metadata is not UTF-8");
    }
    check(!__builtin_add_overflow(data, 8 + file.header.size(), &file.bytes), "a file is too large");
  }
}

}  // namespace

std::string file_name_fault(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes) return "a file's name is empty or too long";
  if (name == "." || name == "..") return "a file's name is a folder's";
  for (const char c : name)
    if (c == '/' || c == '\\' || c == '\0') return "a file's name contains a separator";
  return text::is_utf8(name) ? "" : "a file's name is not UTF-8";
}

Index parse_index(std::span<const std::byte> bytes, std::uint32_t text_bytes, std::uint64_t payload_end) {
  check(text_bytes <= bytes.size(), "it is shorter than its texts");
  const auto stored = bytes.first(text_bytes);
  NumberReader in(bytes.subspan(text_bytes), fail);
  const std::uint64_t size = in.get(Field::kTextBytes);
  const bool is_frame = in.get_flag(Field::kTextCoding);
  check(is_frame ? size / kMaxTextRatio <= stored.size() + kTextSlack / kMaxTextRatio &&
                       size <= stored.size() * kMaxTextRatio + kTextSlack
                 : size == stored.size(),
        "its texts have an impossible size");
  std::string unpacked;
  if (is_frame) {
    unpacked.resize(size);
    const std::string fault = read_zstd_frame(stored, std::as_writable_bytes(std::span(unpacked)));
    if (!fault.empty()) fail_text("its texts cannot be decompressed: " + fault);
  }
  in.set_texts(is_frame ? unpacked : std::string_view(reinterpret_cast<const char*>(stored.data()), stored.size()));
  Index index;
  HeaderKinds header_kinds;
  read_files(in, index, header_kinds);
  read_tensors(in, index);
  read_tables(in, index);
  read_streams(in, index, payload_end);
  in.finish();
  std::uint64_t end = 0;
  check(place_blocks(index, payload_end, end), "the blocks run past the end of the payload");
  check(end == payload_end, "the blocks do not fill the payload");
  finish_files(index, header_kinds);
  return index;
}

}  // namespace weft::archive
