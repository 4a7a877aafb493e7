// Rate control: the steps that meet the config's target.
//
// * Equal slope: the tensors without a step share one, divided by the square root of their importance and multiplied by
//   what the distortion says: nothing (absolute), the rms (relative), or its root over that of the network (balanced).
//   max_abs_error gives every tensor its own.
// * The search makes trial encodes (engine/trial.hpp) and writes nothing. What it finds depends on network and config
//   alone. A trial that saw all of a small network is exact; after a sample, accept() compares with the real encode and
//   corrects.
// * Sizes are limits: no archive is larger than asked, and where the weights fit without loss none is quantized. sqnr_db is
//   aimed at from above.
// * A tensor's model may flip from one step to the next, so curves have jumps. What a jump leaves out is looked for beside it;
//   failing that, a size gets the largest archive below that was seen, and a warning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "engine/plan.hpp"
#include "engine/stages.hpp"
#include "engine/trial.hpp"
#include "weft/config.hpp"
#include "weft/engine.hpp"
#include "weft/report.hpp"

namespace weft::engine {

class RateControl {
 public:
  // `plan` as make_plan gives it. Throws Error(kConfig) when no tensor takes its step from the target.
  RateControl(const Network& network, const Config& config, const Plan& plan, const Backend& backend,
              std::uint32_t threads, const std::atomic<bool>* cancel);

  // Throws Error(kConfig) that says what is possible when the target cannot be met.
  void find_steps();
  // Gives them to the streams of a plan as make_plan gives it.
  void set_steps(Plan& plan) const;
  // Whether the network as it was encoded with them meets the target; if not, they are others now. After a few corrections
  // the answer is yes, and the report warns; a size that is above even then goes back to the largest that was below, or
  // ends in Error(kConfig).
  [[nodiscard]] bool accept(const Report& whole);
  // What was reached, and a warning if that is not within 1 % or nothing was quantized for it.
  void describe(Report& whole) const;
  // The time spent so far, as one stage.
  [[nodiscard]] StageTimes times() const;

 private:
  struct Point {
    double x = 0, value = 0;  // log2 of the shared step; bytes of the archive or dB
  };
  struct Bracket {
    Point low, high;  // values above and below the aim
  };

  void measure_energy();
  [[nodiscard]] bool is_size() const noexcept { return !target_.sqnr_db && !target_.max_abs_error; }
  void set_shared_step(Plan& plan, double x) const;
  void set_lossless(Plan& plan) const;
  Point evaluate(double x);
  [[nodiscard]] bool needs_no_step();
  [[nodiscard]] double next_outside(double aim) const;
  [[nodiscard]] Bracket bisect(Bracket ends, double aim);
  void look_around(Bracket jump, double aim);
  void search(double aim);
  void correct(double value);
  [[nodiscard]] double expected(const Point& point) const;
  [[nodiscard]] bool is_close(const Point& point, double aim) const;
  [[nodiscard]] bool is_allowed(const Point& point) const;
  [[nodiscard]] bool is_found() const;
  void find_bounded_steps();
  bool shrink(std::size_t stream, double error);
  [[noreturn]] void refuse(double aim) const;
  [[nodiscard]] std::string figure(double value) const;
  [[nodiscard]] double reached(const Report& whole) const;
  [[nodiscard]] bool is_met(double value) const;

  const Network& network_;
  const Plan& plan_;
  const Backend& backend_;
  Target target_;
  std::uint32_t threads_;
  const std::atomic<bool>* cancel_;
  Trial trial_;
  std::vector<bool> free_;  // per stream: takes its step from the target
  Plan prepared_;           // with everything done for the streams that do not
  std::vector<StageTimes> times_;

  std::uint64_t network_bytes_ = 0, float_weights_ = 0, free_units_ = 0;
  std::vector<double> scales_;           // per stream: its step over the shared one
  double lowest_x_ = 0, highest_x_ = 0;  // at the highest every free weight becomes zero
  double fine_x_ = 0;                    // a limit that wants finer steps may have room for the weights without loss
  double wanted_ = 0;                    // in bytes or dB
  double correction_ = 0;  // what the real encode has more than the trial: a factor of bytes, less 1, or dB
  std::vector<Point> points_;
  std::optional<Point> best_;             // of encodes of a network that trials only sample: the largest below a size
  std::optional<double> lossless_bytes_;  // the archive without the free tensors' loss, once that has been tried
  bool is_lossless_ = false;              // the size has room for that
  double x_ = 0;
  std::vector<double> bounded_steps_;  // max_abs_error: per stream; 0: lossless
  std::uint32_t iterations_ = 0, most_iterations_ = 0, corrections_ = 0;
};

}  // namespace weft::engine
