#include "engine/scales.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "backends/backend.hpp"
#include "engine/codebooks.hpp"
#include "support/memory_network.hpp"
#include "support/temp_folder.hpp"
#include "support/weights.hpp"
#include "weft/engine.hpp"

namespace weft::engine {
namespace {

using testing::draw_weights;
using testing::MemoryNetwork;
using testing::TempFolder;
using testing::values_of;
using testing::weight_bytes;

constexpr std::uint64_t kRows = 192, kColumns = 256;

// Every third row is eight times as wide as the one before.
std::vector<double> rows_of_three_widths(std::uint64_t seed = 1) {
  std::vector<double> values = draw_weights(kRows * kColumns, seed);
  for (std::size_t i = 0; i < values.size(); i++) values[i] *= std::exp2(3.0 * static_cast<double>(i / kColumns % 3));
  return values;
}

MemoryNetwork matrix(DType dtype, const std::vector<double>& values) {
  return MemoryNetwork({{"w", dtype, {kRows, kColumns}, weight_bytes(dtype, values)}});
}

Config config_of(CodecId codec, const std::string& model) {
  Config config;
  config.rules.push_back({});
  CodecSpec& spec = config.rules[0].spec;
  spec.codec = codec;
  spec.clusters = 32;
  spec.symbol_model = model;
  return config;
}

std::string tensor_of(const std::filesystem::path& path) {
  const auto network = open_network(path);
  std::string bytes(network->tensors()[0].bytes, '\0');
  network->read_tensor(0, 0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

struct Coded {
  Report report, verified;
  std::uint64_t bytes = 0;
  Scales scales;
};

// Compresses and compares what comes back.
Coded code(const MemoryNetwork& network, const Config& config, std::uint32_t threads = 1) {
  const TempFolder folder;
  RunOptions options;
  options.threads = threads;
  Coded coded;
  coded.report = compress(network, config, folder / "w.weft", options);
  const Archive archive = Archive::open(folder / "w.weft");
  coded.verified = verify(archive, &network, options);
  coded.bytes = archive.file_bytes();
  coded.scales = archive.index().streams[0].scales;
  return coded;
}

TEST(Scales, RowsOfDifferentWidthsTakeFewerBitsByClass) {
  for (const CodecId codec : {CodecId::kCodebook, CodecId::kLossless})
    for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
      SCOPED_TRACE(std::string(name_of(dtype)) + " " + std::string(name_of(codec)));
      const MemoryNetwork network = matrix(dtype, rows_of_three_widths());
      const Coded plain = code(network, config_of(codec, "order0")), scaled = code(network, config_of(codec, "auto"));
      EXPECT_TRUE(plain.scales.factors.empty());
      EXPECT_TRUE(plain.report.tensors[0].scales.empty());
      ASSERT_EQ(scaled.scales.factors.size(), 1u);
      EXPECT_EQ(scaled.scales.factors[0].codes.size(), kRows);
      EXPECT_EQ(scaled.report.tensors[0].scales, std::vector<std::uint64_t>{kRows});
      // Which third a row belongs to says 0.9 bits of an exponent, and 0.7 of an index.
      EXPECT_LT(scaled.bytes + kRows * kColumns / 8 / 2, plain.bytes);
      EXPECT_EQ(scaled.report.tensors[0].sum_squared_error, plain.report.tensors[0].sum_squared_error);
      EXPECT_EQ(scaled.verified.tensors[0].sum_squared_error, plain.report.tensors[0].sum_squared_error);
    }
}

// Of which only rows are looked at.
TEST(Scales, LargeTensorsHaveThemForAllRows) {
  constexpr std::uint64_t kManyRows = kWholeUnits / 4096 + 7;
  std::vector<double> values = draw_weights(kManyRows * 4096, 5);
  for (std::size_t i = 0; i < values.size(); i++) values[i] *= std::exp2(3.0 * static_cast<double>(i / 4096 % 3));
  const MemoryNetwork network({{"w", DType::kBF16, {kManyRows, 4096}, weight_bytes(DType::kBF16, values)}});
  for (const CodecId codec : {CodecId::kCodebook, CodecId::kLossless}) {
    const Coded plain = code(network, config_of(codec, "order0"), 2),
                scaled = code(network, config_of(codec, "auto"), 2);
    ASSERT_EQ(scaled.scales.factors.size(), 1u);
    EXPECT_EQ(scaled.scales.factors[0].codes.size(), kManyRows);
    EXPECT_LT(scaled.bytes + values.size() / 8 / 2, plain.bytes);
  }
}

TEST(Scales, WeightsAllAlikeKeepOneTable) {
  const MemoryNetwork network = matrix(DType::kF32, draw_weights(kRows * kColumns, 3));
  for (const CodecId codec : {CodecId::kCodebook, CodecId::kLossless}) {
    const Coded plain = code(network, config_of(codec, "order0")), scaled = code(network, config_of(codec, "scaled"));
    EXPECT_TRUE(scaled.scales.factors.empty());
    EXPECT_EQ(scaled.bytes, plain.bytes);
  }
}

// Indices are chosen at the price that they have in their unit's table: what the error costs more, bits save.
TEST(Scales, APriceOfBitsIsThatOfTheClass) {
  constexpr double kLambda = 0.03;
  std::vector<double> values = rows_of_three_widths();
  for (std::size_t i = 0; i < values.size(); i += 3) values[i] = 0;
  const MemoryNetwork network = matrix(DType::kF32, values);
  const TempFolder folder;
  const auto cost_with = [&](const char* model) {
    Config config = config_of(CodecId::kCodebook, model);
    config.rules[0].spec.codebook_lambda = kLambda;
    config.rules[0].spec.pin_zero = true;
    RunOptions options;
    options.overwrite = true;
    const TensorReport tensor = compress(network, config, folder / "w.weft", options).tensors[0];
    (void)decompress(Archive::open(folder / "w.weft"), folder / "w.safetensors", {}, options);
    const std::vector<double> restored = values_of(DType::kF32, tensor_of(folder / "w.safetensors"));
    for (std::size_t i = 0; i < values.size(); i += 3) EXPECT_EQ(restored[i], 0);
    return tensor.sum_squared_error + kLambda * tensor.sum_squares / static_cast<double>(values.size()) * 8 *
                                          static_cast<double>(tensor.bytes_out);
  };
  EXPECT_LT(cost_with("auto"), 0.9 * cost_with("order0"));
}

TEST(Scales, ValuesThatAreNotFiniteComeBack) {
  std::vector<double> values = rows_of_three_widths();
  values[5] = std::nan("");
  values[777] = std::numeric_limits<double>::infinity();
  values[kRows * kColumns - 1] = -std::numeric_limits<double>::infinity();
  for (const CodecId codec : {CodecId::kCodebook, CodecId::kLossless})
    EXPECT_EQ(code(matrix(DType::kF32, values), config_of(codec, "auto")).scales.factors.size(), 1u);
}

TEST(Scales, NothingButZerosOrNoFiniteValueHasNone) {
  for (const double value : {0.0, std::nan("")}) {
    const MemoryNetwork network = matrix(DType::kF32, std::vector<double>(kRows * kColumns, value));
    for (const CodecId codec : {CodecId::kCodebook, CodecId::kLossless})
      EXPECT_TRUE(code(network, config_of(codec, "auto")).scales.factors.empty());
  }
}

TEST(Scales, VectorsAndTypesThatHaveNoWeightsKeepOneTable) {
  Config vectors = config_of(CodecId::kCodebook, "auto");
  vectors.rules[0].spec.dimension = 2;
  EXPECT_TRUE(code(matrix(DType::kF32, rows_of_three_widths()), vectors).scales.factors.empty());
  const MemoryNetwork integers({{"i", DType::kI16, {kRows, kColumns}, std::string(2 * kRows * kColumns, '\1')}});
  EXPECT_TRUE(code(integers, config_of(CodecId::kLossless, "auto")).scales.factors.empty());
}

TEST(Scales, ArchivesDoNotDependOnThreads) {
  std::vector<testing::MemoryTensor> tensors;
  for (std::uint64_t i = 0; i < 5; i++)
    tensors.push_back({"w" + std::to_string(i),
                       DType::kF32,
                       {kRows, kColumns},
                       weight_bytes(DType::kF32, rows_of_three_widths(i + 1))});
  const MemoryNetwork network(tensors);
  const TempFolder folder;
  std::vector<std::string> archives;
  for (const std::uint32_t threads : {1u, 4u}) {
    RunOptions options;
    options.threads = threads;
    const auto path = folder / (std::to_string(threads) + ".weft");
    (void)compress(network, config_of(CodecId::kCodebook, "auto"), path, options);
    const Archive archive = Archive::open(path);
    std::string bytes(archive.file_bytes(), '\0');
    archive.read(0, std::as_writable_bytes(std::span(bytes)));
    archives.push_back(std::move(bytes));
  }
  EXPECT_EQ(archives[0], archives[1]);
}

TEST(Scales, AnEstimateCountsThem) {
  const MemoryNetwork network = matrix(DType::kF32, rows_of_three_widths());
  const Config config = config_of(CodecId::kCodebook, "auto");
  EXPECT_EQ(estimate(network, config, {}).bytes_out, code(network, config).bytes);
}

TEST(Scales, MemoryIsPlannedForThem) {
  const MemoryNetwork network = matrix(DType::kF32, rows_of_three_widths());
  EXPECT_EQ(scale_bytes(make_plan(network, config_of(CodecId::kCodebook, "order0"))), 0u);
  EXPECT_GT(scale_bytes(make_plan(network, config_of(CodecId::kCodebook, "auto"))), 8 * kRows * kColumns);
}

TEST(Scales, ThoseThatNoSegmentUsesAreDropped) {
  Index index;
  index.streams.resize(2);
  index.segments.resize(3);
  index.streams[0].segment_count = 2;
  index.streams[1].first_segment = 2;
  index.streams[1].segment_count = 1;
  for (StreamRecord& stream : index.streams) stream.scales.factors.push_back({1, {0, 1}});
  index.segments[1].class_tables = {0, 1};
  drop_unused_scales(index);
  EXPECT_FALSE(index.streams[0].scales.factors.empty());
  EXPECT_EQ(index.streams[1].scales, Scales{});
}

}  // namespace
}  // namespace weft::engine
