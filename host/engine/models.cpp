#include "engine/models.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <span>

#include "archive/trellis_index.hpp"
#include "backends/cpu/trellis_block.hpp"
#include "engine/lossless_size.hpp"
#include "engine/probe.hpp"
#include "engine/steps.hpp"
#include "engine/tensor_look.hpp"
#include "engine/workers.hpp"
#include "trellis/bank.hpp"
#include "trellis/choose.hpp"
#include "weft/core/quantize.hpp"

namespace weft::engine {
namespace {

constexpr std::uint64_t kWorkBytes = 24;  // per unit looked at: the unit, values, squares, the view
constexpr double kFinestCell = 1.0 / 24;  // of the rms: below, the alphabet does not reach the tails
constexpr double kUniformCell = 0.89;     // of a trellis's cell: a uniform quantizer's at the same error
// Shares of weights within a step of zero: from the first one on both labellings are tried; from the second one on the search
// takes other levels than the nearest ones so often that large tensors' shapes are fitted to what it takes.
constexpr double kNearZero = 0.35, kNearEnough = 0.2;
constexpr std::uint64_t kLargeUnits = 1u << 20;
// What an offset has to save: its own bits, and of each weight what estimates are wrong by.
constexpr double kOffsetBits = 32, kOffsetSaving = 0.004;
constexpr double kManyZeros = 0.25;  // share of exact zeros, which a level of their own gives back without an error

class ModelMaker {
 public:
  // most: weights of the largest stream that is looked at whole.
  ModelMaker(const Network& network, Plan& plan, const Backend& backend, StageTimes& times, std::uint64_t most)
      : plan_(plan), times_(times), look_(network, plan, backend, times, most) {}

  struct Result {
    trellis::Histogram histogram;
    std::string fault;        // why there is no trellis
    bool to_uniform = false;  // the step is too fine for it
    double cell = 0;
  };

  Result make(std::size_t s) {
    StreamRecord& stream = plan_.index.streams[s];
    const CodecSpec& spec = plan_.specs[s];
    LookedAt& looked_at = look_.at(s);
    const RowSquares& squares = look_.squares();
    Result result;
    if (squares.total() == 0 && squares.beyond_float) {
      result.fault = "no float32 step fits the size of its values";
      return result;
    }
    const double rms = squares.rms();
    Centre centre;
    times_.time(Stage::kQuantize, 0, [&] { centre = centre_of(looked_at.values); });
    const double mean = may_have_offset(spec, stream.units, rms, centre) ? centre.mean : 0;
    result.fault = set_step(spec, rms, deviation_from(mean, rms), stream, result);
    if (!result.fault.empty() || result.to_uniform) return result;
    const double exact_bits = exact_bits_of(spec, stream.dtype, looked_at.values);
    times_.time(Stage::kQuantize, looked_at.values.size(), [&] {
      const float inverse = cpu::steps_in_unit(stream.trellis.fine_step);
      to_steps(looked_at.values, inverse, static_cast<float>(mean) * inverse);
      choose(spec, looked_at, mean, stream, result.histogram);
      // Estimates for Gaussian weights say little of such ones.
      if (exact_bits <= 64 && probe_.run(looked_at.values, stream.trellis, 0).bits >= exact_bits)
        result.fault = "it has few different values, which codec lossless makes smaller";
    });
    if (!result.fault.empty()) return result;
    result.to_uniform = stream.trellis.offset == 0 && is_too_fine(result.cell, rms);
    if (result.to_uniform) return result;
    if (!looked_at.is_whole)
      look_.scale_all_rows(s, static_cast<double>(stream.trellis.fine_step) * (1 << core::kFineBits),
                           core::weight_at(stream.trellis, 0), stream.trellis);
    result.histogram.weight *= static_cast<double>(stream.units) / static_cast<double>(looked_at.values.size());
    return result;
  }

 private:
  static bool is_too_fine(double cell, double deviation) { return cell < kFinestCell * deviation; }

  static double least_saving(std::uint64_t units) { return kOffsetBits + kOffsetSaving * static_cast<double>(units); }
  // Of equal values, which have none, something that is not zero; of a mean that only a sample has, too.
  static double deviation_from(double mean, double rms) {
    return std::sqrt(std::max(rms * rms - mean * mean, 1e-12 * rms * rms));
  }
  // Whether a mean is so large that level 0 had better stand for it. Zeros that shall stay zeros need a level.
  static bool may_have_offset(const CodecSpec& spec, std::uint64_t units, double rms, const Centre& centre) {
    if (spec.prune || spec.labelling == "zero" || centre.zeros > kManyZeros || centre.mean == 0) return false;
    const double saved = std::log2(rms / deviation_from(centre.mean, rms));  // bits of a weight
    return saved * static_cast<double>(units) > least_saving(units);
  }

