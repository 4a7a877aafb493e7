#include "engine/models.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <span>

#include "archive/trellis_index.hpp"
#include "backends/cpu/row_squares.hpp"
#include "backends/cpu/trellis_block.hpp"
#include "engine/workers.hpp"
#include "trellis/bank.hpp"
#include "trellis/choose.hpp"
#include "trellis/sample.hpp"
#include "weft/core/quantize.hpp"

namespace weft::engine {
namespace {

constexpr std::uint64_t kSampledUnits = 1u << 20;  // of a tensor that is too large to be looked at whole
constexpr std::uint64_t kLongestRow = 1u << 16;    // of such a sample
// The search is tried on a share of a tensor's weights, and its histogram goes into the bank.
constexpr std::size_t kProbedShare = 8;
constexpr std::size_t kFewestProbed = 1u << 13;
constexpr std::size_t kMostProbed = 1u << 17;
constexpr std::size_t kProbedRun = 256;  // consecutive weights, which make a lane
constexpr std::size_t kProbedBlock = kProbedRun * core::kLanes;
constexpr std::uint64_t kWorkBytes = 24;  // per unit looked at: the unit, values, squares, the view
constexpr double kFinestCell = 1.0 / 24;  // of the rms: below, the alphabet does not reach the tails
constexpr double kUniformCell = 0.89;     // of a cell: a uniform quantizer's at the same error
constexpr double kNearZero = 0.3;         // share of weights within a step of zero from which both labellings are tried

// What is looked at of a tensor, in steps: all of it, or whole rows of a matrix.
struct Values {
  std::vector<float> values;
  std::vector<std::uint64_t> shape;
  bool is_whole = true;
  std::uint64_t rows = 1, columns = 1;  // of the tensor, when these are some of its rows
};

double rms_of(const RowSquares& squares) {
  return squares.finite == 0 ? 0 : std::sqrt(squares.total() / static_cast<double>(squares.finite));
}

// To steps; everything that is not finite becomes zero. By masks, which vectorise.
void scale(std::span<float> values, float inverse) {
  for (float& value : values) {
    const std::uint32_t bits = core::bits_of_float(value);
    const std::uint32_t is_finite = (bits & 0x7FFFFFFFu) < 0x7F800000u ? 1 : 0;
    value = core::float_of_bits(bits & (0 - is_finite)) * inverse;
  }
}

// The split of a shape into rows and columns that makes both as few as possible.
void split_shape(std::span<const std::uint64_t> shape, std::uint64_t& rows, std::uint64_t& columns) {
  rows = 1;
  columns = 1;
  for (const std::uint64_t d : shape) columns *= d;
  std::uint64_t r = 1, c = columns;
  for (const std::uint64_t d : shape) {
    r *= d;
    c /= d;
    if (r + c < rows + columns) rows = r, columns = c;
  }
}

// Number i of `count` evenly spread rows.
std::uint64_t sampled_row(std::uint64_t i, std::uint64_t count, std::uint64_t rows) {
  return count == 1 ? 0 : i * ((rows - 1) / (count - 1));
}

class ModelMaker {
 public:
  ModelMaker(const Network& network, Plan& plan, const Backend& backend, StageTimes& times)
      : network_(network), plan_(plan), backend_(backend), times_(times) {}

  struct Result {
    trellis::Histogram histogram;
    std::string fault;        // why there is no trellis
    bool to_uniform = false;  // the step is too fine for it
    double cell = 0;
  };

