#include "archive/index.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "archive/index_state.hpp"
#include "archive/numbers.hpp"
#include "formats/safetensors.hpp"
#include "support/expect_error.hpp"
#include "weft/core/trellis.hpp"

namespace weft::archive {
namespace {

using testing::expect_error;
using Bytes = std::vector<std::byte>;

TensorInfo tensor(std::string name, DType dtype, std::vector<std::uint64_t> shape) {
  TensorInfo info{std::move(name), dtype, std::move(shape), 1, 0};
  for (const std::uint64_t d : info.shape) info.elements *= d;
  info.bytes = info.elements * static_cast<std::uint64_t>(bits_of(dtype)) / 8;
  return info;
}

void add_file(Index& index, const std::string& name, std::size_t tensors) {
  FileInfo file;
  file.kind = tensors == 0 ? FileInfo::Kind::kAsset : FileInfo::Kind::kSafetensors;
  file.name = name;
  for (const FileInfo& before : index.files) file.first_tensor += before.tensor_count;
  file.tensor_count = tensors;
  index.files.push_back(file);
}

std::size_t add_stream(Index& index, CodecId codec, DType dtype, std::vector<std::size_t> members) {
  StreamRecord stream;
  stream.codec = codec;
  stream.dtype = dtype;
  stream.block_log2 = 10;
  stream.segment_log2 = 11;
  for (const std::size_t t : members) {
    const std::uint64_t units = index.tensors[t].bytes / static_cast<std::uint64_t>(unit_bytes(dtype));
    index.places[t] = {index.streams.size(), stream.units, units};
    stream.units += units;
  }
  stream.members = std::move(members);
  index.streams.push_back(std::move(stream));
  return index.streams.size() - 1;
}

std::vector<float> floats(std::size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), -100.0f);
  return values;
}