  // deviation: from zero, or from the mean if that may become level 0.
  [[nodiscard]] std::string set_step(const CodecSpec& spec, double rms, double deviation, StreamRecord& stream,
                                     Result& result) const {
    if (look_.squares().finite == 0) return "none of its values is finite";
    double cell = spec.step ? *spec.step : short_step(spec.relative_step.value_or(1) * rms);
    if (rms == 0 && !spec.step) cell = 1;  // nothing but zeros: any step does
    if (!(cell >= 0x1p-110 && cell <= 0x1p100)) return "no float32 step fits the size of its values";
    result.cell = cell;
    result.to_uniform = is_too_fine(cell, deviation);
    stream.trellis.fine_step = static_cast<float>(cell / 2 / (1 << core::kFineBits));
    stream.trellis.states_log2 = static_cast<std::uint8_t>(std::lrint(std::log2(static_cast<double>(spec.states))));
    // Fewer bits let a bit cost more: the slope of the rate falls off.
    const double relative = deviation > 0 ? cell / deviation : 1;
    stream.trellis.pins_zero = spec.prune.has_value();
    stream.trellis.lambda = spec.trellis_lambda.value_or(relative < 0.9 ? 0.09 : 0.1);
    return "";
  }

  // The model that is found, with the stream's step, states, lambda and pinned zeros.
  static TrellisStream model_of(const TrellisStream& stream, const trellis::Choice& choice, bool keeps_zero) {
    TrellisStream model = choice.stream;
    model.fine_step = stream.fine_step;
    model.offset = stream.offset;
    model.states_log2 = stream.states_log2;
    model.lambda = stream.lambda;
    model.pins_zero = stream.pins_zero;
    model.keeps_zero = keeps_zero;
    return model;
  }

  // What values allow, and what seems best of that.
  struct Considered {
    double near = 0;  // share of values within a step of level 0
    bool tries_zero = false, only_zero = false;
    trellis::Choices choices;
  };

  Considered consider(const CodecSpec& spec, const LookedAt& looked_at, bool compared) {
    trellis::Allowed allowed{.scales = spec.model != "order0",
                             .prediction = spec.model == "auto" || spec.model == "predictive",
                             .energy = spec.model == "auto" || spec.model == "predictive",
                             .only_prediction = spec.model == "predictive",
                             .views = spec.choose_view && looked_at.is_whole,
                             .compared = compared};
    std::uint32_t near_ones = 0;
    for (const float value : looked_at.values) near_ones += std::fabs(value) < 1 ? 1u : 0u;
    Considered found;
    found.near = near_ones / static_cast<double>(std::max<std::size_t>(1, looked_at.values.size()));
    found.only_zero = spec.labelling == "zero";
    // One state has a zero whatever its labelling.
    found.tries_zero = found.only_zero || (spec.labelling == "auto" && spec.states > 1 && !allowed.only_prediction &&
                                           found.near > kNearZero);
    if (found.only_zero) {
      allowed.prediction = false;
      allowed.only_prediction = false;
    }
    allowed.flat = found.tries_zero && !found.only_zero;
    found.choices = chooser_.choose(looked_at.values, looked_at.shape, allowed);
    return found;
  }

  // mean: of the weights, if it may become level 0.
  void choose(const CodecSpec& spec, LookedAt& looked_at, double mean, StreamRecord& stream,
              trellis::Histogram& histogram) {
    const double fines = std::rint(mean / static_cast<double>(stream.trellis.fine_step));
    const bool may_move = fines != 0 && std::fabs(fines) <= core::kMaxOffset;
    Considered found = consider(spec, looked_at, may_move);
    if (may_move) {
      stream.trellis.offset = static_cast<std::int32_t>(fines);
      const float steps = cpu::offset_in_steps(stream.trellis);
      for (float& value : looked_at.values) value -= steps;
      Considered moved = consider(spec, looked_at, true);
      if (moved.choices.best.bits + least_saving(looked_at.values.size()) < found.choices.best.bits) {
        found = std::move(moved);
      } else {
        stream.trellis.offset = 0;
        for (float& value : looked_at.values) value += steps;
      }
    }
    trellis::Choices& choices = found.choices;
    TrellisStream model = model_of(stream.trellis, choices.best, found.only_zero);
    if (!found.tries_zero) {
      const bool search = found.near > kNearEnough && stream.units >= kLargeUnits;
      histogram = search ? probe_.run(looked_at.values, model, 0).histogram : std::move(choices.best.histogram);
    } else {
      ProbeResult best = probe_.run(looked_at.values, model, choices.best.side_bits);
      if (!found.only_zero) {
        TrellisStream zero = model_of(stream.trellis, *choices.flat, true);
        ProbeResult other = probe_.run(looked_at.values, zero, choices.flat->side_bits);
        if (other.cost < best.cost) best = std::move(other), model = std::move(zero);
      }
      histogram = std::move(best.histogram);
    }
    stream.trellis = std::move(model);
  }