  Result make(std::size_t s) {
    StreamRecord& stream = plan_.index.streams[s];
    const CodecSpec& spec = plan_.specs[s];
    Values& looked_at = looked_at_;
    squares_ = {};
    looked_at.is_whole = stream.units <= kWholeUnits;
    if (looked_at.is_whole) {
      looked_at.values.resize(stream.units);
      read(s, 0, looked_at.values);
      looked_at.shape = plan_.index.tensors[stream.members.front()].shape;
      times_.time(Stage::kQuantize, 0, [&] {
        cpu::add_rows(stream.dtype, {stream.units, std::max<std::uint64_t>(1, stream.units)}, units_, {}, squares_);
      });
    } else {
      set_rows(s, looked_at);
      squares_ = measure(s, looked_at, {});
      sample(s, looked_at);
    }
    Result result;
    if (squares_.total() == 0 && squares_.beyond_float) {
      result.fault = "no float32 step fits the size of its values";
      return result;
    }
    result.fault = set_step(squares_, spec, stream, result);
    if (!result.fault.empty() || result.to_uniform) return result;
    times_.time(Stage::kQuantize, looked_at.values.size(), [&] {
      const float inverse = 1.0f / (stream.trellis.fine_step * static_cast<float>(1 << core::kFineBits));
      scale(looked_at.values, inverse);
      choose(spec, looked_at, stream, result.histogram);
    });
    if (!looked_at.is_whole) measure_rows(s, looked_at);
    result.histogram.weight *= static_cast<double>(stream.units) / static_cast<double>(looked_at.values.size());
    return result;
  }

 private:
  void read(std::size_t s, std::uint64_t first, std::span<float> values) {
    const DType dtype = plan_.index.streams[s].dtype;
    units_.resize(values.size() * static_cast<std::uint64_t>(unit_bytes(dtype)));
    times_.time(Stage::kRead, units_.size(), [&] { read_memory_order(network_, plan_, s, first, units_); });
    cpu::active_kernels().to_float(dtype, units_.data(), values.size(), values.data());
  }

  // Every weight's square in the sum of its row, times what its column weighs if there are weights.
  RowSquares measure(std::size_t s, const Values& looked_at, std::span<const double> weights) {
    const StreamRecord& stream = plan_.index.streams[s];
    const core::RowRun run{stream.units, looked_at.columns};
    const auto read = [&](std::uint64_t first, std::span<std::byte> units) {
      times_.time(Stage::kRead, units.size(), [&] { read_memory_order(network_, plan_, s, first, units); });
    };
    if (!meter_) meter_ = backend_.make_row_meter();
    RowSquares squares =
        times_.time(Stage::kQuantize, stream.units * static_cast<std::uint64_t>(unit_bytes(stream.dtype)), [&] {
          return weights.empty() ? meter_->measure(stream.dtype, run, read)
                                 : meter_->weigh(stream.dtype, run, weights, read);
        });
    const TransferTimes transfers = meter_->take_transfer_times();
    times_.add(Stage::kTransfer, transfers.seconds, transfers.bytes);
    return squares;
  }

  // How a large tensor is cut into rows; without usable ones, into runs.
  void set_rows(std::size_t s, Values& out) const {
    const StreamRecord& stream = plan_.index.streams[s];
    split_shape(plan_.index.tensors[stream.members.front()].shape, out.rows, out.columns);
    if (out.columns > kSampledUnits / 16 || out.rows > stream.units / 16) {
      out.columns = kLongestRow;
      out.rows = stream.units / out.columns;
    }
  }

  // Evenly spread rows.
  void sample(std::size_t s, Values& out) {
    const std::uint64_t count = std::min(out.rows, std::max<std::uint64_t>(16, kSampledUnits / out.columns));
    out.values.resize(count * out.columns);
    for (std::uint64_t i = 0; i < count; i++)
      read(s, sampled_row(i, count, out.rows) * out.columns,
           std::span(out.values).subspan(i * out.columns, out.columns));
    out.shape = {count, out.columns};
  }

  static std::string set_step(const RowSquares& squares, const CodecSpec& spec, StreamRecord& stream, Result& result) {
    if (squares.finite == 0) return "none of its values is finite";
    const double rms = rms_of(squares);
    double cell = spec.step ? *spec.step : spec.relative_step.value_or(1) * rms;
    if (rms == 0 && !spec.step) cell = 1;  // nothing but zeros: any step does
    if (!(cell >= 0x1p-110 && cell <= 0x1p100)) return "no float32 step fits the size of its values";
    result.cell = cell;
    result.to_uniform = cell < kFinestCell * rms;
    stream.trellis.fine_step = static_cast<float>(cell / 2 / (1 << core::kFineBits));
    stream.trellis.states_log2 = static_cast<std::uint8_t>(std::lrint(std::log2(static_cast<double>(spec.states))));
    // Fewer bits let a bit cost more: the slope of the rate falls off (DESIGN 5, 6).
    const double relative = rms > 0 ? cell / rms : 1;
    stream.trellis.pins_zero = spec.prune.has_value();
    stream.trellis.lambda = spec.trellis_lambda.value_or(relative < 0.9 ? 0.09 : relative > 1.3 ? 0.11 : 0.1);
    return "";
  }

