#include "trellis/scales.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "weft/core/trellis.hpp"

namespace weft::trellis {
namespace {

constexpr double kClassesPerOctave = 3;
constexpr int kPasses = 1;     // of refitting every factor, given the others
constexpr int kRoundings = 2;  // codes and their prices follow each other
// How many classes a code may move at once, by the weights that share a scale: the more, the dearer.
constexpr double kManyWeights = 64;
constexpr int kReachOfFew = 5;
constexpr int kReachOfMany = 2;
constexpr double kNewCodeBits = 4;  // of a code that a factor has not had before

struct FactorState {
  int kind = 0;
  std::vector<double> variance;
  double weight = 0;  // weights that share a scale
};

double square(float value) { return static_cast<double>(value) * static_cast<double>(value); }

// f(0) + f(1) + ..., of many in several sums, for one would have to wait for itself.
template <class F>
double add_up(std::uint64_t n, F f) {
  constexpr std::uint64_t kParts = 8, kMany = 32;
  std::uint64_t k = 0;
  double sum = 0;
  if (n >= kMany) {
    std::array<double, kParts> parts{};
    for (; k + kParts <= n; k += kParts)
      for (std::uint64_t p = 0; p < kParts; p++) parts[p] += f(k + p);
    for (const double part : parts) sum += part;
  }
  for (; k < n; k++) sum += f(k);
  return sum;
}

std::uint64_t dimension(const Box& box, int kind) {
  const auto& s = box.size;
  return kind < 3 ? s[static_cast<std::size_t>(kind)] : kind == 3 ? s[0] * s[1] : s[1] * s[2];
}

// Index of an element in a factor.
std::uint64_t index_in(const Box& box, int kind, std::uint64_t i, std::uint64_t j, std::uint64_t k) {
  switch (kind) {
    case 0:
      return i;
    case 1:
      return j;
    case 2:
      return k;
    case 3:
      return i * box.size[1] + j;
    default:
      return j * box.size[2] + k;
  }
}

// Whether a factor's scales change along the box's last group.
bool runs_along(int kind) { return kind == 2 || kind == 4; }

// Sums squares / (variances of the other factors) per index of factor f.
std::vector<double> accumulate(std::span<const float> values, const Box& box, const std::vector<FactorState>& factors,
                               std::size_t f) {
  const auto& size = box.size;
  // What a square is multiplied by: one number for each row (i, j), and one for each place in it, or for each (j, k).
  std::vector<double> rows(size[0] * size[1], 1.0);
  const bool rows_differ = std::any_of(factors.begin(), factors.end(), [](const auto& g) { return g.kind == 4; });
  bool places_differ = false;
  std::vector<double> places((rows_differ ? size[1] : 1) * size[2], 1.0);
  for (std::size_t g = 0; g < factors.size(); g++) {
    if (g == f) continue;
    const FactorState& other = factors[g];
    if (runs_along(other.kind)) {
      places_differ = true;
      for (std::size_t p = 0; p < places.size(); p++) places[p] /= other.variance[other.kind == 4 ? p : p % size[2]];
    } else {
      for (std::uint64_t i = 0; i < size[0]; i++)
        for (std::uint64_t j = 0; j < size[1]; j++)
          rows[i * size[1] + j] /= other.variance[index_in(box, other.kind, i, j, 0)];
    }
  }
  std::vector<double> sums(factors[f].variance.size());
  const int kind = factors[f].kind;
  const float* v = values.data();
  for (std::uint64_t i = 0; i < size[0]; i++)
    for (std::uint64_t j = 0; j < size[1]; j++, v += size[2]) {
      const double shared = rows[i * size[1] + j];
      const double* place = places.data() + (rows_differ ? j * size[2] : 0);
      double* sum = sums.data() + index_in(box, kind, i, j, 0);
      if (runs_along(kind) && !places_differ) {
        for (std::uint64_t k = 0; k < size[2]; k++) sum[k] += square(v[k]) * shared;
        continue;
      }
      if (runs_along(kind)) {
        for (std::uint64_t k = 0; k < size[2]; k++) sum[k] += square(v[k]) * place[k] * shared;
        continue;
      }
      *sum += shared * add_up(size[2], [&](std::uint64_t k) { return square(v[k]) * place[k]; });
    }
  return sums;
}

}  // namespace

// Each code costs what the codes' frequencies say, so rare ones are drawn in.
double round_scales(std::span<const double> variances, double weights, ScaleFactor& out) {
  constexpr int kFurthest = 40;
  const std::size_t n = variances.size();
  struct Price {
    double count = 0, bits = 0, inverse = 0;
  };
  std::array<Price, 2 * kFurthest + 1> prices;
  const auto price_of = [&prices](int code) -> Price& {
    const int entry = code + kFurthest;
    return prices[static_cast<std::size_t>(entry)];
  };
  std::vector<double> wanted(n);
  std::vector<int> codes(n);
  for (std::size_t i = 0; i < n; i++) {
    wanted[i] = std::clamp(0.5 * kClassesPerOctave * std::log2(std::max(variances[i], 1e-30)), -1.0 * kFurthest,
                           1.0 * kFurthest);
    codes[i] = static_cast<int>(std::lrint(wanted[i]));
    price_of(codes[i]).count += 1;
  }
  for (int code = -kFurthest; code <= kFurthest; code++) price_of(code).inverse = inverse_variance(code);
  const int reach = weights < kManyWeights ? kReachOfFew : kReachOfMany;
  for (int round = 0; round < kRoundings; round++) {
    for (Price& price : prices)
      price.bits = price.count > 0 ? std::log2(static_cast<double>(n) / std::exchange(price.count, 0.0)) : -1;
    for (std::size_t i = 0; i < n; i++) {
      double best = std::numeric_limits<double>::infinity();
      const int nearest = codes[i];
      const int first = std::max(nearest - reach, -kFurthest), last = std::min(nearest + reach, kFurthest);
      for (int code = first; code <= last; code++) {
        const Price& price = price_of(code);
        if (price.bits < 0) continue;
        // What a Gaussian's bits grow by when its deviation is wrong by `off` classes.
        const double off = wanted[i] - code;
        const double mismatch =
            0.5 * ((variances[i] * price.inverse - 1) / std::numbers::ln2 - 2 * off / kClassesPerOctave);
        const double bits = price.bits + weights * mismatch;
        if (bits < best) best = bits, codes[i] = code;
      }
      price_of(codes[i]).count += 1;
    }
  }
  out.codes.resize(n);
  for (std::size_t i = 0; i < n; i++) out.codes[i] = static_cast<std::int8_t>(codes[i]);
  double bits = 16;
  for (const Price& price : prices)
    if (price.count > 0) bits += kNewCodeBits + price.count * std::log2(static_cast<double>(n) / price.count);
  return bits;
}

double inverse_variance(int code) { return std::exp2(-2.0 * code / kClassesPerOctave); }

ScaleFactor layout_of(const Box& box, int kind) {
  ScaleFactor factor;
  factor.inner = kind == 0 ? box.size[1] * box.size[2] : kind == 1 || kind == 3 ? box.size[2] : 1;
  factor.codes.assign(dimension(box, kind), 0);
  return factor;
}

Energies sum_energies(std::span<const float> values, const Box& box) {
  Energies energies{box, 0, std::vector<double>(box.size[0] * box.size[1]),
                    std::vector<double>(box.size[1] * box.size[2])};
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < box.size[0]; i++)
    for (std::uint64_t j = 0; j < box.size[1]; j++) {
      double* pairs = energies.pairs12.data() + j * box.size[2];
      const double sum = add_up(box.size[2], [&](std::uint64_t k) {
        const double energy = square(values[at + k]);
        pairs[k] += energy;
        return energy;
      });
      at += box.size[2];
      energies.pairs01[i * box.size[1] + j] = sum;
      energies.total += sum;
    }
  return energies;
}

