// The dry run: a trial instead of a compression.
#include "engine/codebooks.hpp"
#include "engine/find_prunings.hpp"
#include "engine/limits.hpp"
#include "engine/models.hpp"
#include "engine/plan.hpp"
#include "engine/progress.hpp"
#include "engine/rate_control.hpp"
#include "engine/run_report.hpp"
#include "engine/trial.hpp"
#include "engine/workers.hpp"
#include "weft/engine.hpp"

namespace weft {

using namespace engine;

Report estimate(const Network& network, const Config& config, const RunOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  const std::unique_ptr<Backend> backend = make_backend(options.device, options.device_memory);
  Plan plan = make_plan(network, config);
  std::uint64_t largest = 0;
  for (std::size_t s = 0; s < plan.index.streams.size(); s++) {
    const StreamRecord& stream = plan.index.streams[s];
    largest = std::max(largest, encode_bytes(plan, s, std::min(stream.units, std::uint64_t{1} << stream.segment_log2)));
  }
  const std::uint32_t threads = limit_threads(plan, options, largest);
  std::vector<StageTimes> times(threads);
  find_prunings(network, plan, threads, options.memory_limit, options.cancel, times);
  std::optional<RateControl> control;
  const Plan blank = plan;
  if (config.target) {
    control.emplace(network, config, blank, *backend, threads, options.cancel);
    control->find_steps();
    control->set_steps(plan);
    times[0].add(control->times());
  }
  Trial trial(network, plan.index, threads, options.cancel);
  const std::vector<bool> all(plan.index.streams.size(), true);
  ProgressMeter progress(options, trial.bytes());
  trial.prepare(*backend, plan, all, times);
  trial.encode(*backend, plan, all, options.verify, times, &progress);
  const TrialFigures figures = trial.figures(plan);

  Report report;
  report.bytes_out = figures.archive_bytes;
  report.asset_bytes_out = asset_bytes(plan.index);
  report.overhead_bytes = report.bytes_out - std::min(report.bytes_out, figures.plane_bytes);
  report.tensors = describe_tensors(plan.index, all_tensors(plan.index));
  for (std::size_t t = 0; t < report.tensors.size(); t++) set_errors(report.tensors[t], figures.errors[t]);
  add_notes(plan, report.tensors);
  add_prunings(plan, figures.errors, report.tensors);
  add_losses(figures.errors, report.tensors);
  for (const auto& file : network.files()) report.bytes_in += file.bytes;
  report.command = "dry-run";
  report.input = network.path().string();
  report.config_json = to_json(config);
  report.warnings = network.warnings();
  report.estimated = true;
  if (control) control->describe(report);
  finish_report(report, begin, times, *backend);
  return report;
}

}  // namespace weft
