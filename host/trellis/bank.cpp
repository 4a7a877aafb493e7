#include "trellis/bank.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace weft::trellis {
namespace {

constexpr int kSteps = 40;             // of one maximisation; the likelihood is flat long before
constexpr int kRounds = 3;             // of refitting and reassigning
constexpr double kPrior = 32;          // symbols that the shape to begin with stands for: a sample misses rare ones
constexpr double kShapeBits = 8 * 40;  // what a shape costs in the index
constexpr float kUnseenBits = 40;

// Code lengths of all symbols of the rows that are asked for.
class PriceList {
 public:
  explicit PriceList(const Shape& shape) : curve_(shape), rows_(kRows) {}
  float operator()(std::uint32_t entry) {
    auto& row = rows_[entry >> 8];
    if (row.empty()) {
      row.resize(256);
      curve_.code_lengths(static_cast<int>(entry >> 8), kUnseenBits, row.data());
    }
    return row[entry & 255];
  }

 private:
  MassCurve curve_;
  std::vector<std::vector<float>> rows_;
};

double bits_under(const Histogram& histogram, PriceList& prices) {
  double bits = 0;
  for (const auto& e : histogram.entries) bits += static_cast<double>(e.count) * static_cast<double>(prices(e.entry));
  return bits * histogram.weight;
}

// A cell that occurred, and its mass in the triangles that touch it.
struct Observation {
  double count = 0;
  int first = 0;
  std::vector<double> masses;
};

Shape rounded(const std::array<double, kTriangles>& weights) {
  Shape shape{};
  int sum = 0;
  std::size_t largest = 0;
  for (std::size_t t = 0; t < shape.size(); t++) {
    shape[t] = static_cast<std::uint16_t>(std::lrint(weights[t] * kShapeScale));
    sum += shape[t];
    if (shape[t] > shape[largest]) largest = t;
  }
  shape[largest] = static_cast<std::uint16_t>(shape[largest] + static_cast<int>(kShapeScale) - sum);
  return shape;
}

}  // namespace

double bits_under(const Histogram& histogram, const Shape& shape) {
  PriceList prices(shape);
  return bits_under(histogram, prices);
}

Shape fit_shape(std::span<const Histogram* const> histograms, const Shape& begin) {
  std::vector<double> totals(std::size_t{kRows} * 256);
  double weights_sum = 0;
  for (const Histogram* histogram : histograms) {
    weights_sum += histogram->weight;
    for (const auto& e : histogram->entries) totals[e.entry] += e.count * histogram->weight;
  }
  const double prior = histograms.empty() ? 0 : kPrior * weights_sum / static_cast<double>(histograms.size());
  std::vector<Observation> observations;
  for (std::size_t entry = 0; entry < totals.size(); entry++) {
    if (totals[entry] == 0) continue;
    const int row = static_cast<int>(entry >> 8), distance = static_cast<int>(entry & 255) - core::kIndexZero;
    const Cell cell = cell_of(row % core::kClassTables, distance);
    Observation seen;
    seen.count = totals[entry];
    for (int t = 0; t < kTriangles; t++) {
      const auto mass = static_cast<double>(triangle_mass(t, row / core::kClassTables, cell));
      if (mass == 0 && seen.masses.empty()) continue;
      if (seen.masses.empty()) seen.first = t;
      seen.masses.push_back(mass);
    }
    while (!seen.masses.empty() && seen.masses.back() == 0) seen.masses.pop_back();
    if (!seen.masses.empty()) observations.push_back(std::move(seen));
  }
  if (observations.empty()) return begin;
  std::array<double, kTriangles> weights{};
  for (std::size_t t = 0; t < weights.size(); t++) weights[t] = begin[t] + 0.5;
  for (int step = 0; step < kSteps; step++) {
    std::array<double, kTriangles> next{};
    double total = prior;
    for (std::size_t t = 0; t < next.size(); t++) next[t] = prior * begin[t] / kShapeScale;
    for (const Observation& seen : observations) {
      double mass = 0;
      for (std::size_t i = 0; i < seen.masses.size(); i++)
        mass += weights[static_cast<std::size_t>(seen.first) + i] * seen.masses[i];
      if (!(mass > 0)) continue;
      const double scale = seen.count / mass;
      for (std::size_t i = 0; i < seen.masses.size(); i++)
        next[static_cast<std::size_t>(seen.first) + i] +=
            scale * weights[static_cast<std::size_t>(seen.first) + i] * seen.masses[i];
      total += seen.count;
    }
    for (std::size_t t = 0; t < weights.size(); t++) weights[t] = next[t] / total;
  }
  double sum = 0;
  for (const double w : weights) sum += w;
  for (double& w : weights) w /= sum;
  return rounded(weights);
}

Bank fit_bank(std::span<const Histogram> histograms) {
  Bank bank;
  bank.shapes.assign(typical_shapes().begin(), typical_shapes().end());
  bank.choice.assign(histograms.size(), 0);
  std::vector<std::vector<double>> costs;  // [shape][histogram]
  const auto assign = [&] {
    costs.assign(bank.shapes.size(), std::vector<double>(histograms.size()));
    for (std::size_t s = 0; s < bank.shapes.size(); s++) {
      PriceList prices(bank.shapes[s]);
      for (std::size_t h = 0; h < histograms.size(); h++) costs[s][h] = bits_under(histograms[h], prices);
    }
    for (std::size_t h = 0; h < histograms.size(); h++) {
      std::size_t best = 0;
      for (std::size_t s = 1; s < costs.size(); s++)
        if (costs[s][h] < costs[best][h]) best = s;
      bank.choice[h] = static_cast<std::uint32_t>(best);
    }
  };
  const auto remove = [&](std::size_t s) {
    bank.shapes.erase(bank.shapes.begin() + static_cast<std::ptrdiff_t>(s));
    assign();
  };
  assign();
  for (int round = 0; round < kRounds; round++) {
    for (std::size_t s = 0; s < bank.shapes.size(); s++) {
      std::vector<const Histogram*> members;
      for (std::size_t h = 0; h < histograms.size(); h++)
        if (bank.choice[h] == s) members.push_back(&histograms[h]);
      if (!members.empty()) bank.shapes[s] = fit_shape(members, bank.shapes[s]);
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
  return bank;
}

}  // namespace weft::trellis