namespace {

std::vector<double> marginal(const Energies& energies, int kind) {
  if (kind == 3) return energies.pairs01;
  if (kind == 4) return energies.pairs12;
  const auto& size = energies.box.size;
  std::vector<double> sums(dimension(energies.box, kind));
  // Rows of pairs01 are of the first group, columns of both are of the one after.
  const std::vector<double>& pairs = kind == 2 ? energies.pairs12 : energies.pairs01;
  const std::uint64_t columns = kind == 2 ? size[2] : size[1];
  for (std::size_t row = 0; row * columns < pairs.size(); row++)
    for (std::uint64_t c = 0; c < columns; c++) sums[kind == 0 ? row : c] += pairs[row * columns + c];
  return sums;
}

// The few squares of a scale say little: they are drawn towards the mean.
void shrink(std::vector<double>& variance, double mean, double weight) {
  for (double& v : variance) v = (v / mean + 0.5) / (weight + 0.5);
}

double mean_energy(const Energies& energies) {
  const auto& size = energies.box.size;
  return std::max(energies.total / static_cast<double>(size[0] * size[1] * size[2]), 1e-30);
}

// A factor as its marginal sums say it.
FactorState guess_of(const Energies& energies, int kind) {
  const auto& size = energies.box.size;
  const auto n = static_cast<double>(size[0] * size[1] * size[2]);
  FactorState factor{kind, marginal(energies, kind), n / static_cast<double>(dimension(energies.box, kind))};
  shrink(factor.variance, mean_energy(energies), factor.weight);
  return factor;
}

// Bits that a factor saves, for Gaussian weights.
double gain_of(const FactorState& factor, double mean) {
  const double noise = 1 / (3 * mean);  // a quantizer's own error, against the weights' energy
  double gain = 0;
  for (const double v : factor.variance) gain -= 0.5 * factor.weight * std::log2((v + noise) / (1 + noise));
  return gain;
}

RoundedFactor round_factor(const FactorState& factor, const Box& box, double mean) {
  RoundedFactor rounded;
  rounded.factor = layout_of(box, factor.kind);
  rounded.side_bits = round_scales(factor.variance, factor.weight, rounded.factor);
  rounded.gain = gain_of(factor, mean);
  // How much the average weight's deviation changes when this factor's codes are taken out.
  double left = 0;
  for (std::size_t i = 0; i < factor.variance.size(); i++)
    left += factor.variance[i] * inverse_variance(rounded.factor.codes[i]);
  rounded.log_left = std::log2(std::max(left / static_cast<double>(factor.variance.size()), 1e-30));
  return rounded;
}

// The base follows from the energies as far as they can tell.
void add_factor(const RoundedFactor& rounded, ScaleFit& fit) {
  fit.factors.push_back(rounded.factor);
  fit.side_bits += rounded.side_bits;
  fit.gain += rounded.gain;
  fit.base += 0.5 * rounded.log_left;
}

ScaleFit fit_of_nothing(FactorSet set, double mean) {
  ScaleFit fit;
  fit.set = set;
  fit.base = 0.5 * std::log2(std::max(mean, 1e-30));
  return fit;
}

template <class F>
void for_kinds(FactorSet set, F f) {
  for (int kind = 0; kind < kFactorKinds; kind++)
    if ((set >> kind & 1) != 0) f(kind);
}

}  // namespace