  // Takes the model that is found into the stream, which keeps its step, states, lambda and pinned zeros.
  static void adopt(const TrellisStream& model, TrellisStream& stream) {
    TrellisStream next = model;
    next.fine_step = stream.fine_step;
    next.states_log2 = stream.states_log2;
    next.lambda = stream.lambda;
    next.pins_zero = stream.pins_zero;
    stream = std::move(next);
  }

  struct Trial {
    TrellisStream stream;
    trellis::Histogram histogram;
    double excess = 0;  // bits above 0.5 log2 of the error, which compares coders of unequal error
  };

  void choose(const CodecSpec& spec, const Values& looked_at, StreamRecord& stream, trellis::Histogram& histogram) {
    trellis::Allowed allowed{.scales = spec.model != "order0",
                             .prediction = spec.model == "auto" || spec.model == "predictive",
                             .energy = spec.model == "auto" || spec.model == "predictive",
                             .only_prediction = spec.model == "predictive",
                             .views = spec.choose_view && looked_at.is_whole};
    std::uint32_t near = 0;
    for (const float value : looked_at.values) near += std::fabs(value) < 1 ? 1u : 0u;
    const bool try_zero = spec.labelling == "zero" ||
                          (spec.labelling == "auto" && !allowed.only_prediction &&
                           static_cast<double>(near) > kNearZero * static_cast<double>(looked_at.values.size()));
    Trial best;
    if (spec.labelling == "zero") {
      trellis::Allowed flat = allowed;
      flat.prediction = false;
      flat.only_prediction = false;
      best = attempt(stream, looked_at, trellis::choose_model(looked_at.values, looked_at.shape, flat).best, true);
    } else {
      allowed.flat = try_zero;
      const trellis::Choices choices = trellis::choose_model(looked_at.values, looked_at.shape, allowed);
      best = attempt(stream, looked_at, choices.best, false);
      if (try_zero) {
        Trial zero = attempt(stream, looked_at, *choices.flat, true);
        if (zero.excess < best.excess) best = std::move(zero);
      }
    }
    stream.trellis = std::move(best.stream);
    histogram = std::move(best.histogram);
  }

  Trial attempt(const StreamRecord& stream, const Values& looked_at, const trellis::Choice& choice, bool zero) {
    Trial trial;
    trial.stream = stream.trellis;
    adopt(choice.stream, trial.stream);
    trial.stream.keeps_zero = zero;
    probe(looked_at, trial, choice.side_bits);
    return trial;
  }

  // Quantizes a part of the values and counts what is coded.
  void probe(const Values& looked_at, Trial& trial, double side_bits) {
    const Shape& shape = trellis::typical_shapes()[trial.stream.shape];
    cpu::TrellisTables& tables = work_.cache.tables(shape);
    tables.prepare_encode(trial.stream);
    cpu::make_predictor(trial.stream, work_);
    const std::size_t wanted = std::clamp(looked_at.values.size() / kProbedShare, kFewestProbed, kMostProbed);
    const trellis::Sample sample = trellis::take_sample(looked_at.values, trial.stream.view, kProbedRun, wanted);
    std::vector<std::uint32_t> dense(std::size_t{trellis::kRows} * 256);
    double error = 0, far = 0;
    const double limit = cpu::far_cost(trial.stream) / 4096.0;
    std::vector<std::uint8_t> classes(sample.values.size());
    for (std::size_t i = 0; i < sample.begins.size(); i++)
      trellis::scale_classes(trial.stream, sample.begins[i],
                             std::span(classes).subspan(i * sample.run, sample.run_of(i).size()));
    for (std::size_t first = 0; first < classes.size(); first += kProbedBlock) {
      const std::size_t n = std::min(kProbedBlock, classes.size() - first);
      const std::span<const float> values = std::span(sample.values).subspan(first, n);
      // Lanes of one run each, as far as they come out even.
      const core::Weave order(static_cast<std::uint32_t>(n), core::lanes_log2_for(n, std::bit_width(kProbedRun)));
      const auto begin = classes.begin() + static_cast<std::ptrdiff_t>(first);
      work_.classes.assign(begin, begin + static_cast<std::ptrdiff_t>(n));
      cpu::weave_classes(work_, order);
      cpu::quantize_block(cpu::active_kernels(), trial.stream, tables, values, order, work_);
      cpu::for_woven(order, [&](std::uint32_t e, std::size_t at) {
        dense[work_.entries[at]]++;
        const double offset =
            static_cast<double>(values[e]) - (work_.woven_levels[at] - static_cast<double>(core::kLevelBias));
        if (offset * offset > limit)
          far++;
        else
          error += offset * offset;
      });
    }
    for (std::size_t e = 0; e < dense.size(); e++)
      if (dense[e] != 0) trial.histogram.entries.push_back({static_cast<std::uint32_t>(e), dense[e]});
    const auto n = static_cast<double>(sample.values.size());
    const double bits = trellis::bits_under(trial.histogram, shape) + 32 * far + side_bits / sample.weight();
    trial.excess = bits / n + 0.5 * std::log2(std::max(error / n, 1e-9));
    trial.histogram.weight = sample.weight();
  }

