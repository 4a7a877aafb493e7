#include "backends/cpu/trellis_block.hpp"

#include <algorithm>
#include <cmath>

#include "backends/cpu/uniform_steps.hpp"

namespace weft::cpu {

TrellisMode mode_of(const TrellisStream& stream) noexcept {
  return {stream.states_log2, stream.keeps_zero, stream.predicts};
}

void make_predictor(const TrellisStream& stream, TrellisWork& work) {
  work.taps.assign(trellis::period_of(stream), 0);
  for (std::size_t place = 0; place < stream.taps.size(); place++)
    for (std::size_t i = 0; i < core::kMaxTaps; i++)
      work.taps[place] |= std::uint32_t{static_cast<std::uint8_t>(stream.taps[place][i])} << (8 * i);
  work.shifts.resize(core::kEnergyEntries);
  for (std::uint32_t energy = 0; energy < core::kEnergyEntries; energy++)
    work.shifts[energy] =
        static_cast<std::uint32_t>(core::kMaxShift + stream.shifts[static_cast<std::size_t>(core::energy_bin(energy))]);
}

core::Predictor predictor_of(const TrellisStream& stream, const TrellisWork& work) noexcept {
  if (!stream.predicts) return {};
  return {work.taps.data(), work.shifts.data(), core::kErrorScale, core::kDeviation, trellis::period_of(stream)};
}

void weave_classes(TrellisWork& work, const TrellisStream& stream, std::uint64_t first, const core::Weave& order) {
  work.classes.resize(order.n);
  trellis::scale_classes(stream, first, work.classes);
  weave_classes(work, order);
  set_places(work, stream, [&](std::uint32_t lane) { return first + std::uint64_t{lane} * order.run; });
}

void weave_classes(TrellisWork& work, const core::Weave& order) {
  work.woven_classes.assign(order.elements(), 0);
  const std::uint8_t* from = work.classes.data();
  std::uint8_t* to = work.woven_classes.data();
  for_woven(order, [=](std::uint32_t i, std::size_t at) { to[at] = from[i]; });
}

std::uint32_t far_cost(const TrellisStream& stream) noexcept {
  constexpr std::uint32_t kFarBits = 32;
  // The nearest level of one state is a step away at most, unless the tables do not reach it: then the error keeps to that.
  if (stream.states_log2 == 0 && stream.lambda == 0) return (1u << 12) + (1u << 6);
  return std::clamp<std::uint32_t>(kFarBits * price_of_bit(stream.lambda), 1u << 14, (1u << 24) - 1);
}

float far_limit(const TrellisStream& stream) noexcept { return static_cast<float>(far_cost(stream)) / 4096; }

float largest_level(DType dtype, const TrellisStream& stream) noexcept {
  constexpr double kLargestFar = (1 << (core::kFarLevelBits - 1)) - 1;
  const double step = static_cast<double>(stream.fine_step) * (1 << core::kFineBits);
  const double offset = std::fabs(static_cast<double>(offset_in_steps(stream))),
               all = 0.99 * largest_value(dtype) / step;
  if (offset <= all && all < offset + 1) return 0;  // level 0 has no correction that could be too much
  return static_cast<float>(std::min(kLargestFar, all - offset - 1));
}

std::int8_t trellis_correction(double sum, double count) noexcept {
  return count > 0 ? static_cast<std::int8_t>(std::clamp<long>(std::lrint(sum / count * 64), -63, 63)) : std::int8_t{0};
}

void quantize_block(const Kernels& kernels, const TrellisStream& stream, const SearchTables& tables,
                    std::span<const float> values, const core::Weave& order, TrellisWork& work) {
  const std::size_t woven = order.elements();
  const TrellisMode mode = mode_of(stream);
  work.woven_fixed.assign(woven, 0);
  std::uint32_t* to = work.woven_fixed.data();
  for_woven(order, [=](std::uint32_t i, std::size_t at) {
    to[at] = static_cast<std::uint32_t>(core::search_weight(values[i]));
  });
  work.decisions.resize(std::size_t{order.run} << mode.states_log2);
  work.indices.resize(woven);
  work.path.resize(woven);
  work.entries.resize(woven);
  work.woven_levels.resize(woven);
  const core::SearchInput in{work.woven_fixed.data(),    work.woven_classes.data(), tables.prices,    tables.reach,
                             predictor_of(stream, work), work.places.data(),        far_cost(stream), stream.pins_zero};
  const TrellisKernels& trellis = kernels.trellis(order.width);
  trellis.search(mode, order, in, {work.decisions.data(), work.indices.data()}, work.path.data());
  trellis.follow(mode, order, in, work.path.data(), work.entries.data(), work.woven_levels.data());
}

}  // namespace weft::cpu