const RoundedFactor* ScaleGuesses::factor(int kind) {
  std::optional<RoundedFactor>& known = factors_[static_cast<std::size_t>(kind)];
  if (!known) {
    constexpr double kFewestBits = 0.5;  // that a scale should save, or it is not worth rounding
    const FactorState guess = guess_of(energies_, kind);
    const double mean = mean_energy(energies_);
    known.emplace();
    if (gain_of(guess, mean) > kFewestBits * static_cast<double>(guess.variance.size()))
      known = round_factor(guess, energies_.box, mean);
  }
  return known->factor.codes.empty() ? nullptr : &*known;
}

std::optional<double> ScaleGuesses::saving(FactorSet set) {
  double bits = 0;
  bool pays = true;
  for_kinds(set, [&](int kind) {
    const RoundedFactor* rounded = pays ? factor(kind) : nullptr;
    pays = rounded != nullptr;
    if (pays) bits += rounded->gain - rounded->side_bits;
  });
  return pays ? std::optional(bits) : std::nullopt;
}

ScaleFit ScaleGuesses::fit(FactorSet set) {
  ScaleFit fit = fit_of_nothing(set, mean_energy(energies_));
  for_kinds(set, [&](int kind) {
    if (const RoundedFactor* rounded = factor(kind)) add_factor(*rounded, fit);
  });
  return fit;
}

