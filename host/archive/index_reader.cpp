// Nothing here believes a number before it has been compared with the bytes that are left or the file's size.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "archive/block.hpp"
#include "archive/bytes.hpp"
#include "archive/codebook_index.hpp"
#include "archive/index.hpp"
#include "archive/trellis_index.hpp"
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

// `header_kinds` says, per file, how its header is stored; it is made once the tensors are known.
void read_files(ByteReader& in, Index& index, std::vector<std::uint64_t>& header_kinds) {
  const std::uint64_t layout = in.get_varint();
  check(layout <= 1, "unknown layout of files");
  index.is_folder = layout == 1;
  const std::size_t count = in.get_count(3);
  check(index.is_folder || count == 1, "a single file is announced, but there are several");
  std::vector<std::string_view> names;
  std::size_t next_tensor = 0;
  index.files.reserve(count);
  for (std::size_t i = 0; i < count; i++) {
    FileInfo file;
    std::uint64_t header_kind = 0;
    const std::uint64_t kind = in.get_varint();
    check(kind <= 1, "unknown kind of file");
    file.kind = static_cast<FileInfo::Kind>(kind);
    const std::string_view name = in.get_string();
    if (const std::string fault = file_name_fault(name); !fault.empty()) fail_text(fault);
    names.push_back(name);
    file.name = name;
    std::size_t asset_stream = 0;
    if (file.kind == FileInfo::Kind::kAsset) {
      asset_stream = in.get_varint();
    } else {
      file.first_tensor = next_tensor;
      file.tensor_count = in.get_varint();
      check(file.tensor_count <= SIZE_MAX - next_tensor, "a count of tensors is too large");
      next_tensor += file.tensor_count;
      header_kind = in.get_varint();
      check(header_kind <= 2, "unknown kind of header");
      if (header_kind == 2) file.header = in.get_string();
      if (header_kind == 1) {
        file.has_metadata = true;
        const std::size_t pairs = in.get_count();
        file.metadata.reserve(pairs);
        std::vector<std::string_view> keys;
        for (std::size_t k = 0; k < pairs; k++) {
          const std::string_view key = in.get_string();
          keys.push_back(key);
          file.metadata.emplace_back(key, in.get_string());
        }
        check_distinct(keys, "a key of the metadata of a file occurs twice");
      }
    }
    index.asset_streams.push_back(asset_stream);
    index.files.push_back(std::move(file));
    header_kinds.push_back(header_kind);
  }
  check_distinct(names, "two files have the same name");
  in.expect_end("the section of files is longer than its content");
}

void read_tensors(ByteReader& in, Index& index) {
  const std::size_t count = in.get_count(4);
  std::size_t owned = 0;
  for (const auto& file : index.files) owned += file.tensor_count;
  check(owned == count, "the files do not have as many tensors as the index");
  index.tensors.resize(count);
  index.places.resize(count);
  std::vector<std::uint64_t> sizes(count);
  for (auto& size : sizes) size = in.get_varint();
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < count; i++) {
    const auto bytes = in.take(sizes[i]);
    const std::string_view name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    names.push_back(name);
    index.tensors[i].name = name;
  }
  check_distinct(names, "two tensors have the same name");
  for (auto& tensor : index.tensors) {
    const auto dtype = dtype_from_wire(in.get_u8());
    check(dtype.has_value(), "unknown element type");
    tensor.dtype = *dtype;
  }
  for (auto& tensor : index.tensors) {
    const std::uint64_t rank = in.get_varint();
    check(rank <= kMaxRank, "a tensor has too many dimensions");
    tensor.shape.resize(rank);
  }
  for (auto& tensor : index.tensors) {
    for (auto& dimension : tensor.shape) dimension = in.get_varint();
    tensor.elements = 1;
    for (const std::uint64_t d : tensor.shape)
      tensor.elements = checked_multiply(tensor.elements, d, "a tensor is too large");
    const std::uint64_t bits =
        checked_multiply(tensor.elements, static_cast<std::uint64_t>(bits_of(tensor.dtype)), "a tensor is too large");
    check(bits % 8 == 0, "a tensor does not end at a whole byte");
    tensor.bytes = bits / 8;
  }
  std::int64_t stream = 0;
  for (auto& place : index.places) {
    check(!__builtin_add_overflow(stream, in.get_signed_varint(), &stream) && stream >= 0,
          "a stream number is negative");
    place.stream = static_cast<std::size_t>(stream);
  }
  in.expect_end("the section of tensors is longer than its content");
}