// Everything that an index can hold, in one.
Index rich_index() {
  Index index;
  index.is_folder = true;
  add_file(index, "config.json", 0);
  add_file(index, "a.safetensors", 4);
  add_file(index, "b.safetensors", 2);
  add_file(index, "c.safetensors", 4);
  index.tensors = {tensor("scalar", DType::kF32, {}),
                   tensor("empty", DType::kF32, {3, 0, 2}),
                   tensor("weight", DType::kBF16, {50, 100}),
                   tensor("packed", DType::kF4, {2, 4}),
                   tensor("\"quoted\"", DType::kF32, {7}),
                   tensor("complex", DType::kC64, {3}),
                   tensor("channels", DType::kF32, {10, 20, 5}),
                   tensor("book", DType::kF16, {1500}),
                   tensor("trellis", DType::kF32, {6, 20, 5}),
                   tensor("groups", DType::kF32, {3, 5, 7})};
  index.places.resize(index.tensors.size());
  index.tables = {{3, {4095, 1}}, {0, std::vector<std::uint16_t>(256, 16)}, {255 - 2, {1, 0, 4095}}};
  add_stream(index, CodecId::kLossless, DType::kF32, {0, 1, 4});
  add_stream(index, CodecId::kLossless, DType::kBF16, {2});
  add_stream(index, CodecId::kRaw, DType::kF4, {3});
  add_stream(index, CodecId::kLossless, DType::kC64, {5});
  const std::size_t uniform = add_stream(index, CodecId::kUniform, DType::kF32, {6});
  index.streams[uniform].uniform = {0.125f, 4, 5, std::vector<std::uint8_t>(20, 130)};
  const std::size_t codebook = add_stream(index, CodecId::kCodebook, DType::kF16, {7});
  index.streams[codebook].scales = {20, {{1, std::vector<std::int8_t>(1500)}, {500, {0, 2, 1}}}};
  index.codebooks = {{DType::kBF16, 1, {-1.5f, 0.0f, 0.25f}, 0, {}},
                     {DType::kF32, 4, floats(4 * 300), 0, {}},
                     {DType::kF16, 4, {0.5f, 0.25f, -1, 0.5f}, 0, {}}};
  index.streams[codebook].codebook = {{0}, 0, 0, 0, 1, 1};
  index.shapes = {Shape{}, Shape{}};
  index.shapes[0][31] = 4096;
  index.shapes[1][3] = 4000;
  index.shapes[1][9] = 96;
  const std::size_t trellis = add_stream(index, CodecId::kTrellis, DType::kF32, {8});
  index.streams[trellis].trellis = {{-1024, {{20, std::vector<std::int8_t>(30, -128)}, {1, {0, 1, -2, 127}}}},
                                    0.25f,
                                    -core::kMaxOffset,
                                    8,
                                    false,
                                    true,
                                    1,
                                    {-4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
                                    {{}, {-128}, {127, 1}},
                                    {6, 20, 5},
                                    0};
  const std::size_t asset = add_stream(index, CodecId::kAsset, DType::kU8, {});
  index.streams[asset].units = 5000;
  index.asset_streams = {asset, 0, 0, 0};
  const std::size_t groups = add_stream(index, CodecId::kCodebook, DType::kF32, {9});
  index.streams[groups].codebook = {{1, 2, 1}, 7, 5, 2, 4, 2};
  for (StreamRecord& stream : index.streams) lay_out_stream(index, stream);
  for (std::size_t s = 0; s < index.segments.size(); s++) index.segments[s].tables.fill(0);
  SegmentRecord& weight = index.segments[index.streams[1].first_segment + 1];
  weight.tables[0] = 2;
  weight.tables[1] = 3;
  SegmentRecord& channels = index.segments[index.streams[uniform].first_segment];
  channels.tables[0] = 1;
  channels.corrections = {1, -2, 127};
  index.segments[index.streams[codebook].first_segment].class_tables = {1, 0, 1};
  index.segments[index.streams[groups].first_segment].tables[1] = 3;
  for (std::size_t b = 0; b < index.blocks.size(); b++) index.blocks[b].size = static_cast<std::uint32_t>(20 + 300 * b);
  const auto header = [&](std::size_t f) {
    FileInfo& file = index.files[f];
    return formats::canonical_header(std::span(index.tensors).subspan(file.first_tensor, file.tensor_count),
                                     file.metadata, file.has_metadata);
  };
  index.files[1].metadata = {{"format", "pt"}, {"odd \"key\"", ""}};
  index.files[1].has_metadata = true;
  index.files[1].header = header(1);
  index.files[2].header = header(2) + "    ";  // not canonical: kept as it is
  index.files[3].has_metadata = true;
  index.files[3].header = header(3);
  for (FileInfo& file : index.files) {
    file.bytes = file.kind == FileInfo::Kind::kAsset ? 5000 : 8 + file.header.size();
    for (std::size_t t = 0; t < file.tensor_count; t++) file.bytes += index.tensors[file.first_tensor + t].bytes;
  }
  return index;
}

std::uint64_t payload_end(Index& index) {
  std::uint64_t end = 0;
  EXPECT_TRUE(place_blocks(index, UINT64_MAX, end));
  return end;
}

Index parsed(const StoredIndex& stored, std::uint64_t end) { return parse_index(stored.bytes, stored.text_bytes, end); }

// Stored and parsed again.
Index parsed(Index index) {
  const std::uint64_t end = payload_end(index);
  return parsed(store_index(index), end);
}

TEST(Index, ComesBack) {
  Index index = rich_index();
  (void)payload_end(index);
  const Index back = parsed(index);
  EXPECT_EQ(back.is_folder, index.is_folder);
  EXPECT_EQ(back.tensors, index.tensors);
  EXPECT_EQ(back.tables, index.tables);
  EXPECT_EQ(back.shapes, index.shapes);
  EXPECT_EQ(back.codebooks, index.codebooks);
  EXPECT_EQ(back.asset_streams, index.asset_streams);
  ASSERT_EQ(back.files.size(), index.files.size());
  for (std::size_t f = 0; f < index.files.size(); f++) {
    const FileInfo &a = index.files[f], &b = back.files[f];
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.bytes, b.bytes);
    EXPECT_EQ(a.header, b.header);
    EXPECT_EQ(a.metadata, b.metadata);
    EXPECT_EQ(a.has_metadata, b.has_metadata);
    EXPECT_EQ(a.tensor_count, b.tensor_count);
    if (a.tensor_count > 0) {
      EXPECT_EQ(a.first_tensor, b.first_tensor);
    }
  }
  for (std::size_t t = 0; t < index.places.size(); t++) {
    EXPECT_EQ(index.places[t].stream, back.places[t].stream);
    EXPECT_EQ(index.places[t].first_unit, back.places[t].first_unit);
    EXPECT_EQ(index.places[t].units, back.places[t].units);
  }
  ASSERT_EQ(back.streams.size(), index.streams.size());
  for (std::size_t s = 0; s < index.streams.size(); s++) {
    const StreamRecord &a = index.streams[s], &b = back.streams[s];
    EXPECT_EQ(a.codec, b.codec);
    EXPECT_EQ(a.dtype, b.dtype);
    EXPECT_EQ(a.block_log2, b.block_log2);
    EXPECT_EQ(a.segment_log2, b.segment_log2);
    EXPECT_EQ(a.units, b.units);
    EXPECT_EQ(a.uniform, b.uniform);
    EXPECT_EQ(a.codebook, b.codebook);
    EXPECT_EQ(a.trellis, b.trellis);
    EXPECT_EQ(a.scales, b.scales);
    EXPECT_EQ(a.members, b.members);
    EXPECT_EQ(a.segment_count, b.segment_count);
  }
  ASSERT_EQ(back.segments.size(), index.segments.size());
  for (std::size_t s = 0; s < index.segments.size(); s++) {
    EXPECT_EQ(index.segments[s].tables, back.segments[s].tables);
    EXPECT_EQ(index.segments[s].class_tables, back.segments[s].class_tables);
    EXPECT_EQ(index.segments[s].corrections, back.segments[s].corrections);
    EXPECT_EQ(index.segments[s].units, back.segments[s].units);
  }
  ASSERT_EQ(back.blocks.size(), index.blocks.size());
  for (std::size_t b = 0; b < index.blocks.size(); b++) {
    EXPECT_EQ(index.blocks[b].offset, back.blocks[b].offset);
    EXPECT_EQ(index.blocks[b].size, back.blocks[b].size);
    EXPECT_EQ(index.blocks[b].units, back.blocks[b].units);
  }
}

