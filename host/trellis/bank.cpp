#include "trellis/bank.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

namespace weft::trellis {
namespace {

constexpr int kMostSteps = 40;                    // of one maximisation
constexpr double kLeastMove = 4.0 / kShapeScale;  // of a weight, for another step
constexpr int kRounds = 3;                        // of refitting and reassigning
constexpr double kPrior = 32;       // symbols that the shape to begin with stands for: a sample misses rare ones
constexpr double kShapeBits = 160;  // what a shape costs in the index
constexpr double kWeightBits = 2;   // of that, of each weight besides its significant bits
constexpr int kFewestBits = 2, kMostBits = 6;
constexpr double kUnseenBits = 40;

// Gives the largest weight what others lack in the sum; nothing if they have so much that nothing is left for it.
std::optional<Shape> balanced(Shape shape) {
  std::uint16_t& largest = *std::max_element(shape.begin(), shape.end());
  const int rest = static_cast<int>(kShapeScale) + largest - std::accumulate(shape.begin(), shape.end(), 0);
  if (rest <= 0) return std::nullopt;
  largest = static_cast<std::uint16_t>(rest);
  return shape;
}

Shape rounded(const std::array<double, kTriangles>& weights) {
  Shape shape{};
  for (std::size_t t = 0; t < shape.size(); t++)
    shape[t] = static_cast<std::uint16_t>(std::lrint(weights[t] * kShapeScale));
  return balanced(shape).value();  // each is off by a half at most
}

// Weights of so many significant bits, which are cheaper to store, if that is a shape: many may have grown.
std::optional<Shape> shortened(Shape shape, int bits) {
  for (std::uint16_t& weight : shape) {
    const int cut = std::max(std::bit_width(weight) - bits, 0);
    weight = static_cast<std::uint16_t>((weight + (1 << cut >> 1)) >> cut << cut);
  }
  return balanced(shape);
}

// The cells of all symbols that were coded, and their masses in the triangles that touch them: what every fit needs.
class Cells {
 public:
  explicit Cells(std::span<const Histogram* const> histograms) : place_(std::size_t{kRows} * 256, kNone) {
    for (const Histogram* histogram : histograms)
      for (const auto& e : histogram->entries)
        if (place_[e.entry] == kNone) add(e.entry);
  }

  // How often each cell occurred in the histograms.
  [[nodiscard]] std::vector<double> count(std::span<const Histogram* const> histograms) const {
    std::vector<double> counts(cells_.size());
    for (const Histogram* histogram : histograms)
      for (const auto& e : histogram->entries) counts[place_[e.entry]] += e.count * histogram->weight;
    return counts;
  }

  // One maximisation: weights by what they share in the counts, on top of `next`. Returns the sum of what was shared out.
  double share_out(std::span<const double> counts, const std::array<double, kTriangles>& weights,
                   std::array<double, kTriangles>& next) const {
    double total = 0;
    for (std::size_t c = 0; c < cells_.size(); c++) {
      if (counts[c] == 0) continue;
      const Cell& cell = cells_[c];
      const double* masses = masses_.data() + cell.begin;
      const double* weight = weights.data() + cell.first;
      double mass = 0;
      for (std::size_t t = 0; t < cell.triangles; t++) mass += weight[t] * masses[t];
      if (!(mass > 0)) continue;
      const double scale = counts[c] / mass;
      for (std::size_t t = 0; t < cell.triangles; t++) next[cell.first + t] += scale * weight[t] * masses[t];
      total += counts[c];
    }
    return total;
  }

  // Bits that each cell's symbol takes, nearly: from its mass alone, without the tables that would be built.
  [[nodiscard]] std::vector<double> code_lengths(const Shape& shape) const {
    constexpr double kLeast = 1.0 / core::kProbScale;  // a table has no smaller probability
    constexpr double kBeyond = kLeast / 16;            // and no symbols that are rarer by far
    const double scale = 1.0 / (static_cast<double>(kShapeScale) * (1 << kMassBits));
    std::vector<double> lengths(cells_.size());
    for (std::size_t c = 0; c < cells_.size(); c++) {
      const Cell& cell = cells_[c];
      double mass = 0;
      for (std::size_t t = 0; t < cell.triangles; t++) mass += shape[cell.first + t] * masses_[cell.begin + t];
      const double share = mass * scale;
      lengths[c] = share < kBeyond ? kUnseenBits : -std::log2(std::max(share, kLeast));
    }
    return lengths;
  }
  [[nodiscard]] double bits(const Histogram& histogram, std::span<const double> lengths) const {
    double bits = 0;
    for (const auto& e : histogram.entries) bits += e.count * lengths[place_[e.entry]];
    return bits * histogram.weight;
  }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct Cell {
    std::size_t begin, first, triangles;  // of its masses, and the first triangle that touches it
  };

  void add(std::uint32_t entry) {
    const int row = static_cast<int>(entry >> 8), distance = static_cast<int>(entry & 255) - core::kIndexZero;
    const trellis::Cell bounds = cell_of(row % core::kClassTables, distance);
    Cell cell{masses_.size(), 0, 0};
    for (int t = 0; t < kTriangles; t++) {
      const auto mass = static_cast<double>(triangle_mass(t, row / core::kClassTables, bounds));
      if (mass == 0 && cell.triangles == 0) continue;
      if (cell.triangles == 0) cell.first = static_cast<std::size_t>(t);
      masses_.push_back(mass);
      cell.triangles++;
    }
    while (cell.triangles > 0 && masses_.back() == 0) masses_.pop_back(), cell.triangles--;
    place_[entry] = static_cast<std::uint32_t>(cells_.size());
    cells_.push_back(cell);
  }

