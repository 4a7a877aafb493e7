#include "engine/scales.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <span>

#include "backends/cpu/codebook_indices.hpp"
#include "backends/planes.hpp"
#include "engine/workers.hpp"
#include "trellis/axes.hpp"
#include "weft/core/trellis.hpp"

namespace weft::engine {
namespace {

// Per unit looked at: the unit, its value, square and sums, its planes, its class.
constexpr std::uint64_t kWorkBytes = 40;
constexpr std::uint64_t kFewestUnits = 512;
constexpr std::size_t kTried = 5;           // sets of factors whose classes are counted
constexpr double kSeenDeviation = 8;        // of a tensor, in steps: what a quantizer's own error takes from scales
constexpr double kParameterBits = 16;       // of a stream with scales, beside their codes
constexpr double kLeastSaving = 1.0 / 256;  // of plane 0, for decoding it takes longer

bool may_have_scales(const Plan& plan, std::size_t s) {
  const StreamRecord& stream = plan.index.streams[s];
  const bool has_symbols =
      stream.codec == CodecId::kLossless || (stream.codec == CodecId::kCodebook && stream.codebook.dimension == 1);
  return has_symbols && plan.specs[s].symbol_model != "order0" && stream.members.size() == 1 &&
         is_quantizable(stream.dtype) && stream.units >= kFewestUnits && stream.units <= kWholeUnits;
}

class ScaleMaker {
 public:
  ScaleMaker(const Network& network, const Plan& plan, StageTimes& times)
      : network_(network), plan_(plan), times_(times), scratch_(cpu::active_kernels()) {}

  Scales make(std::size_t s) {
    const StreamRecord& stream = plan_.index.streams[s];
    const auto n = static_cast<std::size_t>(stream.units);
    units_.resize(n * static_cast<std::size_t>(unit_bytes(stream.dtype)));
    times_.time(Stage::kRead, units_.size(), [&] { read_memory_order(network_, plan_, s, 0, units_); });
    return times_.time(Stage::kQuantize, 0, [&] {
      scratch_.values.resize(n);
      scratch_.kernels.to_float(stream.dtype, units_.data(), n, scratch_.values.data());
      find_symbols(s);
      return choose(s);
    });
  }

 private:
  // All of the stream as one segment.
  [[nodiscard]] SegmentView view_of(std::size_t s) const {
    const StreamRecord& stream = plan_.index.streams[s];
    SegmentView view = segment_view(plan_.index, stream, plan_.index.segments[stream.first_segment]);
    view.first_unit = 0;
    view.units = stream.units;
    return view;
  }

  // To scratch_.planes[0].
  void find_symbols(std::size_t s) {
    const StreamRecord& stream = plan_.index.streams[s];
    const SegmentView view = view_of(s);
    if (stream.codec == CodecId::kCodebook) return cpu::choose_indices(scratch_, view, plan_.specs[s].pin_zero);
    std::array<std::uint8_t*, 8> planes{};
    const int count = unit_bytes(stream.dtype);
    for (int p = 0; p < count; p++) {
      scratch_.planes[p].resize(view.units);
      planes[p] = scratch_.planes[p].data();
    }
    scratch_.kernels.split(units_.data(), view.units, count, rotates(stream.dtype), planes.data());
  }