TEST(Index, OfNothingComesBack) {
  Index index;
  add_file(index, "none.safetensors", 0);
  index.files[0].kind = FileInfo::Kind::kSafetensors;
  index.files[0].header = formats::canonical_header({}, {}, false);
  index.asset_streams = {0};
  EXPECT_EQ(parsed(index).tensors.size(), 0u);
  EXPECT_EQ(parsed(index).files[0].header, index.files[0].header);
}

TEST(Index, BlocksAreAlignedByTheirUnitsAndCodec) {
  Index index;
  for (const auto& [codec, units] : {std::pair{CodecId::kRaw, 16384u},
                                     {CodecId::kLossless, 16383u},
                                     {CodecId::kUniform, 20000u},
                                     {CodecId::kTrellis, 20000u}}) {
    StreamRecord stream;
    stream.codec = codec;
    stream.first_segment = index.segments.size();
    stream.segment_count = 1;
    SegmentRecord segment;
    segment.first_block = index.blocks.size();
    segment.block_count = 1;
    index.streams.push_back(stream);
    index.segments.push_back(segment);
    index.blocks.push_back({0, std::array{5u, 7u, 1u, 2u}[index.blocks.size()], units});
  }
  std::uint64_t end = 0;
  ASSERT_TRUE(place_blocks(index, UINT64_MAX, end));
  EXPECT_EQ(index.blocks[0].offset, 16u);
  EXPECT_EQ(index.blocks[1].offset, 22u);
  EXPECT_EQ(index.blocks[2].offset, 32u);
  EXPECT_EQ(index.blocks[3].offset, 34u);
  EXPECT_EQ(end, 36u);
  EXPECT_FALSE(place_blocks(index, 35, end));
}

