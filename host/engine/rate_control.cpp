#include "engine/rate_control.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/workers.hpp"
#include "report/figures.hpp"
#include "text/units.hpp"
#include "weft/error.hpp"

namespace weft::engine {
namespace {

constexpr double kAllowed = 0.01;  // of the target
constexpr double kMargin = 0.002;  // the search aims this far on the good side of it
constexpr double kFirstRelativeStep = 0.6;
constexpr double kOctavesDown = 26;   // from the smallest rms to the smallest step that is tried
constexpr double kOctavesFine = 7.5;  // from the first step to those that cost about the bits of a weight as it is
constexpr std::uint32_t kMostCorrections = 3, kMostShrinks = 8;
constexpr double kLossless = 1000;  // dB that stand for no error at all

bool is_floating(DType dtype) { return dtype >= DType::kF16; }

double sqnr_of(double squares, double squared_error) {
  return squared_error > 0 && squares > 0 ? 10 * std::log10(squares / squared_error) : kLossless;
}

// What has to change for a tensor to take its step from the target.
std::string advice_for(const Config& config) {
  std::string steps;
  for (std::size_t i = 0; i < config.rules.size(); i++) {
    const CodecSpec& spec = config.rules[i].spec;
    for (const auto& [name, value] : {std::pair{"step", spec.step}, std::pair{"relative_step", spec.relative_step}})
      if (has_step(spec.codec) && value) steps += fmt::format(" --set rules.{}.{}=null", i, name);
  }
  return steps.empty() ? "that needs a tensor of a floating type and a rule of codec uniform or trellis for it"
                       : "remove the steps of the rules (" + steps.substr(1) + ")";
}

}  // namespace

RateControl::RateControl(const Network& network, const Config& config, const Plan& plan, const Backend& backend,
                         std::uint32_t threads, const std::atomic<bool>* cancel)
    : network_(network),
      plan_(plan),
      backend_(backend),
      target_(config.target.value()),
      threads_(threads),
      cancel_(cancel),
      trial_(network, plan.index, threads, cancel),
      free_(plan.index.streams.size()),
      prepared_(plan),
      times_(threads) {
  for (std::size_t s = 0; s < free_.size(); s++) {
    free_[s] = has_step(plan.index.streams[s].codec) && !plan.specs[s].step && !plan.specs[s].relative_step;
    if (free_[s]) free_units_ += plan.index.streams[s].units;
  }
  if (free_units_ == 0)
    throw Error(ErrorKind::kConfig,
                fmt::format("{}: no tensor takes its step from the target: {}, or remove the target",
                            network.path().string(), advice_for(config)));
  for (const auto& file : network.files()) network_bytes_ += file.bytes;
  for (const auto& tensor : network.tensors())
    if (is_floating(tensor.dtype)) float_weights_ += tensor.elements;
  if (target_.bits_per_weight) wanted_ = *target_.bits_per_weight * static_cast<double>(float_weights_) / 8;
  if (target_.ratio) wanted_ = static_cast<double>(network_bytes_) / *target_.ratio;
  if (target_.bytes) wanted_ = static_cast<double>(*target_.bytes);
  if (target_.sqnr_db) wanted_ = *target_.sqnr_db;
  if (target_.max_abs_error) wanted_ = *target_.max_abs_error;
  if (target_.distortion == Distortion::kAuto)
    target_.distortion = is_size() ? Distortion::kBalanced : Distortion::kAbsolute;
}

// The size of the weights that are to be quantized, for the first step and for the limits of the search.
void RateControl::measure_energy() {
  const std::vector<Piece> pieces = trial_.pieces_of(plan_.index, free_);
  std::vector<double> squares(pieces.size());
  std::vector<std::vector<std::byte>> buffers(threads_);
  run_parallel(threads_, pieces.size(), cancel_, [&](std::uint32_t worker, std::size_t p) {
    const DType dtype = plan_.index.streams[pieces[p].stream].dtype;
    auto& units = buffers[worker];
    units.resize(pieces[p].units * static_cast<std::uint64_t>(unit_bytes(dtype)));
    times_[worker].time(Stage::kRead, units.size(),
                        [&] { read_units(network_, plan_, pieces[p].stream, pieces[p].first, units); });
    squares[p] = times_[worker].time(Stage::kQuantize, 0, [&] { return measure_error(dtype, units, units).squares; });
  });
  std::vector<double> energies(free_.size());
  std::vector<std::uint64_t> units(free_.size());
  double most_important = 0, energy = 0, smallest = INFINITY;
  std::uint64_t seen = 0, largest = 0;
  for (std::size_t p = 0; p < pieces.size(); p++) {
    const std::size_t s = pieces[p].stream;
    energies[s] += squares[p], units[s] += pieces[p].units;
    energy += squares[p], seen += pieces[p].units;
    largest = std::max(largest, plan_.index.streams[s].units);
    most_important = std::max(most_important, plan_.specs[s].importance);
  }
  const double rms = energy > 0 ? std::sqrt(energy / static_cast<double>(seen)) : 1;
  const bool is_relative = target_.distortion == Distortion::kRelative;
  scales_.assign(free_.size(), 1);
  for (std::size_t s = 0; s < free_.size(); s++) {
    const double own = units[s] > 0 ? std::sqrt(energies[s] / static_cast<double>(units[s])) : 0;
    if (own > 0) smallest = std::min(smallest, own);
    if (own > 0 && target_.distortion == Distortion::kBalanced) scales_[s] = std::sqrt(own / rms);
    scales_[s] /= std::sqrt(plan_.specs[s].importance);
  }
  // No weight is larger than the root of all energy, nor than its tensor's rms times the root of the number of weights.
  const double unit = is_relative ? 1 : rms;
  const double reach = std::sqrt(static_cast<double>(is_relative ? largest : free_units_));
  x_ = std::log2(kFirstRelativeStep * unit);
  fine_x_ = x_ - kOctavesFine;
  lowest_x_ = std::log2(is_relative || energy == 0 ? 1 : smallest) - kOctavesDown;
  highest_x_ = std::log2(unit * reach * std::sqrt(most_important)) + 4;
}

void RateControl::set_shared_step(Plan& plan, double x) const {
  for (std::size_t s = 0; s < free_.size(); s++)
    if (free_[s])
      (target_.distortion == Distortion::kRelative ? plan.specs[s].relative_step : plan.specs[s].step) =
          std::exp2(x) * scales_[s];
}

RateControl::Point RateControl::evaluate(double x) {
  iterations_++;
  Plan plan = prepared_;
  set_shared_step(plan, x);
  trial_.prepare(backend_, plan, free_, times_);
  trial_.encode(backend_, plan, free_, false, times_);
  const TrialFigures figures = trial_.figures(plan);
  double value = static_cast<double>(figures.archive_bytes);
  if (target_.sqnr_db) {
    double squares = 0, squared_error = 0;
    for (const ErrorSums& sums : figures.errors) squares += sums.squares, squared_error += sums.squared_error;
    value = sqnr_of(squares, squared_error);
  }
  points_.push_back({x, value});
  return points_.back();
}

// Whether the limit has room for the free tensors without loss, so that none of them needs a step.
bool RateControl::needs_no_step() {
  if (!lossless_bytes_) {
    iterations_++;
    Plan plan = prepared_;
    set_lossless(plan);
    trial_.encode(backend_, plan, free_, false, times_);
    lossless_bytes_ = static_cast<double>(trial_.figures(plan).archive_bytes);
  }
  return is_lossless_ = *lossless_bytes_ <= wanted_;
}

std::string RateControl::figure(double value) const {
  if (target_.sqnr_db) return value >= kLossless ? "no error at all" : fmt::format("{:.2f} dB", value);
  if (target_.max_abs_error) return fmt::format("{:.4g}", value);
  const auto bytes = static_cast<std::uint64_t>(value);
  if (target_.bytes) return fmt::format("{} bytes", text::grouped(bytes));
  if (target_.ratio)
    return fmt::format("a ratio of {:.4g} ({} bytes)", static_cast<double>(network_bytes_) / value,
                       text::grouped(bytes));
  return fmt::format("{:.4g} bits per weight ({} bytes)", 8 * value / static_cast<double>(float_weights_),
                     text::grouped(bytes));
}

void RateControl::refuse(double aim) const {
  double below = -1, above = -1;  // the nearest figures that were seen
  for (const Point& point : points_) {
    if (point.value <= aim) below = std::max(below, point.value);
    if (point.value > aim && (above < 0 || point.value < above)) above = point.value;
  }
  std::string possible;
  if (is_size())
    possible = fmt::format(
        "the smallest archive, with every quantized weight at zero, has {}; what the other rules "
        "keep takes the rest: quantize more of it, or ask for more",
        figure(above));
  else if (below < 0)
    possible = fmt::format(
        "the least is {}, with every quantized weight at zero, because other tensors keep all of "
        "their energy: ask for more",
        figure(above));
  else if (above < 0)
    possible = fmt::format("quantizing reaches {} at most; beyond that use codec lossless", figure(below));
  else if (above >= kLossless)
    possible = fmt::format("the nearest is {}; beyond that use codec lossless", figure(below));
  else
    possible = fmt::format("the nearest are {} and {}", figure(below), figure(above));
  throw Error(ErrorKind::kConfig, fmt::format("{}: the target of {} cannot be met: {}", network_.path().string(),
                                              figure(wanted_), possible));
}

// Half a cell is the largest error of the nearest level, but for two roundings: to 1/1024 cells when the level is chosen,
// and to the tensor's type. What they add is measured, and taken off the step.
void RateControl::find_bounded_steps() {
  bounded_steps_.assign(free_.size(), 2 * wanted_ / (1 + 1.0 / 512));
  std::vector<bool> open = free_;
  for (std::uint32_t i = 0; i < kMostShrinks && std::find(open.begin(), open.end(), true) != open.end(); i++) {
    iterations_++;
    Plan plan = prepared_;
    set_steps(plan);
    trial_.prepare(backend_, plan, open, times_);
    trial_.encode(backend_, plan, open, false, times_);
    const std::vector<ErrorSums> errors = trial_.errors(plan.index);
    for (std::size_t s = 0; s < free_.size(); s++) {
      if (!open[s]) continue;
      double error = 0;
      for (const std::size_t tensor : plan.index.streams[s].members)
        error = std::max(error, errors[tensor].largest_error);
      open[s] = shrink(s, error);
      if (open[s] && i + 1 == kMostShrinks) bounded_steps_[s] = 0;
    }
  }
}

// Whether the step had to be made smaller.
bool RateControl::shrink(std::size_t stream, double error) {
  if (error <= wanted_) return false;
  bounded_steps_[stream] *= std::min(0.9999, wanted_ / error * 0.9999);
  return true;
}

void RateControl::find_steps() {
  if (target_.max_abs_error) return find_bounded_steps();
  if (scales_.empty()) {
    measure_energy();
    std::vector<bool> fixed = free_;
    fixed.flip();
    trial_.prepare(backend_, prepared_, fixed, times_);
    trial_.encode(backend_, prepared_, fixed, false, times_);
  }
  const double aim = wanted_ * (is_size() ? 1 - kMargin : 1 + kMargin);
  search(is_size() ? aim / (1 + correction_) : aim - correction_);
}

void RateControl::set_lossless(Plan& plan) const {
  for (std::size_t s = 0; s < free_.size(); s++)
    if (free_[s]) fall_back_to_lossless(plan, s, "the target has room for it without loss");
}

void RateControl::set_steps(Plan& plan) const {
  if (is_lossless_) return set_lossless(plan);
  if (!target_.max_abs_error) return set_shared_step(plan, x_);
  plan.bounds_errors = true;
  for (std::size_t s = 0; s < free_.size(); s++) {
    if (!free_[s]) continue;
    if (bounded_steps_[s] == 0) {
      fall_back_to_lossless(plan, s, "no step keeps its error within the target: its type is too coarse");
      continue;
    }
    CodecSpec& spec = plan.specs[s];
    spec.step = bounded_steps_[s];
    spec.lambda = 0;
    spec.trellis_lambda = 0;
    spec.correct_reconstruction = false;
    spec.per_channel = false;
    plan.index.streams[s].uniform = {};
  }
}

double RateControl::reached(const Report& whole) const {
  if (is_size()) return static_cast<double>(whole.bytes_out);
  const report::Sums total = report::total_of(whole);
  return target_.sqnr_db ? sqnr_of(total.sum_squares, total.sum_squared_error) : total.max_abs_error;
}

// Sizes are limits, which nothing may exceed.
bool RateControl::is_met(double value) const {
  return std::abs(value - wanted_) <= kAllowed * wanted_ && !(is_size() && value > wanted_);
}

bool RateControl::accept(const Report& whole) {
  const double value = reached(whole);
  if (target_.max_abs_error) {
    if (value <= wanted_) return true;
    for (std::size_t s = 0; s < free_.size(); s++)
      for (const std::size_t tensor : plan_.index.streams[s].members) {
        const TensorReport& report = whole.tensors[tensor];
        if (free_[s] && shrink(s, report.max_abs_error) && corrections_ >= kMostCorrections) bounded_steps_[s] = 0;
        if (!free_[s] && report.max_abs_error > wanted_)
          throw Error(
              ErrorKind::kConfig,
              fmt::format("{}: tensor {}: codec {} errs by {:.4g}, and the target allows {}: only rules of codecs "
                          "uniform and trellis without a step can keep to it",
                          network_.path().string(), report.name, report.codec, report.max_abs_error, figure(wanted_)));
      }
    // What cannot keep to it has become lossless by then.
    if (corrections_++ > kMostCorrections) throw Error(ErrorKind::kInternal, "a bound on the error is not kept to");
    return false;
  }
  const bool is_above = is_size() && value > wanted_;
  if (is_met(value) || trial_.is_whole() || (is_lossless_ && !is_above)) return true;
  if (is_size() && !is_above && (!best_ || value > best_->value)) best_ = Point{x_, value};
  if (corrections_ >= kMostCorrections) {
    if (!is_size()) return true;
    if (!best_ && corrections_ >= 2 * kMostCorrections)
      throw Error(
          ErrorKind::kConfig,
          fmt::format("{}: the target of {} cannot be met: samples promise less than the archive comes to, which "
                      "is {} after {} corrections: ask for more",
                      network_.path().string(), figure(wanted_), figure(value), corrections_));
  }
  const double encoded = x_;
  if (corrections_ >= kMostCorrections && best_)
    x_ = best_->x;
  else
    correct(value);
  if (x_ == encoded && !is_lossless_ && !is_above) return true;  // nothing else is nearer
  corrections_++;
  return false;
}

// Searches again, with what the real encode has come to.
void RateControl::correct(double value) {
  if (is_lossless_) {
    lossless_bytes_ = value;
  } else {
    const auto tried = std::find_if(points_.begin(), points_.end(), [&](const Point& point) { return point.x == x_; });
    correction_ = is_size() ? value / tried->value - 1 : value - tried->value;
    // What is above time and again wants room to spare.
    if (corrections_ >= kMostCorrections) correction_ += kAllowed * (corrections_ - kMostCorrections + 1);
  }
  find_steps();
}

void RateControl::describe(Report& whole) const {
  const double value = reached(whole);
  TargetReport result;
  result.iterations = iterations_;
  result.encodes = corrections_ + 1;
  const auto set = [&](const char* name, double wanted, double got) {
    result.name = name, result.wanted = wanted, result.reached = got;
  };
  if (target_.bits_per_weight)
    set("bits_per_weight", *target_.bits_per_weight, 8 * value / static_cast<double>(float_weights_));
  if (target_.ratio) set("ratio", *target_.ratio, static_cast<double>(network_bytes_) / value);
  if (target_.bytes) set("bytes", wanted_, value);
  if (target_.sqnr_db) set("sqnr_db", wanted_, value);
  if (target_.max_abs_error) set("max_abs_error", wanted_, value);
  if (!target_.max_abs_error) {
    const bool is_relative = target_.distortion == Distortion::kRelative;
    if (!is_lossless_) (is_relative ? result.relative_step : result.step) = std::exp2(x_);
    if (is_lossless_)
      whole.warnings.push_back(fmt::format("the target of {} needs no step: without loss the archive has {}",
                                           figure(wanted_), figure(value)));
    else if (!is_met(value))
      whole.warnings.push_back(fmt::format("the target of {} was missed by more than {:.0f} %: the archive has {}",
                                           figure(wanted_), 100 * kAllowed, figure(value)));
  }
  whole.target = result;
}

StageTimes RateControl::times() const {
  StageTimes all;
  for (const StageTimes& worker : times_) all.add(worker);
  StageReport search;
  for (const StageReport& stage : all.report()) {
    search.seconds += stage.seconds;
    if (stage.name == "encode") search.bytes = stage.bytes;
  }
  StageTimes result;
  result.add(Stage::kSearch, search.seconds, search.bytes);
  return result;
}

}  // namespace weft::engine
