#include "archive/scale_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "archive/index.hpp"
#include "formats/safetensors.hpp"
#include "support/expect_error.hpp"
#include "weft/error.hpp"

namespace weft::archive {
namespace {

using testing::expect_error;
using Bytes = std::vector<std::byte>;
using Codes = std::vector<std::int8_t>;

[[noreturn]] void fail(const char* what) { throw Error(ErrorKind::kArchive, what); }

// A network of one tensor with these scales: two segments, the first of them with tables by class.
Index network(CodecId codec, DType dtype, std::vector<std::uint64_t> shape, Scales scales,
              std::vector<std::uint32_t> class_tables) {
  Index index;
  FileInfo file;
  file.kind = FileInfo::Kind::kSafetensors;
  file.name = "m.safetensors";
  file.tensor_count = 1;
  TensorInfo tensor{"t", dtype, std::move(shape), 1, 0};
  for (const std::uint64_t d : tensor.shape) tensor.elements *= d;
  tensor.bytes = tensor.elements * static_cast<std::uint64_t>(bits_of(dtype)) / 8;
  index.tensors = {tensor};
  file.header = formats::canonical_header(index.tensors, {}, false);
  index.files = {file};
  index.asset_streams = {0};
  index.tables.resize(10, {3, {4095, 1}});
  index.tables[9].pair_base = 7;
  index.codebooks = {{DType::kF16, 1, {-1, 2}, 0, {}}, {DType::kF16, 2, {-1, 2}, 0, {}}};
  StreamRecord stream;
  stream.codec = codec;
  stream.dtype = dtype;
  stream.block_log2 = stream.segment_log2 = 10;
  stream.units = tensor.bytes / static_cast<std::uint64_t>(unit_bytes(dtype));
  stream.members = {0};
  if (codec == CodecId::kCodebook) stream.codebook.books = {0};
  stream.scales = std::move(scales);
  index.streams = {stream};
  index.places = {{0, 0, stream.units}};
  lay_out_stream(index, index.streams[0]);
  if (index.segments.size() == 2) {
    index.segments[0].class_tables = std::move(class_tables);
    index.segments[1].tables[0] = 10;  // one for all may be of pairs
  }
  for (BlockRecord& block : index.blocks) block.size = 100;
  return index;
}

Index parsed(Index index) {
  std::uint64_t end = 0;
  EXPECT_TRUE(place_blocks(index, UINT64_MAX, end));
  const StoredIndex stored = store_index(index);
  return parse_index(stored.bytes, stored.text_bytes, end);
}

void expect_back(const Index& index) {
  const Index back = parsed(index);
  EXPECT_EQ(back.streams[0].scales, index.streams[0].scales);
  ASSERT_EQ(back.segments.size(), index.segments.size());
  for (std::size_t s = 0; s < index.segments.size(); s++) {
    EXPECT_EQ(back.segments[s].class_tables, index.segments[s].class_tables);
    EXPECT_EQ(back.segments[s].tables, index.segments[s].tables);
  }
}

// Classes 16 to 19.
Scales some_scales() { return {16, {{40, {0, 1, 3}}}}; }
Index some_network() { return network(CodecId::kLossless, DType::kBF16, {12, 3, 40}, some_scales(), {4, 0, 8, 4}); }

TEST(ScaleIndex, TablesByClassComeBack) {
  expect_back(some_network());
  Index planes = some_network();
  planes.segments[0].tables[1] = 3;
  planes.segments[1].class_tables = {1, 2, 3, 8};
  planes.segments[1].tables = {0, 1};
  expect_back(planes);
  Index none = some_network();
  none.segments[0].class_tables.clear();
  none.segments[0].tables = {0, 1};
  expect_back(none);
  expect_back(network(CodecId::kCodebook, DType::kF32, {36, 40}, some_scales(), {7, 6, 5, 4}));
}

TEST(ScaleIndex, ClassesEndAtTheirLimits) {
  const Codes far{-128, 127};
  std::vector<std::uint32_t> tables(32);
  for (std::size_t c = 0; c < tables.size(); c++) tables[c] = static_cast<std::uint32_t>(c % 8);
  expect_back(network(CodecId::kLossless, DType::kF32, {700, 2}, {16, {{1, far}}}, tables));
  expect_back(network(CodecId::kLossless, DType::kF32, {700, 2}, {1024, {{1, far}}}, {3}));
  expect_back(network(CodecId::kLossless, DType::kF32, {700, 2}, {-1024, {{1, far}, {2, far}, {4, far}}}, {3}));
  expect_back(network(CodecId::kLossless, DType::kU8, {700, 2}, {30, {{1, {0, 5}}}}, {3, 2}));
}

TEST(ScaleIndex, FactorsOfAnyLayoutComeBack) {
  const std::vector<std::vector<ScaleFactor>> layouts = {
      {},
      {{120, Codes(12, 1)}},
      {{1, Codes(40, 1)}, {40, {1, 1, 1}}},
      {{5, {2, 2}}, {120, Codes(12, -1)}, {1, Codes(120)}}};  // the first of which no axes have
  for (const auto& factors : layouts) {
    const bool has_classes = !factors.empty();
    const Scales scales{static_cast<std::int16_t>(has_classes ? -5 : 0), factors};
    const std::vector<std::uint32_t> tables(has_classes ? 1 : 0, 4);
    expect_back(network(CodecId::kLossless, DType::kF64, {12, 3, 40}, scales, tables));
  }
}

// A number is what is new: numbers and base classes follow those before, of any stream.
TEST(ScaleIndex, NumbersFollowThoseBefore) {
  NumberWriter out;
  LastStream last;
  last.base_class = 12;  // as a trellis stream before leaves it
  put_scales(out, {10, {{1, {0}}}}, {5}, last);
  SegmentRecord segment;
  segment.class_tables = {6, 2, 2};
  put_class_tables(out, segment, last);
  segment.class_tables = {3};
  put_class_tables(out, segment, last);
  const Bytes bytes = out.finish();
  NumberReader in(bytes, fail);
  EXPECT_EQ(in.get(Field::kClassFactors), 1u);
  EXPECT_EQ(in.get_signed(Field::kBaseClass), -2);
  EXPECT_EQ(in.get(Field::kAxes, 1), 0u);
  EXPECT_EQ(in.get(Field::kFactorInner), 1u);
  EXPECT_EQ(in.get(Field::kFactorCount), 1u);
  ScaleCodeModel model;
  model.begin_factor({});
  EXPECT_EQ(in.get_by(model), 0);
  for (const int difference : {6, -4, 0, 1}) EXPECT_EQ(in.get_signed(Field::kClassTable), difference);
  in.finish();
}

struct Lie {
  std::string name;
  std::function<void(Index&)> change;
  std::string message;
};

TEST(ScaleIndex, LiesAreRefused) {
  const auto tables = [](std::vector<std::uint32_t> numbers) {
    return [=](Index& i) { i.segments[0].class_tables = numbers; };
  };
  const auto factor = [](const ScaleFactor& only) { return [=](Index& i) { i.streams[0].scales.factors = {only}; }; };
  const std::vector<Lie> lies = {
      {"many factors", [](Index& i) { i.streams[0].scales.factors.resize(4); }, "too many scale factors"},
      {"factor odd", factor({40, Codes(7)}), "does not divide"},
      {"factor of no size", factor({0, Codes(3)}), "does not divide"},
      {"factor empty", factor({1, {}}), "does not divide"},
      {"factor overflows", factor({1ull << 63, Codes(2)}), "does not divide"},
      {"low base", [](Index& i) { i.streams[0].scales.base_class = -1025; }, "base class"},
      {"high base", [](Index& i) { i.streams[0].scales.base_class = 1025; }, "base class"},
      {"unknown table", tables({4, 0, 10, 4}), "does not exist"},
      {"table of pairs", tables({4, 9, 8, 4}), "table of pairs"},
      {"nine tables",
       [](Index& i) {
         i.streams[0].scales.factors = {{40, {0, 4, 8}}};
         i.segments[0].class_tables = {0, 1, 2, 3, 4, 5, 6, 7, 8};
       },
       "too many frequency tables"},
  };
  for (const Lie& lie : lies) {
    SCOPED_TRACE(lie.name);
    Index bad = some_network();
    lie.change(bad);
    expect_error(ErrorKind::kArchive, {"index is corrupt", lie.message}, [&] { (void)parsed(bad); });
  }
}

TEST(ScaleIndex, EightTablesOfNineClassesAreFine) {
  expect_back(
      network(CodecId::kLossless, DType::kF32, {12, 3, 40}, {16, {{40, {0, 4, 8}}}}, {0, 1, 2, 3, 4, 5, 6, 7, 7}));
}

TEST(ScaleIndex, OnlySomeStreamsMayHaveFactors) {
  const auto refuse = [](const Index& bad, const char* what) {
    expect_error(ErrorKind::kArchive, {"index is corrupt", what}, [&] { (void)parsed(bad); });
  };
  Index vectors = network(CodecId::kCodebook, DType::kF32, {36, 40}, some_scales(), {0, 0, 0, 0});
  vectors.streams[0].codebook.books = {1};
  refuse(vectors, "codebook of scalars");
  for (const DType dtype : {DType::kC64, DType::kF4, DType::kF6E2M3})
    refuse(network(CodecId::kLossless, dtype, {12, 3, 40}, some_scales(), {0, 0, 0, 0}), "elements of one unit");
  refuse(network(CodecId::kLossless, DType::kF32, {0}, some_scales(), {}), "one tensor");
  Index two = some_network();
  two.tensors.push_back(two.tensors[0]);
  two.tensors[1].name = "u";
  two.places.push_back({0, two.streams[0].units, two.streams[0].units});
  two.files[0].tensor_count = 2;
  two.files[0].header = formats::canonical_header(two.tensors, {}, false);
  refuse(two, "one tensor");
}

// What the reader says of numbers behind a stream's own.
void refuse(const char* what, const std::function<void(NumberWriter&)>& put) {
  NumberWriter out;
  put(out);
  const Bytes bytes = out.finish();
  expect_error(ErrorKind::kArchive, {what}, [&] {
    NumberReader in(bytes, fail);
    LastStream last;
    StreamRecord stream;
    stream.dtype = DType::kF32;
    stream.units = std::uint64_t{1} << 40;
    stream.members = {0};
    read_scales(in, {stream.units}, last, stream);
    SegmentRecord segment;
    read_class_tables(in, trellis::class_range(stream.scales), std::vector<FrequencyTable>(3), last, segment);
  });
}

TEST(ScaleIndex, NumbersThatNoWriterPutsAreRefused) {
  refuse("too many scale factors", [](NumberWriter& out) { out.put(Field::kClassFactors, UINT64_MAX); });
  const auto factor = [](NumberWriter& out, std::uint64_t axes) {
    out.put(Field::kClassFactors, 1);
    out.put_signed(Field::kBaseClass, 0);
    out.put(Field::kAxes, axes, 1);
  };
  for (const std::uint64_t axes : {std::uint64_t{1}, std::uint64_t{3}, UINT64_MAX})
    refuse("does not divide", [&](NumberWriter& out) { factor(out, axes); });
  refuse("more scale codes than bytes", [&](NumberWriter& out) { factor(out, 2); });
  for (const std::int64_t table : {std::int64_t{-1}, std::int64_t{3}, INT64_MAX, INT64_MIN})
    refuse("does not exist", [&](NumberWriter& out) {
      out.put(Field::kClassFactors, 0);
      out.put_signed(Field::kClassTable, table);
    });
}

TEST(ScaleIndex, TheFlagOfASegmentIsZeroOrOne) {
  const std::string texts = "m\xFFt\xFF";
  for (const std::uint64_t by_class : {0, 1, 2}) {
    NumberWriter out;
    out.put(Field::kTextBytes, texts.size());
    for (const auto& [field, value] : {std::pair{Field::kTextCoding, 0u},
                                       {Field::kLayout, 0u},
                                       {Field::kFiles, 1u},
                                       {Field::kFileKind, 1u},
                                       {Field::kTensors, 1u},
                                       {Field::kHeader, 0u},
                                       {Field::kType, 0u},
                                       {Field::kRank, 1u}})
      out.put(field, value);
    out.put(Field::kKnown, 0, kind_of_dimension(0, 1));
    out.put(Field::kDimension, 5);
    out.put(Field::kJoin, kNewStream, kind_of_join(1));
    for (const Field field : {Field::kTables, Field::kShapes, Field::kCodebooks}) out.put(field, 0);
    out.put(Field::kStreams, 1);
    out.put(Field::kCodec, static_cast<std::uint64_t>(CodecId::kLossless));
    for (const Field field : {Field::kBlock, Field::kSegment}) out.put(field, 0);
    LastStream last;
    put_scales(out, {16, {{1, Codes(5)}}}, {5}, last);
    out.put(Field::kByClass, by_class);
    const Bytes numbers = out.finish();
    Bytes bytes(texts.size() + numbers.size());
    std::memcpy(bytes.data(), texts.data(), texts.size());
    std::copy(numbers.begin(), numbers.end(), bytes.begin() + static_cast<std::ptrdiff_t>(texts.size()));
    const char* what = by_class == 2 ? "a flag" : by_class == 1 ? "a class names" : "a segment names";
    expect_error(ErrorKind::kArchive, {what}, [&] { (void)parse_index(bytes, 4, 1000); });
  }
}

}  // namespace
}  // namespace weft::archive
