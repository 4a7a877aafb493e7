#include "trellis/choose.hpp"

#include <algorithm>
#include <cmath>

#include "trellis/shape.hpp"
#include "weft/core/frequency.hpp"
#include "weft/core/trellis.hpp"

namespace weft::trellis {
namespace {

constexpr std::size_t kChunk = 2048;        // consecutive weights, so that neighbours are there
constexpr std::size_t kSampled = 1u << 16;  // weights priced per candidate
constexpr float kFarBits = 34;

// Code lengths under a typical shape, in bits, built as they are needed.
class Prices {
 public:
  explicit Prices(const Shape& shape) : curve_(shape), rows_(kRows) {
    for (int c = 0; c < core::kScaleClasses; c++) reach_[static_cast<std::size_t>(c)] = curve_.reach(c);
  }
  // Price of an index at this distance from the predicted one.
  float operator()(int scale_class, int table, int distance) {
    if (std::abs(distance) > reach_[static_cast<std::size_t>(scale_class)]) return kFarBits;
    auto& row = rows_[static_cast<std::size_t>(scale_class * core::kTables + table)];
    if (row.empty()) fill(row, scale_class * core::kTables + table);
    return row[static_cast<std::size_t>(core::kIndexZero + distance)];
  }

 private:
  void fill(std::vector<float>& row, int number) {
    std::uint16_t frequencies[256];
    curve_.frequencies(number, reach_[static_cast<std::size_t>(number / core::kTables)], frequencies);
    row.assign(256, kFarBits);
    for (std::size_t s = 0; s < 256; s++)
      if (frequencies[s] != 0) row[s] = static_cast<float>(core::code_length(frequencies[s])) / 256;
  }
  MassCurve curve_;
  std::array<int, core::kScaleClasses> reach_{};
  std::vector<std::vector<float>> rows_;
};

std::vector<Prices>& typical_prices() {
  thread_local std::vector<Prices> prices(typical_shapes().begin(), typical_shapes().end());
  return prices;
}

template <class F>
std::size_t for_sample(std::size_t n, F f) {
  const std::size_t chunks = (n + kChunk - 1) / kChunk, wanted = std::min(chunks, kSampled / kChunk);
  std::size_t seen = 0;
  for (std::size_t c = 0; c < wanted; c++) {
    const std::size_t begin = (wanted == chunks ? c : c * (chunks - 1) / std::max<std::size_t>(1, wanted - 1)) * kChunk;
    const std::size_t end = std::min(n, begin + kChunk);
    f(begin, end);
    seen += end - begin;
  }
  return seen;
}

double deviation(int scale_class) { return std::exp2(scale_class / 3.0) / 16; }

// The class of a deviation in steps, as an offset that the factors' codes are added to.
std::int16_t base_class(double log2_deviation) {
  return static_cast<std::int16_t>(std::lrint(std::clamp(3 * (log2_deviation + 4), -1000.0, 1000.0)));
}

// Least squares on normalised weights; returns the log2 of the residual's deviation.
double fit_taps(std::span<const float> values, TrellisStream& stream) {
  constexpr int kTaps = core::kMaxTaps;
  std::array<double, kTaps + 1> correlation{};
  std::array<std::uint8_t, kChunk> classes{};
  std::array<double, kChunk> u{};
  std::array<double, core::kScaleClasses> inverse{};
  for (int c = 0; c < core::kScaleClasses; c++) inverse[static_cast<std::size_t>(c)] = 1 / deviation(c);
  for_sample(values.size(), [&](std::size_t begin, std::size_t end) {
    scale_classes(stream, begin, std::span(classes).first(end - begin));
    for (std::size_t i = begin; i < end; i++)
      u[i - begin] = static_cast<double>(values[i]) * inverse[classes[i - begin]];
    for (std::size_t lag = 0; lag <= kTaps; lag++)
      for (std::size_t i = kTaps; i < end - begin; i++) correlation[lag] += u[i] * u[i - lag];
  });
  if (!(correlation[0] > 0)) return 0;
  // Levinson and Durbin.
  std::array<double, kTaps> a{};
  double error = correlation[0];
  for (std::size_t m = 0; m < kTaps; m++) {
    double k = correlation[m + 1];
    for (std::size_t i = 0; i < m; i++) k -= a[i] * correlation[m - i];
    k /= error;
    std::array<double, kTaps> next = a;
    next[m] = k;
    for (std::size_t i = 0; i < m; i++) next[i] = a[i] - k * a[m - 1 - i];
    a = next;
    error *= 1 - k * k;
  }
  for (std::size_t p = 0; p < kTaps; p++)
    stream.taps[p] = static_cast<std::int8_t>(std::clamp<long>(std::lrint(a[p] * 64), -127, 127));
  return 0.5 * std::log2(std::max(error / correlation[0], 1e-9));
}

// Estimated bits of the values under the stream's model, with the best of the typical shapes.
double price(std::span<const float> values, TrellisStream& stream) {
  std::array<double, 4> sums{};
  std::array<std::uint8_t, kChunk> classes{};
  constexpr core::RatioTable kRatio = core::make_ratios();
  auto& prices = typical_prices();
  const std::size_t seen = for_sample(values.size(), [&](std::size_t begin, std::size_t end) {
    scale_classes(stream, begin, std::span(classes).first(end - begin));
    for (std::size_t i = begin; i < end; i++) {
      const int c = classes[i - begin];
      int mean = 0;
      if (stream.predicts) {
        double sum = 0;
        for (std::size_t p = 0; p < core::kMaxTaps && begin + p < i; p++) {
          const int delta = std::clamp(c - classes[i - begin - 1 - p], -core::kRatioReach, core::kRatioReach);
          sum += stream.taps[p] * kRatio.value[delta + core::kRatioReach] * static_cast<double>(values[i - 1 - p]);
        }
        mean = static_cast<int>(std::clamp(std::rint(sum / (64 * 64 / 4)), -224.0, 224.0));
      }
      const int centre = (mean + 4) >> 3, phase = mean - 8 * centre;
      const auto limited = std::clamp(values[i], -500.0f, 500.0f);
      const int distance = static_cast<int>(std::lrint(limited / 2)) - centre;
      for (std::size_t s = 0; s < sums.size(); s++)
        sums[s] += static_cast<double>(prices[s](c, std::abs(phase), phase < 0 ? -distance : distance));
    }
  });
  const auto best = std::min_element(sums.begin(), sums.end());
  stream.shape = static_cast<std::uint8_t>(best - sums.begin());
  return *best / static_cast<double>(seen) * static_cast<double>(values.size());
}

// How a tensor's axes may be grouped: (first, second, rest) and (rest, last but one, last).
std::vector<Box> boxes_of(std::span<const std::uint64_t> shape) {
  const std::size_t rank = shape.size();
  const auto product = [&](std::size_t from, std::size_t to) {
    std::uint64_t p = 1;
    for (std::size_t i = from; i < to; i++) p *= shape[i];
    return p;
  };
  std::vector<Box> boxes;
  if (rank <= 1) {
    boxes.push_back({{1, 1, product(0, rank)}});
  } else if (rank == 2) {
    boxes.push_back({{shape[0], 1, shape[1]}});
  } else {
    boxes.push_back({{shape[0], shape[1], product(2, rank)}});
    const Box other{{product(0, rank - 2), shape[rank - 2], shape[rank - 1]}};
    if (other != boxes.front()) boxes.push_back(other);
  }
  return boxes;
}

// Sets of factors worth trying: every factor has more than one scale and several weights for each.
std::vector<FactorSet> sets_for(const Box& box) {
  constexpr std::array<FactorSet, 9> kSets{0b00001, 0b00010, 0b00100, 0b10001, 0b01100,
                                           0b00011, 0b00101, 0b00110, 0b00111};
  constexpr std::uint64_t kFewestWeights = 4;
  std::vector<FactorSet> sets;
  for (const FactorSet set : kSets) {
    bool useful = true;
    for (int kind = 0; kind < kFactorKinds; kind++) {
      if ((set >> kind & 1) == 0) continue;
      const std::uint64_t scales = layout_of(box, kind).codes.size();
      const std::uint64_t weights = box.size[0] * box.size[1] * box.size[2] / std::max<std::uint64_t>(1, scales);
      const bool is_pair = kind >= 3 && (box.size[1] == 1 || box.size[kind == 3 ? 0 : 2] == 1);  // the same as a single
      useful = useful && scales > 1 && weights >= kFewestWeights && !is_pair;
    }
    if (useful) sets.push_back(set);
  }
  return sets;
}

}  // namespace

namespace {

constexpr double kParameterBits = 40, kTapBits = 24;

// The codes of a box's factor, for the box reversed.
ScaleFactor mirror(const Box& box, int kind, const ScaleFactor& factor) {
  const Box mirrored{{box.size[2], box.size[1], box.size[0]}};
  constexpr std::array<int, kFactorKinds> kMirrored{2, 1, 0, 4, 3};
  ScaleFactor other = layout_of(mirrored, kMirrored[static_cast<std::size_t>(kind)]);
  if (kind < 3) {
    other.codes = factor.codes;
  } else {
    const std::uint64_t a = kind == 3 ? box.size[0] : box.size[1], b = factor.codes.size() / a;
    to_view<std::int8_t>({a, 1, b}, factor.codes.data(), other.codes.data());
  }
  return other;
}

}  // namespace

Choice choose_model(std::span<const float> values, std::span<const std::uint64_t> shape, const Allowed& allowed) {
  std::vector<float> squares(values.size());
  for (std::size_t i = 0; i < values.size(); i++) squares[i] = values[i] * values[i];

  Choice best;
  bool first = true;
  const auto consider = [&](const TrellisStream& stream, double bits, double side) {
    if (first || bits + side < best.bits) best = {stream, bits + side, side};
    first = false;
  };
  for (const Box& box : boxes_of(shape)) {
    std::vector<float> reversed;
    const bool has_view = allowed.views && (box.size[0] > 1) + (box.size[1] > 1) + (box.size[2] > 1) > 1;
    if (allowed.prediction && has_view) {
      reversed.resize(values.size());
      to_view(box.size, values.data(), reversed.data());
    }
    std::vector<FactorSet> sets = allowed.scales ? sets_for(box) : std::vector<FactorSet>{};
    sets.insert(sets.begin(), FactorSet{0});
    for (const FactorSet set : sets) {
      const ScaleFit fit = fit_scales(squares, box, set);
      TrellisStream stream;
      stream.factors = fit.factors;
      stream.base_class = base_class(fit.base);
      const double side = fit.side_bits + kParameterBits;
      if (!allowed.only_prediction) consider(stream, price(values, stream), side);
      if (!allowed.prediction) continue;
      for (int view = 0; view < (has_view ? 2 : 1); view++) {
        const std::span<const float> ordered = view == 0 ? values : std::span<const float>(reversed);
        if (view == 1) {
          stream.view = box.size;
          stream.factors.clear();
          std::size_t f = 0;
          for (int kind = 0; kind < kFactorKinds; kind++)
            if ((set >> kind & 1) != 0) stream.factors.push_back(mirror(box, kind, fit.factors[f++]));
        }
        stream.predicts = true;
        stream.base_class = base_class(fit.base);
        const double shrink = fit_taps(ordered, stream);
        stream.base_class = base_class(fit.base + shrink);
        consider(stream, price(ordered, stream), side + kTapBits);
      }
    }
  }
  return best;
}

}  // namespace weft::trellis
