#include "trellis/scales.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "weft/core/trellis.hpp"

namespace weft::trellis {
namespace {

constexpr double kClassesPerOctave = 3;
constexpr int kRounds = 3;

struct FactorState {
  int kind = 0;
  std::vector<double> variance;
  double weight = 0;  // weights that share a scale
};

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
void accumulate(std::span<const float> squares, const Box& box, const std::vector<FactorState>& factors, std::size_t f,
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
          const double* v = other.variance.data() + index_in(box, other.kind, i, j, 0);
          for (std::uint64_t k = 0; k < box.size[2]; k++) inverse[k] /= v[k];
        } else {
          shared /= other.variance[index_in(box, other.kind, i, j, 0)];
        }
      }
      const float* s = squares.data() + at;
      at += box.size[2];
      const int kind = factors[f].kind;
      if (kind == 2 || kind == 4) {
        double* sum = sums.data() + index_in(box, kind, i, j, 0);
        for (std::uint64_t k = 0; k < box.size[2]; k++) sum[k] += static_cast<double>(s[k]) * inverse[k] * shared;
      } else {
        double sum = 0;
        for (std::uint64_t k = 0; k < box.size[2]; k++) sum += static_cast<double>(s[k]) * inverse[k];
        sums[index_in(box, kind, i, j, 0)] += sum * shared;
      }
    }
}

// Bits per weight that a deviation wrong by `delta` classes costs, for a Gaussian.
double mismatch(double delta) {
  const double ratio = std::exp2(2 * delta / kClassesPerOctave);
  return 0.5 * ((ratio - 1) / std::log(2.0) - std::log2(ratio));
}

}  // namespace

// Each code costs what the codes' frequencies say, so rare ones are drawn in.
double round_scales(std::span<const double> variances, double weights, ScaleFactor& out) {
  const std::size_t n = variances.size();
  std::vector<double> wanted(n);
  for (std::size_t i = 0; i < n; i++)
    wanted[i] = std::clamp(0.5 * kClassesPerOctave * std::log2(std::max(variances[i], 1e-30)), -40.0, 40.0);
  out.codes.resize(n);
  for (std::size_t i = 0; i < n; i++) out.codes[i] = static_cast<std::int8_t>(std::lrint(wanted[i]));
  double bits = 0;
  for (int round = 0; round < 4; round++) {
    std::map<int, double> counts;
    for (const std::int8_t c : out.codes) counts[c] += 1;
    bits = 0;
    for (const auto& [code, count] : counts) bits += 5 + count * std::log2(static_cast<double>(n) / count);
    if (round == 3) break;
    for (std::size_t i = 0; i < n; i++) {
      double best = 1e300;
      for (const auto& [code, count] : counts) {
        const double price = std::log2(static_cast<double>(n) / count) + weights * mismatch(wanted[i] - code);
        if (price < best) best = price, out.codes[i] = static_cast<std::int8_t>(code);
      }
    }
  }
  return bits + 16;
}

double inverse_variance(int code) { return std::exp2(-2.0 * code / kClassesPerOctave); }

ScaleFactor layout_of(const Box& box, int kind) {
  ScaleFactor factor;
  factor.inner = kind == 0 ? box.size[1] * box.size[2] : kind == 1 || kind == 3 ? box.size[2] : 1;
  factor.codes.assign(dimension(box, kind), 0);
  return factor;
}

ScaleFit fit_scales(std::span<const float> squares, const Box& box, FactorSet set) {
  double total = 0;
  for (const float s : squares) total += static_cast<double>(s);
  const auto n = static_cast<double>(squares.size());
  const double mean = std::max(total / n, 1e-30);
  std::vector<FactorState> factors;
  for (int kind = 0; kind < kFactorKinds; kind++)
    if ((set >> kind & 1) != 0) {
      const std::uint64_t d = dimension(box, kind);
      factors.push_back({kind, std::vector<double>(d, 1.0), n / static_cast<double>(d)});
    }
  for (int round = 0; round < (factors.size() > 1 ? kRounds : 1); round++)
    for (std::size_t f = 0; f < factors.size(); f++) {
      std::vector<double> sums(factors[f].variance.size());
      accumulate(squares, box, factors, f, sums);
      for (std::size_t i = 0; i < sums.size(); i++)
        factors[f].variance[i] = (sums[i] / mean + 0.5) / (factors[f].weight + 0.5);
    }
  ScaleFit fit;
  fit.set = set;
  for (const FactorState& factor : factors) {
    fit.factors.push_back(layout_of(box, factor.kind));
    fit.side_bits += round_scales(factor.variance, factor.weight, fit.factors.back());
  }
  // The base that makes the rounded scales right on average.
  TrellisStream flat;
  flat.factors = fit.factors;
  double normalised = 0;
  std::array<double, 256> inverse{};
  for (int c = -128; c < 128; c++) inverse[static_cast<std::size_t>(c + 128)] = std::exp2(-2.0 * c / kClassesPerOctave);
  std::vector<std::int16_t> codes;
  constexpr std::size_t kPart = 4096;
  for (std::size_t begin = 0; begin < squares.size(); begin += kPart) {
    const std::size_t end = std::min(squares.size(), begin + kPart);
    codes.assign(end - begin, 0);
    for (const ScaleFactor& factor : fit.factors)
      for (std::size_t e = begin; e < end; e++)
        codes[e - begin] =
            static_cast<std::int16_t>(codes[e - begin] + factor.codes[(e / factor.inner) % factor.codes.size()]);
    for (std::size_t e = begin; e < end; e++)
      normalised += static_cast<double>(squares[e]) *
                    inverse[static_cast<std::size_t>(std::clamp<int>(codes[e - begin], -128, 127) + 128)];
  }
  fit.base = 0.5 * std::log2(std::max(normalised / n, 1e-30));
  return fit;
}

ClassRange class_range(const TrellisStream& stream) noexcept {
  int lowest = stream.base_class, highest = stream.base_class;
  for (const ScaleFactor& factor : stream.factors) {
    const auto [low, high] = std::minmax_element(factor.codes.begin(), factor.codes.end());
    lowest += *low;
    highest += *high;
  }
  return {std::clamp(lowest, 0, core::kScaleClasses - 1), std::clamp(highest, 0, core::kScaleClasses - 1)};
}

void scale_classes(const TrellisStream& stream, std::uint64_t begin, std::span<std::uint8_t> classes) {
  std::vector<std::int16_t> sums(classes.size(), stream.base_class);
  for (const ScaleFactor& factor : stream.factors) {
    std::uint64_t within = begin % factor.inner, index = begin / factor.inner % factor.codes.size();
    for (std::size_t i = 0; i < sums.size();) {
      const std::size_t run = static_cast<std::size_t>(std::min<std::uint64_t>(factor.inner - within, sums.size() - i));
      if (factor.inner == 1) {
        const std::size_t length = std::min(sums.size() - i, factor.codes.size() - static_cast<std::size_t>(index));
        for (std::size_t e = 0; e < length; e++)
          sums[i + e] = static_cast<std::int16_t>(sums[i + e] + factor.codes[index + e]);
        i += length;
        index = 0;
        continue;
      }
      const std::int16_t code = factor.codes[index];
      for (std::size_t e = i; e < i + run; e++) sums[e] = static_cast<std::int16_t>(sums[e] + code);
      i += run;
      within = 0;
      if (++index == factor.codes.size()) index = 0;
    }
  }
  for (std::size_t i = 0; i < sums.size(); i++)
    classes[i] = static_cast<std::uint8_t>(std::clamp<int>(sums[i], 0, core::kScaleClasses - 1));
}

}  // namespace weft::trellis