// The last file has a canonical header.
void rename_last(Index& index, const std::string& name) {
  index.tensors.back().name = name;
  FileInfo& file = index.files.back();
  file.header =
      formats::canonical_header(std::span(index.tensors).last(file.tensor_count), file.metadata, file.has_metadata);
}

// A change to the index that its writer does not check, and what the reader must say.
struct Lie {
  std::string name;
  std::function<void(Index&)> change;
  std::string message;
};

TEST(Index, LiesAreRefused) {
  const auto stretch = [](Index& i, std::vector<std::uint64_t> shape) { i.tensors[8].shape = std::move(shape); };
  const std::vector<Lie> lies = {
      {"file count", [](Index& i) { i.is_folder = false; }, "there are several"},
      {"file twice", [](Index& i) { i.files[1].name = i.files[2].name; }, "two files have the same name"},
      {"file path", [](Index& i) { i.files[0].name = "../etc"; }, "separator"},
      {"file backslash", [](Index& i) { i.files[0].name = "a\\b"; }, "separator"},
      {"file nul", [](Index& i) { i.files[0].name = std::string("a\0b", 3); }, "separator"},
      {"file dots", [](Index& i) { i.files[0].name = ".."; }, "folder"},
      {"file empty", [](Index& i) { i.files[0].name = ""; }, "empty or too long"},
      {"file long", [](Index& i) { i.files[0].name = std::string(256, 'x'); }, "empty or too long"},
      {"file not UTF-8", [](Index& i) { i.files[0].name = "a\xC0"; }, "UTF-8"},
      {"tensor twice", [](Index& i) { i.tensors[0].name = "weight"; }, "two tensors have the same name"},
      {"tensor not UTF-8", [](Index& i) { rename_last(i, "a\xC0"); }, "UTF-8"},
      {"tensor is metadata", [](Index& i) { rename_last(i, "__metadata__"); }, "__metadata__"},
      {"rank", [](Index& i) { i.tensors[0].shape.assign(33, 1); }, "too many dimensions"},
      {"elements",
       [](Index& i) {
         i.tensors[0].shape = {1ull << 32, 1ull << 32};
       },
       "too large"},
      {"bits", [](Index& i) { i.tensors[0].shape = {1ull << 60}; }, "too large"},
      {"part of a byte", [](Index& i) { i.tensors[3].shape = {3}; }, "whole byte"},
      {"too many blocks", [](Index& i) { i.tensors[2].shape = {1ull << 50}; }, "more blocks"},
      {"stream too large",
       [](Index& i) { i.tensors[0].shape = i.tensors[4].shape = {1ull << 58}, i.tensors[1].shape = {1ull << 58}; }, ""},
      {"unknown stream", [](Index& i) { i.places[2].stream = 77; }, "does not exist"},
      {"types mixed", [](Index& i) { i.places[2].stream = 0; }, "different types"},
      {"largest stream", [](Index& i) { i.places[0].stream = SIZE_MAX; }, "does not exist"},
      {"asset without stream", [](Index& i) { i.asset_streams[0] = 77; }, "not its own"},
      {"asset on weights", [](Index& i) { i.asset_streams[0] = 1; }, "not its own"},
      {"table sum", [](Index& i) { i.tables[0].frequencies[0] = 4000; }, "4096"},
      {"table with one symbol", [](Index& i) { i.tables[0].frequencies = {4096}; }, "too large"},
      {"table begins with zero",
       [](Index& i) {
         i.tables[0].frequencies = {0, 4095, 1};
       },
       "zero"},
      {"table ends with zero",
       [](Index& i) {
         i.tables[0].frequencies = {4095, 1, 0};
       },
       "zero"},
      {"table above 255", [](Index& i) { i.tables[0].first = 255; }, "above 255"},
      {"unknown table", [](Index& i) { i.segments[0].tables[0] = 4; }, "table that does not exist"},
      {"unknown codec", [](Index& i) { i.streams[2].codec = static_cast<CodecId>(6); }, "unknown codec"},
      {"wrong codec", [](Index& i) { i.streams[2].codec = CodecId::kAsset; }, "wrong codec"},
      {"small blocks", [](Index& i) { i.streams[2].block_log2 = 9; }, "size of blocks"},
      {"large blocks", [](Index& i) { i.streams[2].block_log2 = i.streams[2].segment_log2 = 19; }, "size of blocks"},
      {"large segments", [](Index& i) { i.streams[2].segment_log2 = 25; }, "size of blocks"},
      {"small segments", [](Index& i) { i.streams[2].segment_log2 = 9; }, "size of blocks"},
      {"step zero", [](Index& i) { i.streams[4].uniform.fine_step = 0; }, "step"},
      {"step negative", [](Index& i) { i.streams[4].uniform.fine_step = -1; }, "step"},
      {"step denormal", [](Index& i) { i.streams[4].uniform.fine_step = 1e-40f; }, "step"},
      {"step NaN", [](Index& i) { i.streams[4].uniform.fine_step = std::nanf(""); }, "step"},
      {"channel's step",
       [](Index& i) { i.streams[4].uniform.fine_step = 1e-37f, i.streams[4].uniform.scale_codes[7] = 0; }, "normal"},
      {"low bits", [](Index& i) { i.streams[4].uniform.low_bits = 5; }, "low bits"},
      {"inner zero", [](Index& i) { i.streams[4].uniform.inner = 0; }, "no size"},
      {"inner", [](Index& i) { i.streams[4].uniform.inner = 7; }, "do not divide"},
      {"channels overflow", [](Index& i) { i.streams[4].uniform.inner = UINT64_MAX / 2; }, "too large"},
      {"codebook of integers", [](Index& i) { i.streams[2].codec = CodecId::kCodebook; }, "one tensor of floats"},
      {"codebook shared", [](Index& i) { i.streams[0].codec = CodecId::kCodebook; }, "one tensor of floats"},
      {"codebook type", [](Index& i) { i.codebooks[0].dtype = DType::kF64; }, "type"},
      {"codebook empty", [](Index& i) { i.codebooks[0].values.clear(); }, "no entries"},
      {"codebook large",
       [](Index& i) {
         i.codebooks[0] = {DType::kF32, 1, floats(4097), 0, {}};
       },
       "too many"},
      {"codebook of too many vectors",
       [](Index& i) {
         i.codebooks[1] = {DType::kF32, 4, std::vector<float>(4 * 65537), 0, {}};
       },
       "too many"},
      {"codebook dimension",
       [](Index& i) {
         i.codebooks[0] = {DType::kF32, 16, std::vector<float>(16), 0, {}};
       },
       "dimension"},
      {"codebook infinite", [](Index& i) { i.codebooks[0].values[2] = INFINITY; }, "not finite"},
      {"codebook NaN", [](Index& i) { i.codebooks[0].values[1] = NAN; }, "not finite"},
      {"codebook of vectors NaN", [](Index& i) { i.codebooks[1].values[5] = NAN; }, "not finite"},
      {"codebook twice", [](Index& i) { i.codebooks[0].values[1] = 0.25f; }, "ascend"},
      {"codebook two zeros",
       [](Index& i) {
         i.codebooks[0].values = {-0.0f, 0.0f};
       },
       "ascend"},
      {"codebook descends", [](Index& i) { i.codebooks[0].values[0] = 1; }, "ascend"},
      {"codebook unknown", [](Index& i) { i.streams[5].codebook.books = {3}; }, "does not exist"},
      {"codebooks of two dimensions",
       [](Index& i) {
         i.streams[8].codebook.books = {1, 0, 1};
       },
       "dimensions"},
      {"groups that do not divide", [](Index& i) { i.streams[8].codebook.inner = 4; }, "do not fit"},
      {"groups of no size", [](Index& i) { i.streams[8].codebook.inner = 0; }, "do not fit"},
      {"one group", [](Index& i) { i.streams[8].codebook.group = 5; }, "do not fit"},
      {"groups overflow",
       [](Index& i) { i.streams[8].codebook.inner = i.streams[8].codebook.channels = std::uint64_t{1} << 32; },
       "do not fit"},
      {"groups without end",
       [](Index& i) {
         i.streams[8].codebook = {{1}, 1, std::uint64_t{1} << 50, 1, 4, 2};
         i.tensors[9].shape = {0};
       },
       "more than what is left of the index"},
      {"trellis of integers", [](Index& i) { i.streams[2].codec = CodecId::kTrellis; }, "one tensor of floats"},
      {"trellis shared", [](Index& i) { i.streams[0].codec = CodecId::kTrellis; }, "one tensor of floats"},
      {"trellis step", [](Index& i) { i.streams[6].trellis.fine_step = 0; }, "step"},
      {"trellis step denormal", [](Index& i) { i.streams[6].trellis.fine_step = -1e-40f; }, "step"},
      {"trellis step NaN", [](Index& i) { i.streams[6].trellis.fine_step = NAN; }, "step"},
      {"two states", [](Index& i) { i.streams[6].trellis.states_log2 = 1; }, "number of states"},
      {"512 states", [](Index& i) { i.streams[6].trellis.states_log2 = 9; }, "number of states"},
      {"offset up", [](Index& i) { i.streams[6].trellis.offset = core::kMaxOffset + 1; }, "offset"},
      {"offset down", [](Index& i) { i.streams[6].trellis.offset = -core::kMaxOffset - 1; }, "offset"},
      {"unknown shape", [](Index& i) { i.streams[6].trellis.shape = 2; }, "shape that does not exist"},
      {"low base", [](Index& i) { i.streams[6].trellis.base_class = -1025; }, "base class"},
      {"high base", [](Index& i) { i.streams[6].trellis.base_class = 1025; }, "base class"},
      {"long period", [](Index& i) { i.streams[6].trellis.taps.resize(65); }, "too long a period"},
      {"shift up", [](Index& i) { i.streams[6].trellis.shifts[5] = 5; }, "shift"},
      {"shift down", [](Index& i) { i.streams[6].trellis.shifts[11] = -5; }, "shift"},
      {"view of others", [](Index& i) { i.streams[6].trellis.view[1] = 10; }, "does not fit its tensor"},
      {"view of nothing", [](Index& i) { i.streams[6].trellis.view[0] = 0; }, "does not fit"},
      {"view too large", [](Index& i) { i.streams[6].trellis.view[2] = UINT64_MAX; }, "does not fit"},
      {"view of segments",
       [&](Index& i) {
         stretch(i, {6, 20, 25}), i.streams[6].trellis.view[2] = 25;
       },
       "does not fit"},
      {"many factors", [](Index& i) { i.streams[6].trellis.factors.resize(4); }, "too many scale factors"},
      {"factor inner", [](Index& i) { i.streams[6].trellis.factors[0].inner = 0; }, "does not divide"},
      {"factor empty", [](Index& i) { i.streams[6].trellis.factors[1].codes.clear(); }, "does not divide"},
      {"factor odd", [](Index& i) { i.streams[6].trellis.factors[1].codes.resize(7); }, "does not divide"},
      {"factor overflows", [](Index& i) { i.streams[6].trellis.factors[1].inner = 1ull << 62; }, "does not divide"},
      {"shape sum", [](Index& i) { i.shapes[1][4] = 1; }, "sum to 4096"},
      {"shape large", [](Index& i) { i.shapes[1][4] = 5000; }, "too large"},
      {"block too large", [](Index& i) { i.blocks[1].size = UINT32_MAX; }, ""},
      {"header of others", [](Index& i) { i.files[2].header = i.files[1].header; }, "b.safetensors"},
      {"no header", [](Index& i) { i.files[2].header = "{"; }, "a stored header is wrong"},
  };
  Index good = rich_index();
  const std::uint64_t end = payload_end(good);
  for (const Lie& lie : lies) {
    SCOPED_TRACE(lie.name);
    Index bad = rich_index();
    lie.change(bad);
    expect_error(ErrorKind::kArchive, {"index is corrupt", lie.message}, [&] { (void)parsed(store_index(bad), end); });
  }
}

