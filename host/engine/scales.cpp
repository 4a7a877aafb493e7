#include "engine/scales.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include "archive/index.hpp"
#include "backends/cpu/codebook_indices.hpp"
#include "backends/planes.hpp"
#include "engine/tensor_look.hpp"
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

// Symbols of plane 0 that stand for a weight each. Of a large tensor whose channels have codebooks of their own, rows do not say
// which.
bool may_have_scales(const Plan& plan, std::size_t s) {
  const StreamRecord& stream = plan.index.streams[s];
  const bool has_symbols = archive::may_have_classes(stream.codec) && stream.codebook.dimension == 1 &&
                           (stream.codebook.group == 0 || stream.units <= kWholeUnits);
  return has_symbols && plan.specs[s].symbol_model != "order0" && stream.members.size() == 1 &&
         is_quantizable(stream.dtype) && stream.units >= kFewestUnits;
}

class ScaleMaker {
 public:
  ScaleMaker(const Network& network, const Plan& plan, const Backend& backend, StageTimes& times, std::uint64_t most)
      : plan_(plan), times_(times), scratch_(cpu::active_kernels()), look_(network, plan, backend, times, most) {}

  Scales make(std::size_t s) {
    LookedAt& looked_at = look_.at(s);
    const double rms = look_.squares().rms();
    if (!(rms > 0) || !std::isfinite(rms)) return {};
    const double unit = rms / kSeenDeviation;
    Scales scales = times_.time(Stage::kQuantize, looked_at.values.size(), [&] {
      find_symbols(s, looked_at.values);
      to_steps(looked_at.values, static_cast<float>(1 / unit), 0);
      return choose(s, looked_at);
    });
    if (!looked_at.is_whole) look_.scale_all_rows(s, unit, 0, scales);
    return scales;
  }

 private:
  // What is looked at of the stream as one segment.
  [[nodiscard]] SegmentView view_of(std::size_t s, std::uint64_t units) const {
    const StreamRecord& stream = plan_.index.streams[s];
    SegmentView view = segment_view(plan_.index, stream, plan_.index.segments[stream.first_segment]);
    view.first_unit = 0;
    view.units = units;
    return view;
  }

  // To scratch_.planes[0].
  void find_symbols(std::size_t s, std::span<const float> values) {
    const SegmentView view = view_of(s, values.size());
    if (view.codec == CodecId::kCodebook) {
      scratch_.values.assign(values.begin(), values.end());
      return cpu::choose_indices(scratch_, view, plan_.specs[s].pin_zero);
    }
    units_.resize(values.size() * static_cast<std::size_t>(unit_bytes(view.dtype)));
    scratch_.kernels.from_float(view.dtype, values.data(), values.size(), units_.data());
    cpu::split_planes(scratch_, view.dtype, units_);
  }

  // Values are in steps.
  Scales choose(std::size_t s, const LookedAt& looked_at) {
    std::vector<trellis::ScaleFactors> boxes = trellis::boxes_of(looked_at.values, looked_at.shape);
    std::vector<trellis::PromisingSet> options = trellis::promising_sets(boxes);
    if (options.size() > kTried) options.resize(kTried);
    const std::vector<std::uint8_t>& symbols = scratch_.planes[0];
    SegmentView view = view_of(s, symbols.size());
    cpu::PlaneEncoder& encoder = scratch_.encoders[0];
    encoder.begin(symbols, 0, pair_window(view, plan_.specs[s]));
    const std::uint64_t plain = encoder.length();
    Scales best;
    double least = bits_of(plain) * (1 - kLeastSaving);
    for (const auto& [box, set, saving] : options) {
      Scales scales;
      for (int kind = 0; kind < trellis::kFactorKinds; kind++)
        if ((set >> kind & 1) != 0) scales.factors.push_back(boxes[box].factor(kind)->factor);
      centre(scales);
      view.scales = &scales;
      const cpu::ClassTables tables = cpu::choose_class_tables(symbols, *cpu::classes_to_encode(scratch_, view), plain);
      if (tables.tables.empty()) continue;
      const double bits = bits_of(tables.length) + boxes[box].side_bits(set) + kParameterBits;
      if (bits < least) least = bits, best = std::move(scales);
    }
    return best;
  }

  static double bits_of(std::uint64_t length) { return static_cast<double>(length) / 256; }

  // Gives the classes' lowest sum the number 0, or, where there are too many, the middle one the middle.
  static void centre(Scales& scales) {
    const trellis::CodeRange sums = trellis::sum_range(scales.factors);
    const int beyond = std::max(0, sums.highest - sums.lowest - (core::kScaleClasses - 1));
    scales.base_class = static_cast<std::int16_t>(-sums.lowest - beyond / 2);
  }

  const Plan& plan_;
  StageTimes& times_;
  cpu::Scratch scratch_;
  TensorLook look_;
  std::vector<std::byte> units_;
};

}  // namespace

std::uint64_t scale_bytes(const Plan& plan) {
  std::uint64_t bytes = 0;
  for (std::size_t s = 0; s < plan.index.streams.size(); s++)
    if (may_have_scales(plan, s))
      bytes = std::max(bytes, std::min(plan.index.streams[s].units, kWholeUnits) * kWorkBytes);
  return bytes;
}

void choose_scales(const Network& network, Plan& plan, const std::vector<bool>& chosen, const Backend& backend,
                   const std::atomic<bool>* cancel, std::vector<StageTimes>& times) {
  std::vector<std::size_t> streams;
  std::uint64_t most = 0;
  for (std::size_t s = 0; s < plan.index.streams.size(); s++) {
    if (!chosen[s] || !may_have_scales(plan, s)) continue;
    streams.push_back(s);
    if (plan.index.streams[s].units <= kWholeUnits) most = std::max(most, plan.index.streams[s].units);
  }
  std::vector<std::unique_ptr<ScaleMaker>> makers(plan.model_threads);
  run_parallel(plan.model_threads, streams.size(), cancel, [&](std::uint32_t worker, std::size_t i) {
    if (!makers[worker]) makers[worker] = std::make_unique<ScaleMaker>(network, plan, backend, times[worker], most);
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
