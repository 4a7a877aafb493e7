#include "backends/cpu/row_squares.hpp"

#include <algorithm>
#include <array>

#include "backends/cpu/beyond_float.hpp"
#include "backends/cpu/kernels.hpp"

namespace weft::cpu {
namespace {

constexpr std::uint64_t kReadUnits = std::uint64_t{1} << 16;  // at once

// Rows that give each lane one weight at most: one after another is the same.
void add_short_rows(DType dtype, const core::RowRun& run, std::span<const std::byte> units,
                    std::span<const double> weights, float centre, RowSquares& sums) {
  const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
  std::array<float, core::kRowPart> values;
  core::RowPart row{};
  std::uint64_t column = run.first_column;
  bool begins_row = column == 0 || sums.rows.empty();
  for (std::uint64_t begin = 0; begin < run.units; begin += values.size()) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(values.size(), run.units - begin));
    const auto chunk = units.subspan(begin * unit, n * unit);
    active_kernels().to_float(dtype, chunk.data(), n, values.data());
    if (beyond_float(dtype, chunk, std::span(values).first(n))) sums.beyond_float = true;
    for (std::size_t i = 0; i < n; i++) {
      core::add_square<core::FloatType::kF32>(core::bits_of_float(values[i]),
                                              weights.empty() ? nullptr : &weights[column], centre, row);
      if (++column < run.columns && begin + i + 1 < run.units) continue;
      sums.add(row, begins_row);
      row = {};
      column = 0;
      begins_row = true;
    }
  }
}

class CpuRowMeter final : public RowMeter {
 public:
  [[nodiscard]] RowSquares measure(DType dtype, const core::RowRun& run, const Read& read) override {
    return weigh(dtype, run, {}, 0, read);
  }
  [[nodiscard]] RowSquares weigh(DType dtype, const core::RowRun& run, std::span<const double> weights, float centre,
                                 const Read& read) override {
    const auto unit = static_cast<std::uint64_t>(unit_bytes(dtype));
    RowSquares sums;
    for (std::uint64_t begin = 0; begin < run.units;) {
      const std::uint64_t end = run.cut(begin, kReadUnits);
      units_.resize((end - begin) * unit);
      read(begin, units_);
      add_rows(dtype, run.from(begin, end), units_, weights, centre, sums);
      begin = end;
    }
    return sums;
  }

 private:
  std::vector<std::byte> units_;
};

}  // namespace

void add_rows(DType dtype, const core::RowRun& run, std::span<const std::byte> units, std::span<const double> weights,
              float centre, RowSquares& sums) {
  if (run.columns <= core::kSquaresLanes) return add_short_rows(dtype, run, units, weights, centre, sums);
  const Kernels& kernels = active_kernels();
  const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
  std::array<float, core::kRowPart> values;
  const std::uint64_t parts = run.parts();
  for (std::uint64_t p = 0; p < parts; p++) {
    const core::RowPartRange range = core::range_of_part(run, p);
    const auto n = static_cast<std::size_t>(range.end - range.begin);
    const auto part_units = units.subspan(range.begin * unit, n * unit);
    kernels.to_float(dtype, part_units.data(), n, values.data());
    core::RowPart part;
    kernels.square_row(values.data(), n, weights.empty() ? nullptr : weights.data() + range.column, centre, part);
    part.beyond = beyond_float(dtype, part_units, std::span(values).first(n)) ? 1 : 0;
    sums.add(part, sums.rows.empty() || range.column == 0);
  }
}

}  // namespace weft::cpu

namespace weft {

std::unique_ptr<RowMeter> make_cpu_row_meter() { return std::make_unique<cpu::CpuRowMeter>(); }

}  // namespace weft
