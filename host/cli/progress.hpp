// What a waiting user sees of a run.
//
// * On a terminal: one line that is drawn again ten times a second at most. Elsewhere: a plain line every ten seconds,
//   so that a log of a long job stays readable and a short job says nothing.
// * Called from the engine's worker threads, one at a time: most calls only look at the clock.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "weft/engine.hpp"

namespace weft::cli {

// Decides when there is something to say, and measures the speed. Has no clock or terminal of its own.
class ProgressMeter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  ProgressMeter(Time start, Duration interval);

  // True when a line is due; then the speed is up to date.
  [[nodiscard]] bool update(const Progress& progress, Time now);

  // The redrawn line, at most `columns` wide: bar, percent, sizes, speed, time left, tensor.
  [[nodiscard]] std::string bar_line(const Progress& progress, std::size_t columns) const;
  // The same facts for a log.
  [[nodiscard]] std::string plain_line(const Progress& progress) const;

 private:
  [[nodiscard]] std::string time_left(const Progress& progress) const;

  Duration interval_;
  Time next_, last_;
  std::uint64_t last_bytes_ = 0;
  double bytes_per_second_ = 0;
};

// Draws on standard error.
class ProgressDisplay {
 public:
  explicit ProgressDisplay(std::string verb);  // "compressing"
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;
  ~ProgressDisplay();  // leaves a clean line

  void operator()(const Progress& progress);

 private:
  std::string verb_;
  bool terminal_;
  bool drawn_ = false;
  ProgressMeter meter_;
};

// Makes the run report to a display, which must live as long as the run; null if the display is not wanted.
[[nodiscard]] std::unique_ptr<ProgressDisplay> show_progress(RunOptions& run, std::string verb, bool wanted);

}  // namespace weft::cli