  // Bits of a weight that codec lossless takes for values as few as they rarely are; else infinitely many.
  static double exact_bits_of(const CodecSpec& spec, DType dtype, std::span<const float> values) {
    if (spec.prune || !has_few_values(values)) return std::numeric_limits<double>::infinity();
    std::vector<std::byte> units(values.size() * static_cast<std::size_t>(unit_bytes(dtype)));
    cpu::active_kernels().from_float(dtype, values.data(), values.size(), units.data());
    LosslessSize size;
    size.add(dtype, units);
    return size.bits() / static_cast<double>(values.size());
  }

  Plan& plan_;
  StageTimes& times_;
  TensorLook look_;
  trellis::ModelChooser chooser_;
  Probe probe_;
};

void fall_back_to_uniform(Plan& plan, std::size_t s, double cell) {
  CodecSpec& spec = plan.specs[s];
  spec.codec = CodecId::kUniform;
  spec.relative_step.reset();
  spec.step = spec.states == 1 || plan.bounds_errors ? cell : cell * kUniformCell;
  plan.index.streams[s].codec = CodecId::kUniform;
  plan.index.streams[s].trellis = {};
  for (const std::size_t tensor : plan.index.streams[s].members)
    plan.notes[tensor] = "its step is too fine for a trellis; a uniform one gives the same error";
}

// Fits shapes for streams with these histograms.
void add_bank(Plan& plan, std::span<const std::size_t> streams, std::span<const trellis::Histogram> histograms) {
  const trellis::Bank bank = trellis::fit_bank(histograms);
  const auto first = static_cast<std::uint32_t>(plan.index.shapes.size());
  plan.index.shapes.insert(plan.index.shapes.end(), bank.shapes.begin(), bank.shapes.end());
  for (std::size_t i = 0; i < streams.size(); i++)
    plan.index.streams[streams[i]].trellis.shape = first + bank.choice[i];
}

}  // namespace

std::uint64_t model_bytes(const Plan& plan) {
  std::uint64_t bytes = 0;
  for (const StreamRecord& stream : plan.index.streams)
    if (stream.codec == CodecId::kTrellis) bytes = std::max(bytes, std::min(stream.units, kWholeUnits) * kWorkBytes);
  return bytes;
}

void choose_models(const Network& network, Plan& plan, const std::vector<bool>& chosen, const Backend& backend,
                   const std::atomic<bool>* cancel, std::vector<StageTimes>& times) {
  std::vector<std::size_t> streams;
  for (std::size_t s = 0; s < plan.index.streams.size(); s++)
    if (chosen[s] && plan.index.streams[s].codec == CodecId::kTrellis) streams.push_back(s);
  if (streams.empty()) return;
  std::uint64_t most = 0;
  for (const std::size_t s : streams)
    if (plan.index.streams[s].units <= kWholeUnits) most = std::max(most, plan.index.streams[s].units);
  std::vector<ModelMaker::Result> results(streams.size());
  std::vector<std::unique_ptr<ModelMaker>> makers(plan.model_threads);
  run_parallel(plan.model_threads, streams.size(), cancel, [&](std::uint32_t worker, std::size_t i) {
    if (!makers[worker]) makers[worker] = std::make_unique<ModelMaker>(network, plan, backend, times[worker], most);
    results[i] = makers[worker]->make(streams[i]);
  });
  // Streams that share a bank, and after them each of the others with a bank of its own.
  std::vector<trellis::Histogram> shared;
  std::vector<std::size_t> sharing;
  std::vector<std::pair<std::size_t, trellis::Histogram>> alone;
  for (std::size_t i = 0; i < streams.size(); i++) {
    if (results[i].to_uniform) {
      fall_back_to_uniform(plan, streams[i], results[i].cell);
    } else if (!results[i].fault.empty()) {
      fall_back_to_lossless(plan, streams[i], results[i].fault);
    } else if (plan.specs[streams[i]].bank) {
      sharing.push_back(streams[i]);
      shared.push_back(std::move(results[i].histogram));
    } else {
      alone.emplace_back(streams[i], std::move(results[i].histogram));
    }
  }
  times[0].time(Stage::kQuantize, 0, [&] {
    if (!shared.empty()) add_bank(plan, sharing, shared);
    for (const auto& [stream, histogram] : alone) add_bank(plan, {&stream, 1}, {&histogram, 1});
  });
}

}  // namespace weft::engine
