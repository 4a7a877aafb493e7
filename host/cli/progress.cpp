#include "cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "cli/console.hpp"
#include "text/units.hpp"
#include "text/utf8.hpp"

namespace weft::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

double fraction_of(const Progress& p) {
  if (p.total_bytes == 0) return 1;
  return std::min(1.0, static_cast<double>(p.done_bytes) / static_cast<double>(p.total_bytes));
}

// A hundred percent is only what is really finished.
int percent_of(const Progress& p) { return static_cast<int>(std::floor(fraction_of(p) * 100)); }

bool is_terminal() {
  const char* term = std::getenv("TERM");
  return columns_of(STDERR_FILENO) > 0 && term != nullptr && std::string_view(term) != "dumb";
}

}  // namespace

ProgressMeter::ProgressMeter(Time start, Duration interval)
    : interval_(interval), next_(start + interval), last_(start) {}

bool ProgressMeter::update(const Progress& progress, Time now) {
  if (now < next_) return false;
  const double seconds = std::chrono::duration<double>(now - last_).count();
  const std::uint64_t bytes = progress.done_bytes - std::min(last_bytes_, progress.done_bytes);
  const double speed = static_cast<double>(bytes) / std::max(seconds, 1e-9);
  // Averages over about three seconds, so that neither speed nor time left jumps about.
  const double weight = bytes_per_second_ == 0 ? 1 : 1 - std::exp(-seconds / 3);
  bytes_per_second_ += weight * (speed - bytes_per_second_);
  last_ = now;
  last_bytes_ = progress.done_bytes;
  next_ = now + interval_;
  return true;
}

std::string ProgressMeter::time_left(const Progress& progress) const {
  if (bytes_per_second_ <= 0 || progress.done_bytes >= progress.total_bytes) return "";
  const double left = static_cast<double>(progress.total_bytes - progress.done_bytes) / bytes_per_second_;
  return left < 9.5    ? fmt::format("{} s left", static_cast<int>(std::ceil(left)))
         : left < 59.5 ? fmt::format("{:.0f} s left", left)
                       : text::duration(left) + " left";
}

std::string ProgressMeter::bar_line(const Progress& progress, std::size_t columns) const {
  constexpr std::size_t kBar = 20;
  const auto filled = static_cast<std::size_t>(fraction_of(progress) * static_cast<double>(kBar));
  std::string line = fmt::format("{:3} %", percent_of(progress));
  if (columns >= 60) line = '[' + std::string(filled, '#') + std::string(kBar - filled, '.') + "] " + line;
  line +=
      fmt::format("  {} of {}", text::decimal_bytes(progress.done_bytes), text::decimal_bytes(progress.total_bytes));
  line += fmt::format("  {:.2f} GB/s", bytes_per_second_ / 1e9);
  if (const std::string left = time_left(progress); !left.empty()) line += "  " + left;
  // A fragment of a name says nothing.
  constexpr std::size_t kShortestName = 8;
  if (text::columns(line) + 2 + kShortestName <= columns && !progress.current.empty())
    line += "  " + text::shorten_middle(text::printable(progress.current), columns - text::columns(line) - 2);
  return line.substr(0, columns);
}

std::string ProgressMeter::plain_line(const Progress& progress) const {
  std::string line =
      fmt::format("{} % ({} of {}), {:.2f} GB/s", percent_of(progress), text::decimal_bytes(progress.done_bytes),
                  text::decimal_bytes(progress.total_bytes), bytes_per_second_ / 1e9);
  if (const std::string left = time_left(progress); !left.empty()) line += ", " + left;
  if (!progress.current.empty()) line += ", " + text::printable(progress.current);
  return line;
}

ProgressDisplay::ProgressDisplay(std::string verb)
    : verb_(std::move(verb)),
      terminal_(is_terminal()),
      meter_(steady_clock::now(), terminal_ ? milliseconds(100) : milliseconds(10'000)) {}

ProgressDisplay::~ProgressDisplay() {
  if (drawn_) put_text("\r\033[K");
}

void ProgressDisplay::operator()(const Progress& progress) {
  if (!meter_.update(progress, steady_clock::now())) return;
  if (!terminal_) {
    put_text(fmt::format("{}: {}\n", verb_, meter_.plain_line(progress)));
    return;
  }
  // One column stays free: some terminals wrap when the last one is written.
  put_text(fmt::format("\r{}\033[K", meter_.bar_line(progress, columns_of(STDERR_FILENO) - 1)));
  drawn_ = true;
}

std::unique_ptr<ProgressDisplay> show_progress(RunOptions& run, std::string verb, bool wanted) {
  if (!wanted) return nullptr;
  auto display = std::make_unique<ProgressDisplay>(std::move(verb));
  run.progress = [&display = *display](const Progress& progress) { display(progress); };
  return display;
}

}  // namespace weft::cli