  // The scales of all rows, where those of the sampled ones pay.
  void measure_rows(std::size_t s, const Values& looked_at) {
    StreamRecord& stream = plan_.index.streams[s];
    const std::uint64_t sampled = looked_at.shape[0];
    trellis::Box box{{looked_at.rows, 1, looked_at.columns}};
    ScaleFactor* rows = nullptr;
    const ScaleFactor* columns = nullptr;
    for (ScaleFactor& factor : stream.trellis.factors) {
      if (factor.inner == looked_at.columns && factor.codes.size() == sampled)
        rows = &factor;
      else
        columns = &factor;
    }
    if (rows == nullptr) return;
    std::vector<double> energies;
    if (columns == nullptr) {
      energies = std::move(squares_.rows);
    } else {
      std::vector<double> inverse(looked_at.columns);
      for (std::size_t j = 0; j < inverse.size(); j++) inverse[j] = trellis::inverse_variance(columns->codes[j]);
      energies = measure(s, looked_at, inverse).rows;
    }
    energies.resize(looked_at.rows);  // without what is left over
    const double unit = static_cast<double>(stream.trellis.fine_step) * (1 << core::kFineBits);
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

  const Network& network_;
  Plan& plan_;
  const Backend& backend_;
  StageTimes& times_;
  std::vector<std::byte> units_;
  cpu::TrellisWork work_;
  Values looked_at_;                 // whose memory the next stream takes over
  std::unique_ptr<RowMeter> meter_;  // made for the first large stream
  RowSquares squares_;               // of the stream that is looked at
};

void fall_back_to_uniform(Plan& plan, std::size_t s, double cell) {
  CodecSpec& spec = plan.specs[s];
  spec.codec = CodecId::kUniform;
  spec.relative_step.reset();
  spec.step = cell * kUniformCell;
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

void limit_model_threads(Plan& plan, std::uint32_t threads, std::uint64_t memory_limit) {
  std::uint64_t bytes = 0;
  for (const StreamRecord& stream : plan.index.streams)
    if (stream.codec == CodecId::kTrellis) bytes = std::max(bytes, std::min(stream.units, kWholeUnits) * kWorkBytes);
  plan.model_threads = std::min(threads, thread_count(threads, memory_limit, bytes));
}

void choose_models(const Network& network, Plan& plan, const std::vector<bool>& chosen, const Backend& backend,
                   const std::atomic<bool>* cancel, std::vector<StageTimes>& times) {
  std::vector<std::size_t> streams;
  for (std::size_t s = 0; s < plan.index.streams.size(); s++)
    if (chosen[s] && plan.index.streams[s].codec == CodecId::kTrellis) streams.push_back(s);
  if (streams.empty()) return;
  std::vector<ModelMaker::Result> results(streams.size());
  std::vector<std::unique_ptr<ModelMaker>> makers(plan.model_threads);
  run_parallel(plan.model_threads, streams.size(), cancel, [&](std::uint32_t worker, std::size_t i) {
    if (!makers[worker]) makers[worker] = std::make_unique<ModelMaker>(network, plan, backend, times[worker]);
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
