#include "cluster/optimal_partition.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace weft::cluster {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kMostPrices = 60;

class Solver {
 public:
  Solver(const Points& points, bool pin_zero)
      : count_(static_cast<std::uint32_t>(points.positions.size())), pin_(pin_zero) {
    double weight = 0, moment = 0;
    for (std::uint32_t i = 0; i < count_; i++) {
      weight += points.weights[i];
      moment += points.weights[i] * points.positions[i];
    }
    const double centre = moment / weight;  // sums about it lose the fewest digits
    prefix_.resize(count_ + 1);
    for (std::uint32_t i = 0; i < count_; i++) {
      const double w = points.weights[i], x = points.positions[i], away = x - centre;
      const Prefix& before = prefix_[i];
      prefix_[i + 1] = {before.weight + w, before.moment + w * away, before.square + w * away * away,
                        before.about_zero + w * x * x};
    }
  }

  [[nodiscard]] double cost(std::uint32_t begin, std::uint32_t end) const {
    const Prefix &a = prefix_[begin], &b = prefix_[end];
    const double moment = b.moment - a.moment;
    return b.square - a.square - moment * moment / (b.weight - a.weight);
  }

  [[nodiscard]] Partition exactly(std::uint32_t intervals) const {
    double highest = cost(0, count_) + (pin_ ? prefix_[count_].about_zero : 0), lowest = 0;
    Partition few = at_price(highest *= 2), many;
    while (size(few) > intervals) few = at_price(highest = std::max(1e-300, 4 * highest));
    const double k = intervals;
    double price = highest / (k * k * k);
    for (int round = 0; round < kMostPrices && size(few) < intervals; round++) {
      Partition path = at_price(price);
      const double ratio = static_cast<double>(size(path)) / k;
      if (size(path) <= intervals) {
        few = std::move(path);
        highest = price;
      } else {
        many = std::move(path);
        lowest = price;
      }
      // The number of intervals goes about as the price to the power of -1/3; the middle when that leads nowhere.
      price *= ratio * ratio * ratio;
      if (price <= lowest || price >= highest || round % 4 == 3)
        price = lowest > 0 ? std::sqrt(lowest) * std::sqrt(highest) : highest / 64;
      if (price == 0 || (lowest > 0 && highest <= lowest * (1 + 1e-12))) break;
    }
    if (size(few) < intervals && !pin_ && size(many) > intervals) return splice(few, many, intervals);
    while (size(few) < intervals && split_costliest(few)) {
    }
    return few;
  }

 private:
  struct Prefix {
    double weight = 0, moment = 0, square = 0, about_zero = 0;
  };
  struct Candidate {
    std::uint32_t begin, from;  // best for ends in [from, the next candidate's from)
  };

  static std::size_t size(const Partition& path) { return path.edges.empty() ? 0 : path.edges.size() - 1; }

  // Fills `best` (the least cost of the points before each end) and `parents`, where `best` comes with an upper bound that
  // needs no interval of this layer.
  void solve(double price, std::vector<double>& best, std::vector<std::uint32_t>& parents) const {
    const auto through = [&](std::uint32_t begin, std::uint32_t end) { return best[begin] + cost(begin, end) + price; };
    std::vector<Candidate> queue{{0, 1}};
    std::size_t front = 0;
    parents.assign(count_ + 1, kNone);
    for (std::uint32_t end = 1; end <= count_; end++) {
      while (front + 1 < queue.size() && queue[front + 1].from <= end) front++;
      const double value = through(queue[front].begin, end);
      if (value < best[end]) {
        best[end] = value;
        parents[end] = queue[front].begin;
      }
      if (end == count_) break;
      while (queue.size() > front + 1 && through(end, std::max(queue.back().from, end + 1)) <=
                                             through(queue.back().begin, std::max(queue.back().from, end + 1)))
        queue.pop_back();
      std::uint32_t low = std::max(queue.back().from, end + 1), high = count_ + 1;
      while (low < high) {
        const std::uint32_t middle = low + (high - low) / 2;
        if (through(end, middle) <= through(queue.back().begin, middle)) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      if (low <= count_) queue.push_back({end, low});
    }
  }

  [[nodiscard]] Partition at_price(double price) const {
    std::vector<double> best(count_ + 1, kInfinity);
    std::vector<std::uint32_t> before, after, pinned;
    best[0] = 0;
    solve(price, best, before);
    if (pin_) {
      // Second layer: paths that have their pinned interval behind them, or end with it.
      pinned.resize(count_ + 1);
      double least = kInfinity;
      std::uint32_t begin = 0;
      for (std::uint32_t end = 0; end <= count_; end++) {
        const double start = best[end] - prefix_[end].about_zero;
        if (start < least) {
          least = start;
          begin = end;
        }
        pinned[end] = begin;
        best[end] = least + prefix_[end].about_zero;
      }
      solve(price, best, after);
    }
    Partition path;
    path.edges.push_back(count_);
    std::uint32_t end = count_;
    if (pin_) {
      for (; after[end] != kNone; path.edges.push_back(end)) end = after[end];
      path.pinned = static_cast<std::ptrdiff_t>(path.edges.size());
      end = pinned[end];
      path.edges.push_back(end);
    }
    while (end > 0) {
      end = before[end];
      path.edges.push_back(end);
    }
    if (pin_) path.pinned = static_cast<std::ptrdiff_t>(path.edges.size()) - 1 - path.pinned;
    std::reverse(path.edges.begin(), path.edges.end());
    return path;
  }

  // The start of one path and the end of the other, joined where an interval of `few` spans one of `many`.
  static Partition splice(const Partition& few, const Partition& many, std::uint32_t intervals) {
    const std::size_t ahead = intervals - size(few);
    std::size_t i = 0;
    while (many.edges[i + ahead + 1] > few.edges[i + 1]) i++;
    Partition path;
    path.edges.assign(many.edges.begin(), many.edges.begin() + static_cast<std::ptrdiff_t>(i + ahead + 1));
    path.edges.insert(path.edges.end(), few.edges.begin() + static_cast<std::ptrdiff_t>(i + 1), few.edges.end());
    return path;
  }

  bool split_costliest(Partition& path) const {
    std::size_t costliest = 0;
    double most = 0;
    for (std::size_t j = 0; j < size(path); j++) {
      if (static_cast<std::ptrdiff_t>(j) == path.pinned || path.edges[j + 1] - path.edges[j] < 2) continue;
      const double price = cost(path.edges[j], path.edges[j + 1]);
      if (most < price) {
        most = price;
        costliest = j;
      }
    }
    if (most <= 0) return false;
    const std::uint32_t begin = path.edges[costliest], end = path.edges[costliest + 1];
    std::uint32_t best = begin + 1;
    for (std::uint32_t at = best; at < end; at++)
      if (cost(begin, at) + cost(at, end) < cost(begin, best) + cost(best, end)) best = at;
    path.edges.insert(path.edges.begin() + static_cast<std::ptrdiff_t>(costliest) + 1, best);
    if (path.pinned > static_cast<std::ptrdiff_t>(costliest)) path.pinned++;
    return true;
  }

  static constexpr std::uint32_t kNone = ~0u;
  std::uint32_t count_;
  bool pin_;
  std::vector<Prefix> prefix_;
};

}  // namespace

Partition optimal_partition(const Points& points, std::uint32_t intervals, bool pin_zero) {
  return Solver(points, pin_zero).exactly(std::max(1u, intervals));
}

}  // namespace weft::cluster
