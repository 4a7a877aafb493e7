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
constexpr int kRounds = 3;
constexpr int kRoundings = 3;       // codes and their prices follow each other
constexpr double kNewCodeBits = 4;  // of a code that a factor has not had before

struct FactorState {
  int kind = 0;
  std::vector<double> variance;
  double weight = 0;  // weights that share a scale
};

double square(float value) { return static_cast<double>(value) * static_cast<double>(value); }

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

// Sums squares / (variances of the other factors) per index of factor f.
void accumulate(std::span<const float> values, const Box& box, const std::vector<FactorState>& factors, std::size_t f,
                std::vector<double>& sums) {
  std::fill(sums.begin(), sums.end(), 0.0);
  std::vector<double> inverse(box.size[2]);
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < box.size[0]; i++)
    for (std::uint64_t j = 0; j < box.size[1]; j++) {
      std::fill(inverse.begin(), inverse.end(), 1.0);
      double shared = 1;
      for (std::size_t g = 0; g < factors.size(); g++) {
        if (g == f) continue;
        const FactorState& other = factors[g];
        if (other.kind == 2 || other.kind == 4) {
          const double* variance = other.variance.data() + index_in(box, other.kind, i, j, 0);
          for (std::uint64_t k = 0; k < box.size[2]; k++) inverse[k] /= variance[k];
        } else {
          shared /= other.variance[index_in(box, other.kind, i, j, 0)];
        }
      }
      const float* v = values.data() + at;
      at += box.size[2];
      const int kind = factors[f].kind;
      if (kind == 2 || kind == 4) {
        double* sum = sums.data() + index_in(box, kind, i, j, 0);
        for (std::uint64_t k = 0; k < box.size[2]; k++) sum[k] += square(v[k]) * inverse[k] * shared;
      } else {
        double sum = 0;
        for (std::uint64_t k = 0; k < box.size[2]; k++) sum += square(v[k]) * inverse[k];
        sums[index_in(box, kind, i, j, 0)] += sum * shared;
      }
    }
}

}  // namespace

// Each code costs what the codes' frequencies say, so rare ones are drawn in.
double round_scales(std::span<const double> variances, double weights, ScaleFactor& out) {
  const std::size_t n = variances.size();
  std::vector<double> wanted(n);
  std::array<double, 256> counts{};
  out.codes.resize(n);
  for (std::size_t i = 0; i < n; i++) {
    wanted[i] = std::clamp(0.5 * kClassesPerOctave * std::log2(std::max(variances[i], 1e-30)), -40.0, 40.0);
    out.codes[i] = static_cast<std::int8_t>(std::lrint(wanted[i]));
    counts[static_cast<std::size_t>(out.codes[i] + 128)] += 1;
  }
  struct Price {
    int code;
    double bits, inverse;
  };
  std::vector<Price> prices;
  for (int round = 0; round < kRoundings; round++) {
    prices.clear();
    for (int code = -40; code <= 40; code++) {
      const int entry = code + 128;
      const double count = counts[static_cast<std::size_t>(entry)];
      if (count > 0) prices.push_back({code, std::log2(static_cast<double>(n) / count), inverse_variance(code)});
    }
    counts.fill(0);
    for (std::size_t i = 0; i < n; i++) {
      double best = std::numeric_limits<double>::infinity();
      for (const Price& price : prices) {
        // What a Gaussian's bits grow by when its deviation is wrong by `off` classes.
        const double off = wanted[i] - price.code;
        const double mismatch =
            0.5 * ((variances[i] * price.inverse - 1) / std::numbers::ln2 - 2 * off / kClassesPerOctave);
        const double bits = price.bits + weights * mismatch;
        if (bits < best) best = bits, out.codes[i] = static_cast<std::int8_t>(price.code);
      }
      counts[static_cast<std::size_t>(out.codes[i] + 128)] += 1;
    }
  }
  double bits = 16;
  for (const double count : counts)
    if (count > 0) bits += kNewCodeBits + count * std::log2(static_cast<double>(n) / count);
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
      double sum = 0;
      for (std::uint64_t k = 0; k < box.size[2]; k++) {
        const double energy = square(values[at++]);
        pairs[k] += energy;
        sum += energy;
      }
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
  if (kind == 2) {
    for (std::size_t i = 0; i < energies.pairs12.size(); i++) sums[i % size[2]] += energies.pairs12[i];
  } else {
    for (std::size_t i = 0; i < energies.pairs01.size(); i++)
      sums[kind == 0 ? i / size[1] : i % size[1]] += energies.pairs01[i];
  }
  return sums;
}

// The few squares of a scale say little: they are drawn towards the mean.
void shrink(std::vector<double>& variance, double mean, double weight) {
  for (double& v : variance) v = (v / mean + 0.5) / (weight + 0.5);
}

std::vector<FactorState> states_of(const Box& box, FactorSet set, double n) {
  std::vector<FactorState> factors;
  for (int kind = 0; kind < kFactorKinds; kind++)
    if ((set >> kind & 1) != 0) {
      const std::uint64_t d = dimension(box, kind);
      factors.push_back({kind, std::vector<double>(d, 1.0), n / static_cast<double>(d)});
    }
  return factors;
}

// Rounds the factors. The base follows from the energies as far as they can tell.
ScaleFit finish(const std::vector<FactorState>& factors, const Box& box, FactorSet set, double mean) {
  ScaleFit fit;
  fit.set = set;
  double log_mean = 0;
  for (const FactorState& factor : factors) {
    fit.factors.push_back(layout_of(box, factor.kind));
    ScaleFactor& out = fit.factors.back();
    fit.side_bits += round_scales(factor.variance, factor.weight, out);
    // How much the average weight's deviation changes when this factor's codes are taken out.
    double left = 0;
    const double noise = 1 / (3 * mean);  // a quantizer's own error, against the weights' energy
    for (std::size_t i = 0; i < out.codes.size(); i++) {
      left += factor.variance[i] * inverse_variance(out.codes[i]);
      fit.gain -= 0.5 * factor.weight * std::log2((factor.variance[i] + noise) / (1 + noise));
    }
    log_mean += std::log2(std::max(left / static_cast<double>(out.codes.size()), 1e-30));
  }
  fit.base = 0.5 * (std::log2(std::max(mean, 1e-30)) + log_mean);
  return fit;
}

}  // namespace

ScaleFit guess_scales(const Energies& energies, FactorSet set) {
  const auto& size = energies.box.size;
  const auto n = static_cast<double>(size[0] * size[1] * size[2]);
  const double mean = std::max(energies.total / n, 1e-30);
  std::vector<FactorState> factors = states_of(energies.box, set, n);
  for (FactorState& factor : factors) {
    factor.variance = marginal(energies, factor.kind);
    shrink(factor.variance, mean, factor.weight);
  }
  return finish(factors, energies.box, set, mean);
}

ScaleFit fit_scales(std::span<const float> values, const Box& box, FactorSet set) {
  const auto n = static_cast<double>(values.size());
  double total = 0;
  for (const float v : values) total += square(v);
  const double mean = std::max(total / n, 1e-30);
  std::vector<FactorState> factors = states_of(box, set, n);
  for (int round = 0; round < (factors.size() > 1 ? kRounds : 1); round++)
    for (std::size_t f = 0; f < factors.size(); f++) {
      std::vector<double> sums(factors[f].variance.size());
      accumulate(values, box, factors, f, sums);
      factors[f].variance = std::move(sums);
      shrink(factors[f].variance, mean, factors[f].weight);
    }
  return finish(factors, box, set, mean);
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
