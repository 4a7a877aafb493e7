// Sums of squares of rows: what they should be, and the same to the bit on a device.
#include "backends/cuda/row_meter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backends/row_meter.hpp"
#include "support/devices.hpp"
#include "support/weights.hpp"

namespace weft {
namespace {

using testing::draw_weights;

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

// A tensor, or a run of its units.
struct Units {
  DType dtype = DType::kF32;
  std::string bytes;

  Units(DType type, const std::vector<double>& values) : dtype(type), bytes(testing::weight_bytes(type, values)) {}
  [[nodiscard]] RowMeter::Read reader(std::uint64_t first = 0, std::uint64_t* reads = nullptr) const {
    return [this, first, reads](std::uint64_t at, std::span<std::byte> out) {
      std::memcpy(out.data(), bytes.data() + (first + at) * static_cast<std::uint64_t>(unit_bytes(dtype)), out.size());
      if (reads != nullptr) *reads += 1;
    };
  }
};

void expect_equal(const RowSquares& a, const RowSquares& b) {
  EXPECT_TRUE(a.rows == b.rows);
  EXPECT_EQ(a.finite, b.finite);
  EXPECT_EQ(a.largest, b.largest);
  EXPECT_EQ(a.beyond_float, b.beyond_float);
}

class CudaRowMeter : public ::testing::TestWithParam<std::shared_ptr<cuda::Device>> {
 protected:
  std::shared_ptr<cuda::Device> device_ = GetParam();
  cuda::Heap heap_{device_, UINT64_MAX};
  cuda::Notes notes_;
};

INSTANTIATE_TEST_SUITE_P(Devices, CudaRowMeter, ::testing::ValuesIn(testing::devices()), testing::name_of_device);

TEST(RowMeter, AddsUpRows) {
  const Units units(DType::kF32, {1, -2, 3, kNaN, 0, -0.0f, 5, kInfinity, 0.5f});
  const auto meter = make_cpu_row_meter();
  RowSquares sums = meter->measure(units.dtype, {9, 4, 0}, units.reader());
  EXPECT_EQ(sums.rows, (std::vector<double>{14, 25, 0.25}));
  EXPECT_EQ(sums.finite, 7u);
  EXPECT_EQ(sums.largest, 5);
  EXPECT_EQ(sums.total(), 39.25);
  sums = meter->measure(units.dtype, {9, 4, 3}, units.reader());  // unit 0 is the last of its row
  EXPECT_EQ(sums.rows, (std::vector<double>{1, 13, 25.25}));
  const std::vector<double> weights{2, 10, 0.5, 1};
  EXPECT_EQ(meter->weigh(units.dtype, {9, 4, 0}, weights, 0, units.reader()).rows,
            (std::vector<double>{46.5, 12.5, 0.5}));
  EXPECT_EQ(meter->weigh(units.dtype, {9, 4, 0}, {}, 1, units.reader()).rows, (std::vector<double>{13, 18, 0.25}));
  sums = meter->measure(units.dtype, {0, 1, 0}, units.reader());
  EXPECT_TRUE(sums.rows.empty() && sums.finite == 0 && sums.largest == 0);
}

// Rows of up to 32 weights go another way on the CPU; both give the sums of their lanes.
TEST(RowMeter, AddsUpShortRowsInLanes) {
  std::vector<double> values = draw_weights(10'000, 8);
  values[77] = kNaN, values[9000] = kInfinity;
  const auto meter = make_cpu_row_meter();
  for (const DType dtype : {DType::kBF16, DType::kF64})
    for (const std::uint64_t columns : {1u, 2u, 9u, 31u, 32u, 33u, 40u}) {
      SCOPED_TRACE(::testing::Message() << name_of(dtype) << " " << columns);
      const Units units(dtype, values);
      std::vector<double> weights(columns);
      for (std::size_t i = 0; i < columns; i++) weights[i] = 1.0 / static_cast<double>(i + 1);
      const core::RowRun run{values.size(), columns, columns / 3};
      RowSquares expected;
      core::RowJob job{run,
                       reinterpret_cast<const std::uint8_t*>(units.bytes.data()),
                       dtype == DType::kF64 ? core::FloatType::kF64 : core::FloatType::kBF16,
                       weights.data(),
                       nullptr,
                       0.01f};
      for (std::uint64_t part = 0; part < run.parts(); part++) {
        core::RowPart lanes[core::kSquaresLanes];
        for (std::uint32_t lane = 0; lane < core::kSquaresLanes; lane++)
          lanes[lane] = dtype == DType::kF64 ? core::part_of_lane<core::FloatType::kF64>(job, part, lane)
                                             : core::part_of_lane<core::FloatType::kBF16>(job, part, lane);
        expected.add(core::fold_lanes(lanes), part == 0 || core::range_of_part(run, part).column == 0);
      }
      expect_equal(meter->weigh(dtype, run, weights, 0.01f, units.reader()), expected);
      EXPECT_EQ(expected.finite, values.size() - 2);
    }
}

TEST(RowMeter, SaysWhatDoesNotSurviveFloat32) {
  const auto meter = make_cpu_row_meter();
  for (const double value : {0.0, 1.0, 1e-40, 1e-60, 1e60, std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN()}) {
    const auto read = [&](std::uint64_t, std::span<std::byte> out) { std::memcpy(out.data(), &value, 8); };
    const bool beyond = value == 1e-60 || value == 1e60;
    EXPECT_EQ(meter->measure(DType::kF64, {1, 1, 0}, read).beyond_float, beyond) << value;
  }
}

TEST_P(CudaRowMeter, MeasuresAsTheCpuDoes) {
  const auto cpu = make_cpu_row_meter(), meter = cuda::make_device_row_meter(heap_, notes_);
  constexpr std::uint64_t kUnits = 270'001;
  std::vector<double> values = draw_weights(kUnits, 1);
  values[7] = kNaN, values[4100] = kInfinity, values[270'000] = -3;
  std::uint32_t seed = 0;
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32, DType::kF64}) {
    const Units units(dtype, values);
    const std::vector<std::uint64_t> all{32, 100, 4095, 4096, 4097, 20'000, 270'001, 1'000'000}, some{100, 4097};
    for (const std::uint64_t columns : dtype == DType::kF32 ? all : some) {
      SCOPED_TRACE(::testing::Message() << name_of(dtype) << " " << columns);
      const core::RowRun run{kUnits, columns, seed++ * 31 % columns};
      expect_equal(meter->measure(dtype, run, units.reader()), cpu->measure(dtype, run, units.reader()));
      std::vector<double> weights(columns);
      for (std::size_t i = 0; i < columns; i++) weights[i] = std::exp2(-2.0 * static_cast<double>(i % 13) / 3);
      std::uint64_t reads = 0;
      expect_equal(meter->weigh(dtype, run, weights, 0, units.reader(0, &reads)),
                   cpu->weigh(dtype, run, weights, 0, units.reader()));
      expect_equal(meter->weigh(dtype, run, {}, 0.03f, units.reader(0, &reads)),
                   cpu->weigh(dtype, run, {}, 0.03f, units.reader()));
      EXPECT_EQ(reads, 0u);  // it is still there
    }
  }
  EXPECT_TRUE(notes_.lines().empty());
  EXPECT_GT(meter->take_transfer_times().bytes, 14 * 2 * kUnits);
}

// Where a run is cut changes nothing: neither into batches, nor by the caller between rows or parts of them.
TEST_P(CudaRowMeter, MeasuresInBatches) {
  const std::uint64_t n = (std::uint64_t{9} << 20) / 4 + 77;  // of 4 MiB
  const Units units(DType::kF32, draw_weights(n, 2));
  const auto meter = cuda::make_device_row_meter(heap_, notes_);
  for (const std::uint64_t columns : {1000u, 65'536u}) {
    const core::RowRun run{n, columns, 0};
    std::uint64_t reads = 0;
    const RowSquares sums = meter->measure(units.dtype, run, units.reader(0, &reads));
    EXPECT_EQ(reads, 3u);
    const std::uint64_t rows = (n + columns - 1) / columns, half = rows / 2;
    ASSERT_EQ(sums.rows.size(), rows);
    const RowSquares first = meter->measure(units.dtype, {half * columns, columns, 0}, units.reader());
    const RowSquares second =
        meter->measure(units.dtype, {n - half * columns, columns, 0}, units.reader(half * columns));
    EXPECT_TRUE(std::equal(first.rows.begin(), first.rows.end(), sums.rows.begin()));
    EXPECT_TRUE(
        std::equal(second.rows.begin(), second.rows.end(), sums.rows.begin() + static_cast<std::ptrdiff_t>(half)));
    EXPECT_EQ(first.finite + second.finite, n);
  }
}

TEST_P(CudaRowMeter, WithLittleMemoryReadsAgainAndWithLessAsksTheCpu) {
  const std::uint64_t n = (std::uint64_t{9} << 20) / 4, columns = 4096;
  const core::RowRun run{n, columns, 0};
  const Units units(DType::kF32, draw_weights(n, 3));
  const std::vector<double> weights(columns, 0.75);
  const auto cpu = make_cpu_row_meter();
  const RowSquares expected = cpu->weigh(units.dtype, run, weights, -0.5f, units.reader());
  for (const std::uint64_t memory : {6u << 20, 3u << 20}) {
    cuda::Heap heap(device_, memory);
    cuda::Notes notes;
    const auto meter = cuda::make_device_row_meter(heap, notes);
    (void)meter->measure(units.dtype, run, units.reader());
    std::uint64_t reads = 0;
    expect_equal(meter->weigh(units.dtype, run, weights, -0.5f, units.reader(0, &reads)), expected);
    EXPECT_GT(reads, 2u);
    EXPECT_EQ(notes.lines().size(), memory == 6u << 20 ? 0u : 1u) << ::testing::PrintToString(notes.lines());
  }
}

// Runs that a device would take longer for.
TEST_P(CudaRowMeter, LeavesShortRowsAndSmallRunsToTheCpu) {
  const Units units(DType::kBF16, draw_weights(270'000, 4));
  const auto cpu = make_cpu_row_meter(), meter = cuda::make_device_row_meter(heap_, notes_);
  for (const core::RowRun& run :
       {core::RowRun{270'000, 1, 0}, core::RowRun{270'000, 31, 5}, core::RowRun{100'000, 500, 0}})
    expect_equal(meter->measure(units.dtype, run, units.reader()), cpu->measure(units.dtype, run, units.reader()));
  EXPECT_EQ(heap_.peak(), 0u);
}

}  // namespace
}  // namespace weft