void read_tables(ByteReader& in, Index& index) {
  const std::size_t count = in.get_count();
  index.tables.reserve(count);
  for (std::size_t i = 0; i < count; i++) {
    FrequencyTable table;
    if (const std::uint8_t pairs = in.get_u8(); pairs > 0) {
      check(pairs - 1u <= core::kLastPairBase, "a table of pairs has symbols above 255");
      table.pair_base = static_cast<std::uint8_t>(pairs - 1);
    }
    table.first = in.get_u8();
    const std::size_t symbols = std::size_t{in.get_u8()} + 1;
    check(table.first + symbols <= 256, "a frequency table has symbols above 255");
    std::uint64_t sum = 0, present = 0;
    for (std::size_t k = 0; k < symbols; k++) {
      const std::uint64_t f = in.get_varint();
      check(f < core::kProbScale, "a frequency is too large");
      sum += f;
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
  in.expect_end("the section of tables is longer than its content");
}

void read_uniform(ByteReader& in, const Index& index, StreamRecord& stream) {
  check(stream.members.size() == 1 && is_quantizable(stream.dtype), "a uniform stream needs one tensor of floats");
  UniformStream& u = stream.uniform;
  u.fine_step = in.get<float>();
  check(std::isnormal(u.fine_step) && u.fine_step > 0, "a step is not a positive normal number");
  u.low_bits = in.get_u8();
  check(u.low_bits == 0 || u.low_bits == 4 || u.low_bits == 8, "an invalid number of low bits");
  const std::uint8_t channels = in.get_u8();
  check(channels <= 1, "an invalid channel mode");
  if (channels == 0) return;
  u.inner = in.get_varint();
  const std::uint64_t dim = in.get_count();
  check(u.inner > 0 && dim > 0, "channels of no size");
  const std::uint64_t period = checked_multiply(u.inner, dim, "channels are too large");
  check(index.tensors[stream.members[0]].elements % period == 0, "channels do not divide their tensor");
  for (std::uint64_t c = 0; c < dim; c++) {
    u.scale_codes.push_back(in.get_u8());
    check(std::isnormal(cpu::channel_step(u.fine_step, u.scale_codes.back())),
          "a channel's step is not a normal number");
  }
}

void read_segments(ByteReader& in, Index& index, StreamRecord& stream) {
  check(blocks_in(stream.units, stream.block_log2) <= in.left(), "a stream has more blocks than the index has bytes");
  lay_out_stream(index, stream);
  for (std::size_t s = 0; s < stream.segment_count; s++) {
    SegmentRecord& segment = index.segments[stream.first_segment + s];
    for (int p = 0; p < coded_planes(stream); p++) {
      const std::uint64_t table = in.get_varint();
      check(table <= index.tables.size(), "a segment names a frequency table that does not exist");
      segment.tables[static_cast<std::size_t>(p)] = static_cast<std::uint32_t>(table);
    }
    if (has_corrections(stream.codec))
      for (auto& c : segment.corrections) c = in.get<std::int8_t>();
  }
  for (std::size_t s = 0; s < stream.segment_count; s++) {
    const SegmentRecord& segment = index.segments[stream.first_segment + s];
    for (std::uint32_t b = 0; b < segment.block_count; b++) {
      const std::uint64_t size = in.get_varint();
      check(size <= UINT32_MAX, "a block is too large");
      index.blocks[segment.first_block + b].size = static_cast<std::uint32_t>(size);
    }
  }
}

void read_streams(ByteReader& in, Index& index, std::vector<std::uint64_t>& code_counts) {
  const std::size_t count = in.get_count(3);
  index.streams.resize(count);
  for (std::size_t i = 0; i < index.tensors.size(); i++) {
    TensorPlace& place = index.places[i];
    check(place.stream < count, "a tensor names a stream that does not exist");
    StreamRecord& stream = index.streams[place.stream];
    const TensorInfo& tensor = index.tensors[i];
    check(stream.members.empty() || stream.dtype == tensor.dtype, "tensors of different types share a stream");
    stream.dtype = tensor.dtype;
    stream.members.push_back(i);
    place.first_unit = stream.units;
    place.units = tensor.bytes / static_cast<std::uint64_t>(unit_bytes(tensor.dtype));
    check(!__builtin_add_overflow(stream.units, place.units, &stream.units), "a stream is too large");
  }
  std::vector<bool> is_asset(count);
  for (std::size_t f = 0; f < index.files.size(); f++) {
    if (index.files[f].kind != FileInfo::Kind::kAsset) continue;
    const std::size_t s = index.asset_streams[f];
    check(s < count && index.streams[s].members.empty() && !is_asset[s], "an asset names a stream that is not its own");
    is_asset[s] = true;
  }
  for (std::size_t s = 0; s < count; s++) {
    StreamRecord& stream = index.streams[s];
    const std::uint8_t codec = in.get_u8();
    check(codec <= static_cast<std::uint8_t>(CodecId::kTrellis), "unknown codec");
    stream.codec = static_cast<CodecId>(codec);
    check((stream.codec == CodecId::kAsset) == is_asset[s] && (is_asset[s] || !stream.members.empty()),
          "a stream belongs to no tensor or asset, or has the wrong codec");
    stream.block_log2 = in.get_u8();
    stream.segment_log2 = in.get_u8();
    check(stream.block_log2 >= kMinBlockLog2 &&
              stream.block_log2 <= (is_asset[s] ? kMaxAssetBlockLog2 : kMaxBlockLog2) &&
              stream.segment_log2 >= stream.block_log2 && stream.segment_log2 <= kMaxSegmentLog2,
          "an invalid size of blocks or segments");
    if (is_asset[s]) stream.units = in.get_varint();
    if (stream.codec == CodecId::kUniform) read_uniform(in, index, stream);
    if (stream.codec == CodecId::kCodebook) read_codebook_stream(in, index.codebooks, stream);
    if (stream.codec == CodecId::kTrellis) read_trellis(in, stream.units, index.shapes.size(), stream, code_counts);
    read_segments(in, index, stream);
  }
  in.expect_end("the section of streams is longer than its content");
}

formats::SafetensorsHeader parse_stored_header(std::string_view text, std::uint64_t data, const std::string& file) {
  try {
    return formats::parse_safetensors_header(text, data, file);
  } catch (const Error& error) {
    fail_text(fmt::format("a stored header is wrong: {}", error.what()));
  }
}

void finish_files(Index& index, const std::vector<std::uint64_t>& header_kinds) {
  for (std::size_t f = 0; f < index.files.size(); f++) {
    FileInfo& file = index.files[f];
    if (file.kind == FileInfo::Kind::kAsset) {
      file.bytes = index.streams[index.asset_streams[f]].units;
      continue;
    }
    const std::span tensors(index.tensors.data() + file.first_tensor, file.tensor_count);
    std::uint64_t data = 0;
    for (const auto& t : tensors) check(!__builtin_add_overflow(data, t.bytes, &data), "a file is too large");
    if (header_kinds[f] == 2) {
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

Index parse_index(std::span<const std::byte> bytes, std::uint64_t payload_end) {
  Index index;
  std::vector<std::uint64_t> header_kinds;
  ByteReader in(bytes, fail);
  const auto section = [&](std::uint8_t id) {
    check(in.get_u8() == id, "a section is missing or unknown");
    return ByteReader(in.take(in.get_varint()), fail);
  };
  auto files = section(1);
  read_files(files, index, header_kinds);
  auto tensors = section(2);
  read_tensors(tensors, index);
  auto tables = section(3);
  read_tables(tables, index);
  auto streams = section(4);
  std::vector<std::uint64_t> code_counts;
  read_streams(streams, index, code_counts);
  auto codes = section(5);
  read_scale_codes(codes, code_counts, index);
  codes.expect_end("the section of scale codes is longer than its content");
  auto taps = section(6);
  read_taps(taps, index);
  taps.expect_end("the section of taps is longer than its content");
  in.expect_end("there are bytes after the last section");
  std::uint64_t end = 0;
  check(place_blocks(index, payload_end, end), "the blocks run past the end of the payload");
  check(end == payload_end, "the blocks do not fill the payload");
  finish_files(index, header_kinds);
  return index;
}

}  // namespace weft::archive