TEST(Index, ThePayloadIsFilledExactly) {
  Index index = rich_index();
  const std::uint64_t end = payload_end(index);
  const StoredIndex stored = store_index(index);
  expect_error(ErrorKind::kArchive, {"run past the end"}, [&] { (void)parsed(stored, end - 1); });
  expect_error(ErrorKind::kArchive, {"do not fill"}, [&] { (void)parsed(stored, end + 1); });
}

// An index without numbers but those that `put` puts behind the texts' own.
StoredIndex index_of(const std::string& texts, const std::function<void(NumberWriter&)>& put) {
  StoredIndex stored;
  const auto bytes = std::as_bytes(std::span(texts));
  stored.bytes.assign(bytes.begin(), bytes.end());
  stored.text_bytes = static_cast<std::uint32_t>(bytes.size());
  NumberWriter out;
  out.put(Field::kTextBytes, texts.size());
  out.put(Field::kTextCoding, 0);
  put(out);
  const Bytes numbers = out.finish();
  stored.bytes.insert(stored.bytes.end(), numbers.begin(), numbers.end());
  return stored;
}

void put_file(NumberWriter& out, std::uint64_t tensors) {
  for (const auto& [field, value] : {std::pair{Field::kLayout, std::uint64_t{0}},
                                     {Field::kFiles, 1},
                                     {Field::kFileKind, 1},
                                     {Field::kTensors, tensors},
                                     {Field::kHeader, 0}})
    out.put(field, value);
}