  std::vector<std::uint32_t> place_;  // of an entry in cells_
  std::vector<Cell> cells_;
  std::vector<double> masses_;
};

Shape fit_shape(std::span<const Histogram* const> histograms, const Cells& cells, const Shape& begin) {
  double weights_sum = 0;
  for (const Histogram* histogram : histograms) weights_sum += histogram->weight;
  const double prior = histograms.empty() ? 0 : kPrior * weights_sum / static_cast<double>(histograms.size());
  const std::vector<double> counts = cells.count(histograms);
  std::array<double, kTriangles> weights{};
  for (std::size_t t = 0; t < weights.size(); t++) weights[t] = (begin[t] + 0.5) / kShapeScale;
  bool moves = true;
  for (int step = 0; step < kMostSteps && moves; step++) {
    std::array<double, kTriangles> next{};
    for (std::size_t t = 0; t < next.size(); t++) next[t] = prior * begin[t] / kShapeScale;
    const double total = cells.share_out(counts, weights, next);
    if (total == 0) return begin;
    moves = false;
    for (std::size_t t = 0; t < weights.size(); t++) {
      const double weight = next[t] / (prior + total);
      moves = moves || std::abs(weight - weights[t]) > kLeastMove;
      weights[t] = weight;
    }
  }
  double sum = 0;
  for (const double w : weights) sum += w;
  for (double& w : weights) w /= sum;
  return rounded(weights);
}

}  // namespace

Shape fit_shape(std::span<const Histogram* const> histograms, const Shape& begin) {
  return fit_shape(histograms, Cells(histograms), begin);
}

Bank fit_bank(std::span<const Histogram> histograms) {
  Bank bank;
  bank.shapes.assign(typical_shapes().begin(), typical_shapes().end());
  bank.choice.assign(histograms.size(), 0);
  std::vector<const Histogram*> all;
  for (const Histogram& histogram : histograms) all.push_back(&histogram);
  const Cells cells(all);
  std::vector<std::vector<double>> costs;  // [shape][histogram]
  const auto price = [&](std::size_t s) {
    const std::vector<double> lengths = cells.code_lengths(bank.shapes[s]);
    for (std::size_t h = 0; h < histograms.size(); h++) costs[s][h] = cells.bits(histograms[h], lengths);
  };
  const auto assign = [&] {
    for (std::size_t h = 0; h < histograms.size(); h++) {
      std::size_t best = 0;
      for (std::size_t s = 1; s < costs.size(); s++)
        if (costs[s][h] < costs[best][h]) best = s;
      bank.choice[h] = static_cast<std::uint32_t>(best);
    }
  };
  const auto remove = [&](std::size_t s) {
    bank.shapes.erase(bank.shapes.begin() + static_cast<std::ptrdiff_t>(s));
    costs.erase(costs.begin() + static_cast<std::ptrdiff_t>(s));
    assign();
  };
  costs.assign(bank.shapes.size(), std::vector<double>(histograms.size()));
  for (std::size_t s = 0; s < bank.shapes.size(); s++) price(s);
  assign();
  for (int round = 0; round < kRounds; round++) {
    for (std::size_t s = 0; s < bank.shapes.size(); s++) {
      std::vector<const Histogram*> members;
      for (std::size_t h = 0; h < histograms.size(); h++)
        if (bank.choice[h] == s) members.push_back(&histograms[h]);
      if (members.empty()) continue;
      bank.shapes[s] = fit_shape(members, cells, bank.shapes[s]);
      price(s);
    }
    assign();
    // The shape that is missed least, if that is less than it costs.
    while (bank.shapes.size() > 1) {
      std::size_t least = 0;
      double least_loss = std::numeric_limits<double>::infinity();
      for (std::size_t s = 0; s < bank.shapes.size(); s++) {
        double loss = 0;
        for (std::size_t h = 0; h < histograms.size(); h++) {
          if (bank.choice[h] != s) continue;
          double other = std::numeric_limits<double>::infinity();
          for (std::size_t o = 0; o < costs.size(); o++)
            if (o != s) other = std::min(other, costs[o][h]);
          loss += other - costs[s][h];
        }
        if (loss < least_loss) least_loss = loss, least = s;
      }
      if (least_loss > kShapeBits) break;
      remove(least);
    }
  }
  // As few bits of its weights as what a shape codes allows.
  for (std::size_t s = 0; s < bank.shapes.size(); s++) {
    const Shape exact = bank.shapes[s];
    double least = std::numeric_limits<double>::infinity();
    for (int bits = kFewestBits; bits <= kMostBits; bits++) {
      const std::optional<Shape> shape = shortened(exact, bits);
      if (!shape) continue;
      const std::vector<double> lengths = cells.code_lengths(*shape);
      double cost = 0;
      for (const std::uint16_t weight : *shape) cost += weight > 0 ? kWeightBits + bits - 1 : 0;
      for (std::size_t h = 0; h < histograms.size(); h++)
        if (bank.choice[h] == s) cost += cells.bits(histograms[h], lengths);
      if (cost < least) least = cost, bank.shapes[s] = *shape;
    }
  }
  return bank;
}

}  // namespace weft::trellis
