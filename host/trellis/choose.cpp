#include "trellis/choose.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <utility>

#include "trellis/shape.hpp"
#include "weft/core/trellis.hpp"

namespace weft::trellis {
namespace {

constexpr std::size_t kChunk = 2048;        // consecutive weights, so that neighbours are there
constexpr std::size_t kQuick = 1u << 15;    // weights priced of every option
constexpr std::size_t kSampled = 1u << 16;  // and of the best ones
constexpr float kFarBits = 34;

// Code lengths under a typical shape, in bits.
class Prices {
 public:
  explicit Prices(const Shape& shape) : table_(std::size_t{kRows} * 256) {
    const MassCurve curve(shape);
    for (int row = 0; row < kRows; row++)
      curve.code_lengths(row, kFarBits, table_.data() + 256 * static_cast<std::size_t>(row));
  }
  // Price of an index at this distance from the predicted one, at most 127.
  float operator()(int scale_class, int table, int distance) const {
    const int entry = (scale_class * core::kClassTables + table) * 256 + core::kIndexZero + distance;
    return table_[static_cast<std::size_t>(entry)];
  }

 private:
  std::vector<float> table_;
};

const Prices& prices_of(std::uint32_t typical_shape) {
  static const std::array<Prices, 4> prices{Prices(typical_shapes()[0]), Prices(typical_shapes()[1]),
                                            Prices(typical_shapes()[2]), Prices(typical_shapes()[3])};
  return prices[typical_shape];
}

// To the nearest integer, of values below 2^22; lrint is a call.
int rounded(float value) {
  constexpr float kShift = 12582912;  // 1.5 * 2^23: the integer ends up in the lowest bits
  return std::bit_cast<std::int32_t>(value + kShift) - std::bit_cast<std::int32_t>(kShift);
}

template <class F>
std::size_t for_sample(std::size_t n, std::size_t sampled, F f) {
  const std::size_t chunks = (n + kChunk - 1) / kChunk, wanted = std::min(chunks, sampled / kChunk);
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
double fit_taps(std::span<const float> values, std::size_t sampled, TrellisStream& stream) {
  constexpr int kTaps = core::kMaxTaps;
  std::array<double, kTaps + 1> correlation{};
  std::array<std::uint8_t, kChunk> classes{};
  std::array<double, kChunk> u{};
  std::array<double, core::kScaleClasses> inverse{};
  for (int c = 0; c < core::kScaleClasses; c++) inverse[static_cast<std::size_t>(c)] = 1 / deviation(c);
  for_sample(values.size(), sampled, [&](std::size_t begin, std::size_t end) {
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

// Calls f(class, phase of the mean, distance, error in quarter steps) for a sample: what a scalar quantizer would code.
template <class F>
std::size_t for_symbols(std::span<const float> values, const TrellisStream& stream, std::size_t sampled, F f) {
  std::array<std::uint8_t, kChunk> classes{};
  constexpr core::RatioTable kRatio = core::make_ratios();
  const bool has_taps = stream.taps[0] != 0 || stream.taps[1] != 0 || stream.taps[2] != 0;
  std::array<std::array<float, core::kRatios>, core::kMaxTaps> products{};
  for (std::size_t p = 0; p < products.size(); p++)
    for (std::size_t i = 0; i < products[p].size(); i++)
      products[p][i] = static_cast<float>(stream.taps[p] * kRatio.value[i]);
  return for_sample(values.size(), sampled, [&](std::size_t begin, std::size_t end) {
    scale_classes(stream, begin, std::span(classes).first(end - begin));
    for (std::size_t i = begin; i < end; i++) {
      const int c = classes[i - begin];
      int mean = 0;
      if (has_taps) {
        float sum = 0;
        for (std::size_t p = 0; p < core::kMaxTaps && begin + p < i; p++) {
          const int delta = std::clamp(c - classes[i - begin - 1 - p], -core::kRatioReach, core::kRatioReach);
          const auto ratio = static_cast<std::uint32_t>(delta + core::kRatioReach);
          sum += products[p][ratio] * values[i - 1 - p];
        }
        mean = rounded(std::clamp(sum / 1024.0f, -224.0f, 224.0f));
      }
      const int centre = (mean + 4) >> 3, phase = mean - 8 * centre;
      const int index = rounded(std::clamp(values[i], -150.0f, 150.0f) / 2);
      const int distance = index - centre;  // at most 75 + 28
      f(i == begin, c, std::abs(phase), phase < 0 ? -distance : distance, std::abs(8 * index - mean));
    }
  });
}

// Estimated bits of the values under the stream's model and shape.
double price(std::span<const float> values, const TrellisStream& stream, std::size_t sampled) {
  const Prices& prices = prices_of(stream.shape);
  std::array<float, 4> sums{};  // of a chunk; one sum would have to wait for itself
  double bits = 0;
  std::size_t k = 0;
  const std::size_t seen = for_symbols(values, stream, sampled, [&](bool first, int c, int phase, int distance, int) {
    if (first) {
      for (float& sum : sums) bits += static_cast<double>(std::exchange(sum, 0.0f));
    }
    sums[k++ % sums.size()] += prices(c, phase, distance);
  });
  for (const float sum : sums) bits += static_cast<double>(sum);
  return bits / static_cast<double>(seen) * static_cast<double>(values.size());
}

void choose_shape(std::span<const float> values, TrellisStream& stream) {
  std::array<double, 4> bits{};
  for (std::uint32_t s = 0; s < bits.size(); s++) {
    TrellisStream trial = stream;
    trial.shape = s;
    bits[s] = price(values, trial, kSampled);
  }
  stream.shape = static_cast<std::uint32_t>(std::min_element(bits.begin(), bits.end()) - bits.begin());
}

// Finds by how many classes each bin of local energy should move a weight; returns the bits that this saves.
double fit_shifts(std::span<const float> values, TrellisStream& stream) {
  constexpr std::size_t kShifts = 2 * core::kMaxShift + 1;
  std::array<std::array<double, kShifts>, core::kEnergyBins> bits{};
  const Prices& prices = prices_of(stream.shape);
  std::uint32_t energy = core::kFirstEnergy;
  const auto add = [&](bool first, int c, int phase, int distance, int error) {
    if (first) energy = core::kFirstEnergy;
    const auto bin = static_cast<std::size_t>(core::energy_bin(std::min(energy >> 5, core::kEnergyEntries - 1)));
    for (std::size_t s = 0; s < kShifts; s++)
      bits[bin][s] += static_cast<double>(
          prices(std::clamp(c + static_cast<int>(s) - core::kMaxShift, 0, core::kScaleClasses - 1), phase, distance));
    const auto scaled = static_cast<std::uint32_t>(error) * core::kErrorScale[c] >> 8;
    energy += std::min(scaled, core::kLargestError) - (energy >> core::kEnergyDecay);
  };
  const std::size_t seen = for_symbols(values, stream, 2 * kSampled, add);
  // Bins with little in them keep to what is usual, which is also the cheapest to store.
  constexpr std::array<int, core::kEnergyBins> kUsual{-2, -1, -1, -1, -1, 0, 0, 1, 1, 2, 2, 2};
  constexpr double kUnusualBits = 3;
  double saved = 0;
  for (std::size_t bin = 0; bin < bits.size(); bin++) {
    const double unmoved = bits[bin][core::kMaxShift];
    for (std::size_t s = 0; s < kShifts; s++)
      bits[bin][s] += kUnusualBits * std::abs(static_cast<int>(s) - core::kMaxShift - kUsual[bin]);
    const auto best = std::min_element(bits[bin].begin(), bits[bin].end());
    stream.shifts[bin] = static_cast<std::int8_t>(best - bits[bin].begin() - core::kMaxShift);
    saved += unmoved - *best;
  }
  constexpr double kChance = 10;  // what fitting to noise saves
  return (saved - kChance) / static_cast<double>(seen) * static_cast<double>(values.size());
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

constexpr double kParameterBits = 40, kTapBits = 24, kShiftBits = 48;
constexpr std::size_t kPriced = 20;   // sets of factors that are priced
constexpr std::size_t kRepriced = 6;  // options that are priced again on more

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
  // Guesses of all sets of factors are cheap; the best ones are priced on a sample, with and without prediction.
  struct Candidate {
    Box box;
    ScaleFit fit;
  };
  std::vector<Candidate> candidates;
  for (const Box& box : boxes_of(shape)) {
    const Energies energies = sum_energies(values, box);
    if (candidates.empty()) candidates.push_back({box, guess_scales(energies, 0)});
    if (!allowed.scales) continue;
    for (const FactorSet set : sets_for(box)) candidates.push_back({box, guess_scales(energies, set)});
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.fit.gain - a.fit.side_bits > b.fit.gain - b.fit.side_bits;
  });
  if (candidates.size() > kPriced) candidates.resize(kPriced);

  TrellisStream plain;
  plain.factors = candidates.front().fit.factors;
  plain.base_class = base_class(candidates.front().fit.base);
  choose_shape(values, plain);

  struct Best {
    std::size_t candidate = 0;
    bool has_taps = false, has_view = false;
    double bits = 0;
  };
  std::vector<Best> found;
  std::map<std::array<std::uint64_t, 3>, std::vector<float>> views;  // by box
  const auto reversed = [&](const Box& box) -> std::span<const float> {
    auto& view = views[box.size];
    if (view.empty()) {
      view.resize(values.size());
      to_view(box.size, values.data(), view.data());
    }
    return view;
  };
  const auto stream_of = [&](const Candidate& candidate, const ScaleFit& fit, bool has_view) {
    TrellisStream stream;
    stream.shape = plain.shape;
    stream.base_class = base_class(fit.base);
    stream.factors = fit.factors;
    if (has_view) {
      stream.view = candidate.box.size;
      std::size_t f = 0;
      for (int kind = 0; kind < kFactorKinds; kind++)
        if ((fit.set >> kind & 1) != 0) {
          stream.factors[f] = mirror(candidate.box, kind, fit.factors[f]);
          f++;
        }
    }
    return stream;
  };
  const auto add_taps = [&](std::span<const float> ordered, double base, std::size_t sampled, TrellisStream& stream) {
    const double shrinkage = fit_taps(ordered, sampled, stream);
    stream.predicts = true;
    stream.base_class = base_class(base + shrinkage);
  };
  const auto order_of = [&](const Best& option) {
    return option.has_view ? reversed(candidates[option.candidate].box) : values;
  };
  const auto price_option = [&](Best& option, std::size_t sampled) {
    const Candidate& candidate = candidates[option.candidate];
    const std::span<const float> ordered = order_of(option);
    TrellisStream stream = stream_of(candidate, candidate.fit, option.has_view);
    if (option.has_taps) add_taps(ordered, candidate.fit.base, sampled, stream);
    option.bits =
        price(ordered, stream, sampled) + candidate.fit.side_bits + kParameterBits + (option.has_taps ? kTapBits : 0);
  };
  const auto cheaper = [](const Best& a, const Best& b) { return a.bits < b.bits; };
  for (std::size_t c = 0; c < candidates.size(); c++) {
    const auto& size = candidates[c].box.size;
    const bool may_reverse = allowed.views && (size[0] > 1) + (size[1] > 1) + (size[2] > 1) > 1;
    if (!allowed.only_prediction) found.push_back({c, false, false, 0});
    if (!allowed.prediction) continue;
    found.push_back({c, true, false, 0});
    if (may_reverse) found.push_back({c, true, true, 0});
  }
  for (Best& option : found) price_option(option, kQuick);
  std::stable_sort(found.begin(), found.end(), cheaper);
  if (found.size() > kRepriced) found.resize(kRepriced);
  if (values.size() > kQuick)
    for (Best& option : found) price_option(option, kSampled);
  const Best best = *std::min_element(found.begin(), found.end(), cheaper);

  const Candidate& chosen = candidates[best.candidate];
  const ScaleFit fit = fit_scales(values, chosen.box, chosen.fit.set);
  const std::span<const float> ordered = order_of(best);
  Choice choice;
  choice.stream = stream_of(chosen, fit, best.has_view);
  if (best.has_taps) add_taps(ordered, fit.base, kSampled, choice.stream);
  choose_shape(ordered, choice.stream);
  choice.side_bits = fit.side_bits + kParameterBits + (best.has_taps ? kTapBits : 0);
  if (allowed.energy) {
    TrellisStream moving = choice.stream;
    moving.predicts = true;
    if (fit_shifts(ordered, moving) > kTapBits + kShiftBits || best.has_taps) choice.stream = std::move(moving);
  }
  return choice;
}

}  // namespace weft::trellis