void put_tensor(NumberWriter& out, int type, std::uint64_t known, std::uint64_t join) {
  out.put_signed(Field::kType, type - kFirstType);
  out.put(Field::kRank, 1, 0);
  out.put(Field::kKnown, known, kind_of_dimension(0, 1));
  if (known == 0) out.put(Field::kDimension, 0);
  out.put(Field::kJoin, join, 1);
}

void refuse(const char* what, const std::function<void(NumberWriter&)>& put, const std::string& texts = "m\xFFt\xFF") {
  expect_error(ErrorKind::kArchive, {"index is corrupt", what},
               [&] { (void)parsed(index_of(texts, put), kHeaderBytes); });
}

TEST(Index, NumbersThatNoWriterPutsAreRefused) {
  const auto one_tensor = [](int type, std::uint64_t known, std::uint64_t join) {
    return [=](NumberWriter& out) {
      put_file(out, 1);
      put_tensor(out, type, known, join);
      for (const Field field : {Field::kTables, Field::kShapes, Field::kCodebooks}) out.put(field, 0);
      out.put(Field::kStreams, 1);
      for (const Field field : {Field::kCodec, Field::kBlock, Field::kSegment}) out.put(field, 0);
    };
  };
  EXPECT_EQ(parsed(index_of("m\xFFt\xFF", one_tensor(11, 0, 0)), kHeaderBytes).tensors.size(), 1u);
  for (const int type : {-1, kDTypeCount, 255}) refuse("unknown element type", one_tensor(type, 0, 0));
  refuse("dimension that none has had", one_tensor(11, 1, 0));
  refuse("no stream", one_tensor(11, 0, 1));
  refuse("no stream", one_tensor(11, 0, 3));
  refuse("texts that nothing names", one_tensor(11, 0, 0), "m\xFFt\xFFu\xFF");
  refuse("text is missing", one_tensor(11, 0, 0), "m\xFFt");
  refuse(
      "a flag", [](NumberWriter& out) { out.put(Field::kLayout, 2); }, "");
  refuse("more tensors than names", [](NumberWriter& out) { put_file(out, 1000); });
  refuse("more streams than", [&](NumberWriter& out) {
    put_file(out, 1);
    put_tensor(out, 11, 0, 0);
    for (const Field field : {Field::kTables, Field::kShapes, Field::kCodebooks}) out.put(field, 0);
    out.put(Field::kStreams, 3);
  });
}

