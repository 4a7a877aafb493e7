// The search for the shared step: along the curve of sizes or errors over steps, one trial encode a point.
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/rate_control.hpp"

namespace weft::engine {
namespace {

constexpr double kTolerance = 0.0015;  // of the target: the search stops this near to its aim
constexpr double kNarrow = 1e-3;       // octaves: what lies between steps this near to each other is a jump
constexpr double kLook = 1.0 / 128;    // octaves from a jump to the first look beside it; then twice as many each time
constexpr std::uint32_t kMostIterations = 40, kMostLooks = 10;

// Where the bracket is cut: where the secant crosses the aim, but not next to an end.
double cut(double low_x, double low_excess, double high_x, double high_excess) {
  const double part = std::clamp(low_excess / (low_excess - high_excess), 0.02, 0.98);
  return low_x + part * (high_x - low_x);
}

}  // namespace

// What the archive will have, as far as the encodes so far can tell.
double RateControl::expected(const Point& point) const {
  return is_size() ? point.value * (1 + correction_) : point.value + correction_;
}

bool RateControl::is_close(const Point& point, double aim) const {
  return is_allowed(point) && std::abs(point.value - aim) <= kTolerance * wanted_;
}

// Sizes are limits: what is far below one is better than what is above it.
bool RateControl::is_allowed(const Point& point) const {
  return is_size() ? expected(point) <= wanted_ : is_met(expected(point));
}

bool RateControl::is_found() const {
  return std::any_of(points_.begin(), points_.end(), [&](const Point& point) { return is_met(expected(point)); });
}

// The next step when all points lie on one side of the aim: along the line through the last two, or with the slope of high
// rates, where an octave is a bit and 6 dB; one to eight octaves further once that has not been enough.
double RateControl::next_outside(double aim) const {
  const Point& last = points_.back();
  double slope = is_size() ? -static_cast<double>(free_units_) / 8 : -6.02;
  if (points_.size() > 1) {
    const Point& before = points_[points_.size() - 2];
    const double seen = (last.value - before.value) / (last.x - before.x);
    if (seen > slope) slope = std::min(seen, slope / 1000);  // where the curve is flat: as far as allowed
  }
  double move = (aim - last.value) / slope;
  move += std::copysign(0.02, move);
  const double furthest = points_.size() > 3 ? 8 : 4;
  return std::clamp(last.x + std::clamp(move, -furthest, furthest), lowest_x_, highest_x_);
}

// Narrows down what lies between two points until one is close to the aim, or nothing but a jump over it is left, whose ends
// it returns.
RateControl::Bracket RateControl::bisect(Bracket ends, double aim) {
  auto& [low, high] = ends;
  double low_weight = 1, high_weight = 1;
  bool was_low = points_.back().value > aim;
  while (iterations_ < most_iterations_ && std::abs(high.x - low.x) >= kNarrow) {
    const Point point = evaluate(cut(low.x, low_weight * (low.value - aim), high.x, high_weight * (high.value - aim)));
    if (is_close(point, aim)) break;
    // The end that stays counts for less each time, or the secant would leave it where it is (the Illinois rule).
    const bool is_low = point.value > aim;
    double& staying = is_low ? high_weight : low_weight;
    staying = was_low == is_low ? staying / 2 : 1;
    (is_low ? low_weight : high_weight) = 1;
    (is_low ? low : high) = point;
    was_low = is_low;
  }
  return ends;
}

// Where a tensor's model flips, the curve jumps, and often back within part of an octave: it may meet the aim beside a jump
// over it.
void RateControl::look_around(Bracket jump, double aim) {
  auto [left, right] = jump;
  if (left.x > right.x) std::swap(left, right);
  for (std::uint32_t i = 0; i < kMostLooks && iterations_ < most_iterations_ && !is_found(); i++) {
    Point& from = i % 2 == 0 ? left : right;
    const double move = std::ldexp(i % 2 == 0 ? -kLook : kLook, static_cast<int>(i / 2));
    const Point look = evaluate(std::clamp(from.x + move, lowest_x_, highest_x_));
    const bool is_low = look.value > aim;
    if (is_low != (from.value > aim)) (void)bisect(is_low ? Bracket{look, from} : Bracket{from, look}, aim);
    from = look;
  }
}

// Both curves fall as the step grows, but for jumps: too small a step gives too large an archive, and too good a network.
void RateControl::search(double aim) {
  most_iterations_ = iterations_ + kMostIterations;
  std::optional<Point> low, high;  // values above and below the aim
  for (const Point& point : points_) {
    if (point.value > aim && (!low || point.value < low->value)) low = point;
    if (point.value <= aim && (!high || point.value > high->value)) high = point;
  }
  while (!(low && high) && iterations_ < most_iterations_) {
    if (!points_.empty() && points_.back().x == (low ? highest_x_ : lowest_x_)) break;
    const double x = points_.empty() ? x_ : next_outside(aim);
    if (is_size() && x < fine_x_ && needs_no_step()) return;
    const Point point = evaluate(x);
    if (is_close(point, aim)) break;
    (point.value > aim ? low : high) = point;
  }
  if (low && high) {
    const Bracket jump = bisect({*low, *high}, aim);
    look_around(jump, aim);
  }
  const double best_value = is_size() ? wanted_ / (1 + correction_) : aim;
  const auto distance = [&](const Point& point) { return std::abs(point.value - best_value); };
  const Point* best = nullptr;
  for (const Point& point : points_)
    if (is_allowed(point) && (best == nullptr || distance(point) < distance(*best))) best = &point;
  if (best == nullptr) refuse(aim);
  x_ = best->x;
}

}  // namespace weft::engine