ScaleFit fit_scales(std::span<const float> values, const Energies& energies, FactorSet set) {
  const double mean = mean_energy(energies);
  std::vector<FactorState> factors;
  for_kinds(set, [&](int kind) { factors.push_back(guess_of(energies, kind)); });
  // A lone factor's guess is exact; of several the first one is refitted last.
  for (int pass = 0; pass < (factors.size() > 1 ? kPasses : 0); pass++)
    for (std::size_t f = factors.size(); f-- > 0;) {
      factors[f].variance = accumulate(values, energies.box, factors, f);
      shrink(factors[f].variance, mean, factors[f].weight);
    }
  ScaleFit fit = fit_of_nothing(set, mean);
  for (const FactorState& factor : factors) add_factor(round_factor(factor, energies.box, mean), fit);
  return fit;
}

namespace {

// Adds a factor's codes to the sums of the elements from `begin` on.
void add_codes(const ScaleFactor& factor, std::uint64_t begin, std::span<std::int16_t> sums) {
  std::uint64_t within = begin % factor.inner, index = begin / factor.inner % factor.codes.size();
  for (std::size_t i = 0; i < sums.size();) {
    if (factor.inner == 1) {
      const std::size_t length = std::min(sums.size() - i, factor.codes.size() - static_cast<std::size_t>(index));
      for (std::size_t e = 0; e < length; e++)
        sums[i + e] = static_cast<std::int16_t>(sums[i + e] + factor.codes[index + e]);
      i += length;
      index = 0;
      continue;
    }
    const auto run = static_cast<std::size_t>(std::min<std::uint64_t>(factor.inner - within, sums.size() - i));
    const std::int8_t code = factor.codes[index];
    for (std::size_t e = i; e < i + run; e++) sums[e] = static_cast<std::int16_t>(sums[e] + code);
    i += run;
    within = 0;
    if (++index == factor.codes.size()) index = 0;
  }
}

}  // namespace

ClassRange class_range(const TrellisStream& stream) noexcept {
  int lowest = stream.base_class, highest = stream.base_class;
  for (const ScaleFactor& factor : stream.factors) {
    const auto [low, high] = std::minmax_element(factor.codes.begin(), factor.codes.end());
    lowest += *low;
    highest += *high;
  }
  return {std::clamp(lowest, 0, core::kScaleClasses - 1), std::clamp(highest, 0, core::kScaleClasses - 1)};
}

ClassRange table_range(const TrellisStream& stream) noexcept {
  ClassRange range = class_range(stream);
  if (!stream.predicts) return range;
  const auto [down, up] = std::minmax_element(stream.shifts.begin(), stream.shifts.end());
  range.lowest = std::clamp(range.lowest + *down, 0, core::kScaleClasses - 1);
  range.highest = std::clamp(range.highest + *up, 0, core::kScaleClasses - 1);
  return range;
}

void scale_classes(const TrellisStream& stream, std::uint64_t begin, std::span<std::uint8_t> classes) {
  std::array<std::int16_t, 2048> buffer;
  while (!classes.empty()) {
    const std::span sums(buffer.data(), std::min(buffer.size(), classes.size()));
    std::fill(sums.begin(), sums.end(), stream.base_class);
    for (const ScaleFactor& factor : stream.factors) add_codes(factor, begin, sums);
    for (std::size_t i = 0; i < sums.size(); i++)
      classes[i] = static_cast<std::uint8_t>(std::clamp<int>(sums[i], 0, core::kScaleClasses - 1));
    begin += sums.size();
    classes = classes.subspan(sums.size());
  }
}

}  // namespace weft::trellis