// A padded header: text that is far smaller than 1/64 when it is stored.
TEST(Index, TextsMayShrinkToNearlyNothing) {
  Index index;
  add_file(index, "padded.safetensors", 0);
  index.files[0].kind = FileInfo::Kind::kSafetensors;
  index.files[0].header = "{}" + std::string(2 << 20, ' ');
  index.asset_streams = {0};
  EXPECT_LT(store_index(index).bytes.size(), 400u);
  EXPECT_EQ(parsed(index).files[0].header, index.files[0].header);
}

TEST(Index, TextsHaveTheSizeThatIsAnnounced) {
  Index index = rich_index();
  const std::uint64_t end = payload_end(index);
  const StoredIndex good = store_index(index);
  EXPECT_EQ(parsed(good, end).tensors.size(), index.tensors.size());
  for (const std::uint32_t size : {0u, good.text_bytes - 1, good.text_bytes + 1, UINT32_MAX})
    expect_error(ErrorKind::kArchive, {}, [&] { (void)parse_index(good.bytes, size, end); });
  const auto announce = [](std::uint64_t size, std::uint64_t coding) {
    StoredIndex stored;
    NumberWriter out;
    out.put(Field::kTextBytes, size);
    out.put(Field::kTextCoding, coding);
    stored.bytes = out.finish();
    stored.bytes.insert(stored.bytes.begin(), 10, std::byte{1});
    stored.text_bytes = 10;
    return stored;
  };
  for (const auto& [size, coding, what] : {std::tuple{9u, 0u, "impossible size"},
                                           {11u, 0u, "impossible size"},
                                           {10u * 64 + (1u << 24) + 1, 1u, "impossible size"},
                                           {10u * 64 + (1u << 24), 1u, "decompressed"},
                                           {10u, 2u, "flag"}})
    expect_error(ErrorKind::kArchive, {what},
                 [stored = announce(size, coding)] { (void)parsed(stored, kHeaderBytes); });
  expect_error(ErrorKind::kArchive, {"impossible size"}, [&] { (void)parsed(announce(UINT64_MAX, 1), kHeaderBytes); });
}

