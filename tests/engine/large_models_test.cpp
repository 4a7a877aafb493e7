// Models of trellis streams that are too large to be looked at whole: on the CPU, and alike on a device.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/models.hpp"
#include "support/devices.hpp"
#include "support/memory_network.hpp"
#include "support/weights.hpp"

namespace weft::engine {
namespace {

using testing::MemoryNetwork;

// A tensor stays in so much memory; goes through it in parts; is measured by the CPU.
constexpr std::uint64_t kEnough = std::uint64_t{1} << 30, kForBatches = std::uint64_t{9} << 20,
                        kTooLittle = std::uint64_t{1} << 20;

// The deviation of a weight's row and column.
using Deviation = double (*)(std::uint64_t row, std::uint64_t column);

MemoryNetwork network_of(DType dtype, std::uint64_t rows, std::uint64_t columns, Deviation deviation, double mean = 0) {
  std::vector<double> values = testing::draw_weights(rows * columns, rows);
  for (std::size_t i = 0; i < values.size(); i++)
    values[i] = values[i] * 0.01 * deviation(i / columns, i % columns) + mean;
  values[5] = std::nan("");
  return MemoryNetwork({{"w", dtype, {rows, columns}, testing::weight_bytes(dtype, values)}});
}

struct Model {
  TrellisStream stream;
  std::vector<Shape> shapes;
};

Model choose(const Network& network, const Backend& backend) {
  Config config;
  config.rules.push_back({});
  config.rules[0].spec.codec = CodecId::kTrellis;
  config.rules[0].spec.relative_step = 0.6;
  Plan plan = make_plan(network, config);
  std::vector<StageTimes> times(1);
  choose_models(network, plan, {true}, backend, nullptr, times);
  return {plan.index.streams.at(0).trellis, plan.index.shapes};
}

void expect_equal(const Model& a, const Model& b) {
  EXPECT_EQ(a.stream.fine_step, b.stream.fine_step);
  EXPECT_EQ(a.stream.offset, b.stream.offset);
  EXPECT_EQ(a.stream.base_class, b.stream.base_class);
  EXPECT_EQ(a.stream.predicts, b.stream.predicts);
  ASSERT_EQ(a.stream.factors.size(), b.stream.factors.size());
  for (std::size_t f = 0; f < a.stream.factors.size(); f++) {
    EXPECT_EQ(a.stream.factors[f].inner, b.stream.factors[f].inner);
    EXPECT_TRUE(a.stream.factors[f].codes == b.stream.factors[f].codes);
  }
  EXPECT_TRUE(a.shapes == b.shapes);
}

void expect_same_on_device(const Network& network, const Model& expected, const std::vector<std::uint64_t>& memories) {
  for (const std::uint64_t memory : memories) {
    cuda::DeviceList list;
    list.devices.push_back(testing::a_device(memory));
    cuda::use_devices(std::move(list));
    const auto backend = make_backend("cuda", memory);
    expect_equal(choose(network, *backend), expected);
    EXPECT_EQ(backend->notes().size(), memory == kTooLittle ? 1u : 0u);
    EXPECT_EQ(backend->peak_device_bytes() > kTooLittle, memory != kTooLittle);
    cuda::use_devices(std::nullopt);
  }
}

const ScaleFactor* factor_of(const Model& model, std::uint64_t inner) {
  for (const ScaleFactor& factor : model.stream.factors)
    if (factor.inner == inner) return &factor;
  return nullptr;
}

// An octave is three codes, and nine tenths of the rows are in no sample.
TEST(LargeModels, MeasuresAllRowsOfALargeTensor) {
  constexpr std::uint64_t kRows = 2600, kColumns = 1700;
  const auto network = network_of(DType::kBF16, kRows, kColumns, [](std::uint64_t row, std::uint64_t) {
    return std::exp2(static_cast<double>(row * row % 5));
  });
  const Model model = choose(network, *make_cpu_backend());
  const ScaleFactor* rows = factor_of(model, kColumns);
  ASSERT_NE(rows, nullptr);
  ASSERT_EQ(rows->codes.size(), kRows);
  const int zero = rows->codes[0];
  for (std::uint64_t row = 0; row < kRows; row++)
    EXPECT_EQ(rows->codes[row] - zero, 3 * static_cast<int>(row * row % 5)) << row;
  expect_same_on_device(network, model, {kEnough});
}

// What rows are wide by is measured from where level 0 is.
TEST(LargeModels, MeasuresRowsAroundAMean) {
  constexpr std::uint64_t kRows = 2600, kColumns = 1700;
  const auto network = network_of(
      DType::kF32, kRows, kColumns,
      [](std::uint64_t row, std::uint64_t) { return std::exp2(static_cast<double>(row * row % 3)); }, 0.03);
  const Model model = choose(network, *make_cpu_backend());
  EXPECT_NEAR(static_cast<double>(model.stream.offset) * static_cast<double>(model.stream.fine_step), 0.03, 0.001);
  const ScaleFactor* rows = factor_of(model, kColumns);
  ASSERT_NE(rows, nullptr);
  ASSERT_EQ(rows->codes.size(), kRows);
  for (std::uint64_t row = 0; row < kRows; row++)
    EXPECT_EQ(rows->codes[row] - rows->codes[0], 3 * static_cast<int>(row * row % 3)) << row;
  expect_same_on_device(network, model, {kEnough, kForBatches});
}

TEST(LargeModels, WeighsColumnsOfALargeTensor) {
  constexpr std::uint64_t kRows = 1100, kColumns = 4099;
  const auto network = network_of(DType::kF32, kRows, kColumns, [](std::uint64_t row, std::uint64_t column) {
    return std::exp2(static_cast<double>(row % 3) + static_cast<double>(column * column % 7));
  });
  const Model model = choose(network, *make_cpu_backend());
  const ScaleFactor *rows = factor_of(model, kColumns), *columns = factor_of(model, 1);
  ASSERT_NE(rows, nullptr);
  ASSERT_NE(columns, nullptr);
  for (std::uint64_t row = 0; row < kRows; row++)
    EXPECT_EQ(rows->codes[row] - rows->codes[0], 3 * static_cast<int>(row % 3)) << row;
  for (std::uint64_t column = 0; column < kColumns; column++)  // by a sample of the rows
    EXPECT_NEAR(columns->codes[column] - columns->codes[0], 3.0 * static_cast<double>(column * column % 7), 2)
        << column;
  expect_same_on_device(network, model, {kEnough, kForBatches, kTooLittle});
}

// One long row: its runs of 65536 count as rows, and what is left over has no scale of its own.
TEST(LargeModels, CutsALongRowIntoRuns) {
  const auto network = network_of(DType::kF16, 1, (std::uint64_t{1} << 22) + 1000,
                                  [](std::uint64_t, std::uint64_t i) { return i >> 16 < 30 ? 1.0 : 8.0; });
  const Model model = choose(network, *make_cpu_backend());
  const double rms = 0.01 * std::sqrt((30 + 34 * 64) / 64.0);
  EXPECT_NEAR(model.stream.fine_step * 64, 0.6 * rms / 2, 0.001 * rms);
  expect_same_on_device(network, model, {kForBatches});
}

}  // namespace
}  // namespace weft::engine