  Scales choose(std::size_t s) {
    std::vector<float>& values = scratch_.values;
    double squares = 0;
    for (float& value : values) {
      value = std::isfinite(value) ? value : 0;
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    const double rms = std::sqrt(squares / static_cast<double>(values.size()));
    if (!(rms > 0) || !std::isfinite(rms)) return {};
    for (float& value : values) value = static_cast<float>(static_cast<double>(value) * (kSeenDeviation / rms));
    std::vector<trellis::Energies> groups =
        trellis::group_axes(values, plan_.index.tensors[plan_.index.streams[s].members.front()].shape);
    std::vector<trellis::ScaleFactors> boxes;
    boxes.reserve(groups.size());
    for (trellis::Energies& energies : groups) boxes.emplace_back(std::move(energies), boxes.data());
    struct Option {
      std::size_t box;
      trellis::FactorSet set;
      double saving;
    };
    std::vector<Option> options;
    for (std::size_t b = 0; b < boxes.size(); b++)
      for (const trellis::FactorSet set : trellis::sets_for(boxes[b].energies().box))
        if (const auto saving = boxes[b].saving(set)) options.push_back({b, set, *saving});
    std::stable_sort(options.begin(), options.end(),
                     [](const Option& a, const Option& b) { return a.saving > b.saving; });
    if (options.size() > kTried) options.resize(kTried);
    Scales best;
    double least = bits_with(s, best) * (1 - kLeastSaving);
    for (const Option& option : options) {
      Scales scales;
      for (int kind = 0; kind < trellis::kFactorKinds; kind++)
        if ((option.set >> kind & 1) != 0) scales.factors.push_back(boxes[option.box].factor(kind)->factor);
      centre(scales);
      const double bits = bits_with(s, scales) + boxes[option.box].side_bits(option.set) + kParameterBits;
      if (bits < least) least = bits, best = std::move(scales);
    }
    return best;
  }

  // Gives the classes' lowest sum the number 0, or, where there are too many, the middle one the middle.
  static void centre(Scales& scales) {
    int lowest = 0, highest = 0;
    for (const ScaleFactor& factor : scales.factors) {
      const auto [low, high] = std::minmax_element(factor.codes.begin(), factor.codes.end());
      lowest += *low;
      highest += *high;
    }
    const int beyond = std::max(0, highest - lowest - (core::kScaleClasses - 1));
    scales.base_class = static_cast<std::int16_t>(-lowest - beyond / 2);
  }

  // Bits of the symbols with these scales, tables included.
  double bits_with(std::size_t s, const Scales& scales) {
    const std::vector<std::uint8_t>& symbols = scratch_.planes[0];
    std::optional<cpu::UnitClasses> classes;
    if (!scales.factors.empty()) {
      classes_.resize(symbols.size());
      trellis::scale_classes(scales, 0, classes_);
      const trellis::ClassRange range = trellis::class_range(scales);
      classes = {classes_, range.lowest, range.highest};
    }
    cpu::PlaneEncoder& encoder = scratch_.encoders[0];
    encoder.begin(symbols, 0, pair_window(view_of(s), plan_.specs[s]), classes);
    return static_cast<double>(encoder.length()) / 256;
  }

  const Network& network_;
  const Plan& plan_;
  StageTimes& times_;
  cpu::Scratch scratch_;
  std::vector<std::byte> units_;
  std::vector<std::uint8_t> classes_;
};

}  // namespace

std::uint64_t scale_bytes(const Plan& plan) {
  std::uint64_t bytes = 0;
  for (std::size_t s = 0; s < plan.index.streams.size(); s++)
    if (may_have_scales(plan, s)) bytes = std::max(bytes, plan.index.streams[s].units * kWorkBytes);
  return bytes;
}

void choose_scales(const Network& network, Plan& plan, const std::vector<bool>& chosen, const std::atomic<bool>* cancel,
                   std::vector<StageTimes>& times) {
  std::vector<std::size_t> streams;
  for (std::size_t s = 0; s < plan.index.streams.size(); s++)
    if (chosen[s] && may_have_scales(plan, s)) streams.push_back(s);
  std::vector<std::unique_ptr<ScaleMaker>> makers(plan.model_threads);
  run_parallel(plan.model_threads, streams.size(), cancel, [&](std::uint32_t worker, std::size_t i) {
    if (!makers[worker]) makers[worker] = std::make_unique<ScaleMaker>(network, plan, times[worker]);
    plan.index.streams[streams[i]].scales = makers[worker]->make(streams[i]);
  });
}

void drop_unused_scales(Index& index) {
  for (StreamRecord& stream : index.streams) {
    if (stream.scales.factors.empty()) continue;
    const std::span segments(index.segments.data() + stream.first_segment, stream.segment_count);
    if (std::all_of(segments.begin(), segments.end(), [](const auto& segment) { return segment.class_tables.empty(); }))
      stream.scales = {};
  }
}

}  // namespace weft::engine