TEST(Index, EveryTruncationIsRefused) {
  Index index = rich_index();
  const std::uint64_t end = payload_end(index);
  const StoredIndex good = store_index(index);
  for (std::size_t n = 0; n < good.bytes.size(); n++)
    EXPECT_THROW((void)parse_index(std::span(good.bytes).first(n), good.text_bytes, end), Error) << n;
}

// A mutation either throws an Error or gives an index that stands for exactly these bytes.
TEST(Index, RandomMutationsAreRefusedOrMeanSomething) {
  Index index = rich_index();
  const std::uint64_t end = payload_end(index);
  const StoredIndex good = store_index(index);
  std::mt19937 random(1);
  std::size_t accepted = 0;
  for (int round = 0; round < 20000; round++) {
    Bytes bad = good.bytes;
    for (std::size_t changes = 1 + random() % 3; changes > 0; changes--) {
      const auto at = static_cast<std::ptrdiff_t>(random() % bad.size());
      switch (random() % 4) {
        case 0:
          bad[static_cast<std::size_t>(at)] ^= static_cast<std::byte>(1 << random() % 8);
          break;
        case 1:
          bad[static_cast<std::size_t>(at)] = static_cast<std::byte>(random());
          break;
        case 2:
          bad.erase(bad.begin() + at);
          break;
        default:
          bad.insert(bad.begin() + at, static_cast<std::byte>(random()));
      }
    }
    try {
      const Index got = parse_index(bad, good.text_bytes, end);
      accepted++;
      ASSERT_NO_THROW((void)parsed(store_index(got), end));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kArchive) << error.what();
    }
  }
  EXPECT_GT(accepted, 20u);  // some changes, such as of a name's letter, are another valid index
}

}  // namespace
}  // namespace weft::archive
