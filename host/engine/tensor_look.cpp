#include "engine/tensor_look.hpp"

#include <algorithm>
#include <utility>

#include "backends/cpu/kernels.hpp"
#include "backends/cpu/row_squares.hpp"
#include "trellis/scales.hpp"

namespace weft::engine {

LookedAt& TensorLook::at(std::size_t s) {
  const StreamRecord& stream = plan_.index.streams[s];
  const auto& shape = plan_.index.tensors[stream.members.front()].shape;
  squares_ = {};
  looked_at_.is_whole = stream.units <= kWholeUnits;
  if (looked_at_.is_whole) {
    looked_at_.resize(stream.units);
    const std::span<const std::byte> units = read(s, 0, looked_at_.values);
    looked_at_.shape = shape;
    times_.time(Stage::kQuantize, 0, [&] {
      cpu::add_rows(stream.dtype, {stream.units, std::max<std::uint64_t>(1, stream.units)}, units, {}, 0, squares_);
    });
  } else {
    cut_into_rows(shape, stream.units, looked_at_);
    squares_ = measure(s, {});
    sample(s);
  }
  return looked_at_;
}

// Reads weights; returns them as the tensor has them.
std::span<const std::byte> TensorLook::read(std::size_t s, std::uint64_t first, std::span<float> values) {
  const DType dtype = plan_.index.streams[s].dtype;
  std::span<std::byte> units = std::as_writable_bytes(values);
  if (dtype != DType::kF32) {
    units_.resize(values.size() * static_cast<std::uint64_t>(unit_bytes(dtype)));
    units = units_;
  }
  times_.time(Stage::kRead, units.size(), [&] { read_memory_order(network_, plan_, s, first, units); });
  if (dtype != DType::kF32) cpu::active_kernels().to_float(dtype, units.data(), values.size(), values.data());
  return units;
}

// Every weight's square in the sum of its row, times what its column weighs if there are weights.
RowSquares TensorLook::measure(std::size_t s, std::span<const double> weights, float centre) {
  const StreamRecord& stream = plan_.index.streams[s];
  const core::RowRun run{stream.units, looked_at_.columns};
  const auto read = [&](std::uint64_t first, std::span<std::byte> units) {
    times_.time(Stage::kRead, units.size(), [&] { read_memory_order(network_, plan_, s, first, units); });
  };
  if (!meter_) meter_ = backend_.make_row_meter();
  RowSquares squares =
      times_.time(Stage::kQuantize, stream.units * static_cast<std::uint64_t>(unit_bytes(stream.dtype)), [&] {
        return weights.empty() && centre == 0 ? meter_->measure(stream.dtype, run, read)
                                              : meter_->weigh(stream.dtype, run, weights, centre, read);
      });
  const TransferTimes transfers = meter_->take_transfer_times();
  times_.add(Stage::kTransfer, transfers.seconds, transfers.bytes);
  return squares;
}

// Evenly spread rows.
void TensorLook::sample(std::size_t s) {
  LookedAt& out = looked_at_;
  const std::uint64_t count = std::min(out.rows, std::max<std::uint64_t>(16, kSampledUnits / out.columns));
  out.resize(count * out.columns);
  for (std::uint64_t i = 0; i < count; i++)
    (void)read(s, sampled_row(i, count, out.rows) * out.columns, out.values.subspan(i * out.columns, out.columns));
  out.shape = {count, out.columns};
}

void TensorLook::scale_all_rows(std::size_t s, double unit, float centre, Scales& scales) {
  const LookedAt& looked_at = looked_at_;
  const std::uint64_t sampled = looked_at.shape[0];
  trellis::Box box{{looked_at.rows, 1, looked_at.columns}};
  ScaleFactor* rows = nullptr;
  const ScaleFactor* columns = nullptr;
  for (ScaleFactor& factor : scales.factors) {
    if (factor.inner == looked_at.columns && factor.codes.size() == sampled)
      rows = &factor;
    else
      columns = &factor;
  }
  if (rows == nullptr) return;
  std::vector<double> energies;
  if (columns == nullptr && centre == 0) {
    energies = std::move(squares_.rows);
  } else {
    std::vector<double> inverse(columns != nullptr ? looked_at.columns : 0);
    for (std::size_t j = 0; j < inverse.size(); j++) inverse[j] = trellis::inverse_variance(columns->codes[j]);
    energies = measure(s, inverse, centre).rows;
  }
  energies.resize(looked_at.rows);  // without what is left over
  for (double& energy : energies) energy /= unit * unit;
  // The sampled rows tie the codes' zero to the base class.
  double sampled_energy = 0;
  for (std::uint64_t i = 0; i < sampled; i++) {
    const std::uint64_t row = sampled_row(i, sampled, looked_at.rows);
    sampled_energy += energies[row] * trellis::inverse_variance(rows->codes[i]);
  }
  const double reference = std::max(sampled_energy / static_cast<double>(sampled * looked_at.columns), 1e-30) *
                           static_cast<double>(looked_at.columns);
  for (double& energy : energies) energy /= reference;
  *rows = trellis::layout_of(box, 0);
  (void)trellis::round_scales(energies, static_cast<double>(looked_at.columns), *rows);
}

}  // namespace weft::engine
