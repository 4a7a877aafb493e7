#include "engine/models.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include "archive/trellis_index.hpp"
#include "backends/cpu/row_squares.hpp"
#include "engine/probe.hpp"
#include "engine/workers.hpp"
#include "trellis/bank.hpp"
#include "trellis/choose.hpp"
#include "weft/core/quantize.hpp"

namespace weft::engine {
namespace {

constexpr std::uint64_t kSampledUnits = 1u << 20;  // of a tensor that is too large to be looked at whole
constexpr std::uint64_t kLongestRow = 1u << 16;    // of such a sample
constexpr std::uint64_t kWorkBytes = 24;           // per unit looked at: the unit, values, squares, the view
constexpr double kFinestCell = 1.0 / 24;           // of the rms: below, the alphabet does not reach the tails
constexpr double kUniformCell = 0.89;              // of a cell: a uniform quantizer's at the same error
// Shares of weights within a step of zero: from the first one on both labellings are tried; from the second one on the search
// takes other levels than the nearest ones so often that large tensors' shapes are fitted to what it takes.
constexpr double kNearZero = 0.35, kNearEnough = 0.2;
constexpr std::uint64_t kLargeUnits = 1u << 20;

// What is looked at of a tensor, in steps: all of it, or whole rows of a matrix.
struct Values {
  std::span<float> values;
  std::vector<std::uint64_t> shape;
  bool is_whole = true;
  std::uint64_t rows = 1, columns = 1;  // of the tensor, when these are some of its rows

  // Makes room for values to come.
  void resize(std::size_t count) {
    if (count > capacity_) {
      memory_.reset();
      memory_ = std::make_unique_for_overwrite<float[]>(count);
      capacity_ = count;
    }
    values = {memory_.get(), count};
  }

 private:
  std::unique_ptr<float[]> memory_;
  std::size_t capacity_ = 0;
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
  // most: weights of the largest stream that is looked at whole.
  ModelMaker(const Network& network, Plan& plan, const Backend& backend, StageTimes& times, std::uint64_t most)
      : network_(network), plan_(plan), backend_(backend), times_(times) {
    looked_at_.resize(most);
  }

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
      looked_at.resize(stream.units);
      const std::span<const std::byte> units = read(s, 0, looked_at.values);
      looked_at.shape = plan_.index.tensors[stream.members.front()].shape;
      times_.time(Stage::kQuantize, 0, [&] {
        cpu::add_rows(stream.dtype, {stream.units, std::max<std::uint64_t>(1, stream.units)}, units, {}, squares_);
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
  // Reads weights; returns them as the tensor has them.
  std::span<const std::byte> read(std::size_t s, std::uint64_t first, std::span<float> values) {
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
    out.resize(count * out.columns);
    for (std::uint64_t i = 0; i < count; i++)
      (void)read(s, sampled_row(i, count, out.rows) * out.columns, out.values.subspan(i * out.columns, out.columns));
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
    stream.trellis.lambda = spec.trellis_lambda.value_or(relative < 0.9 ? 0.09 : 0.1);
    return "";
  }

  // The model that is found, with the stream's step, states, lambda and pinned zeros.
  static TrellisStream model_of(const TrellisStream& stream, const trellis::Choice& choice, bool keeps_zero) {
    TrellisStream model = choice.stream;
    model.fine_step = stream.fine_step;
    model.states_log2 = stream.states_log2;
    model.lambda = stream.lambda;
    model.pins_zero = stream.pins_zero;
    model.keeps_zero = keeps_zero;
    return model;
  }

  void choose(const CodecSpec& spec, const Values& looked_at, StreamRecord& stream, trellis::Histogram& histogram) {
    trellis::Allowed allowed{.scales = spec.model != "order0",
                             .prediction = spec.model == "auto" || spec.model == "predictive",
                             .energy = spec.model == "auto" || spec.model == "predictive",
                             .only_prediction = spec.model == "predictive",
                             .views = spec.choose_view && looked_at.is_whole};
    std::uint32_t near_ones = 0;
    for (const float value : looked_at.values) near_ones += std::fabs(value) < 1 ? 1u : 0u;
    const double near = near_ones / static_cast<double>(std::max<std::size_t>(1, looked_at.values.size()));
    const bool try_zero =
        spec.labelling == "zero" || (spec.labelling == "auto" && !allowed.only_prediction && near > kNearZero);
    const bool only_zero = spec.labelling == "zero";
    if (only_zero) {
      allowed.prediction = false;
      allowed.only_prediction = false;
    }
    allowed.flat = try_zero && !only_zero;
    trellis::Choices choices = chooser_.choose(looked_at.values, looked_at.shape, allowed);
    TrellisStream model = model_of(stream.trellis, choices.best, only_zero);
    if (!try_zero) {
      const bool search = near > kNearEnough && stream.units >= kLargeUnits;
      histogram = search ? probe_.run(looked_at.values, model, 0).histogram : std::move(choices.best.histogram);
    } else {
      ProbeResult best = probe_.run(looked_at.values, model, choices.best.side_bits);
      if (!only_zero) {
        TrellisStream zero = model_of(stream.trellis, *choices.flat, true);
        ProbeResult other = probe_.run(looked_at.values, zero, choices.flat->side_bits);
        if (other.excess < best.excess) best = std::move(other), model = std::move(zero);
      }
      histogram = std::move(best.histogram);
    }
    stream.trellis = std::move(model);
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
  trellis::ModelChooser chooser_;
  Probe probe_;
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
