#include "trellis/scales.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

#include "weft/core/trellis.hpp"

namespace weft::trellis {
namespace {

constexpr double kClassesPerOctave = 3;
constexpr int kRoundings = 2;  // codes and their prices follow each other
// How many classes a code may move at once, by the weights that share a scale: the more, the dearer.
constexpr double kManyWeights = 64;
constexpr int kReachOfFew = 3;
constexpr int kReachOfMany = 2;
constexpr double kNewCodeBits = 2;  // of a code that a factor has not had before

struct FactorState {
  int kind = 0;
  std::vector<double> variance;
  double weight = 0;  // weights that share a scale
};

double square(float value) { return static_cast<double>(value) * static_cast<double>(value); }

// Within 0.01, of a normal number above zero: its exponent, and a parabola for its mantissa.
double nearly_log2(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const double mantissa = std::bit_cast<double>((bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull) - 1;
  return static_cast<double>(static_cast<int>(bits >> 52) - 1023) + mantissa * (1.34657 - 0.34657 * mantissa);
}

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

}  // namespace

std::uint64_t dimension_of(const Box& box, int kind) {
  const auto& s = box.size;
  return kind < 3 ? s[static_cast<std::size_t>(kind)] : kind == 3 ? s[0] * s[1] : s[1] * s[2];
}

// Each code costs what the codes' frequencies say, so rare ones are drawn in.
double round_scales(std::span<const double> variances, double weights, ScaleFactor& out) {
  constexpr int kFurthest = 40;
  constexpr double kNever = std::numeric_limits<double>::infinity();
  const std::size_t n = variances.size();
  // What code c costs a scale of variance v, up to what depends on v alone: prices[c] + v * slopes[c]. A Gaussian's bits
  // grow by that when its deviation is wrong.
  std::array<double, 2 * kFurthest + 1> prices{}, slopes{}, counts{};
  std::vector<std::uint8_t> codes(n);  // plus kFurthest
  for (std::size_t i = 0; i < n; i++) {
    const double wanted = 0.5 * kClassesPerOctave * nearly_log2(std::max(variances[i], 1e-30));
    codes[i] = static_cast<std::uint8_t>(std::lrint(std::clamp(wanted, -1.0 * kFurthest, 1.0 * kFurthest)) + kFurthest);
    counts[codes[i]] += 1;
  }
  for (std::size_t c = 0; c < slopes.size(); c++)
    slopes[c] =
        0.5 * weights / std::numbers::ln2 * inverse_variance(static_cast<std::int8_t>(static_cast<int>(c) - kFurthest));
  const int reach = weights < kManyWeights ? kReachOfFew : kReachOfMany;
  for (int round = 0; round < kRoundings; round++) {
    int lowest = 2 * kFurthest, highest = 0;  // of the codes that there are
    for (int c = 0; c <= 2 * kFurthest; c++) {
      double& count = counts[static_cast<std::size_t>(c)];
      prices[static_cast<std::size_t>(c)] =
          count > 0 ? std::log2(static_cast<double>(n) / count) + weights * c / kClassesPerOctave : kNever;
      if (count > 0) lowest = std::min(lowest, c), highest = c;
      count = 0;
    }
    for (std::size_t i = 0; i < n; i++) {
      const int nearest = codes[i];
      const int first = std::max(nearest - reach, lowest), last = std::min(nearest + reach, highest);
      double best = kNever;
      int best_code = nearest;
      for (int c = first; c <= last; c++) {
        const double bits = prices[static_cast<std::size_t>(c)] + variances[i] * slopes[static_cast<std::size_t>(c)];
        best_code = bits < best ? c : best_code;
        best = bits < best ? bits : best;
      }
      codes[i] = static_cast<std::uint8_t>(best_code);
      counts[codes[i]] += 1;
    }
  }
  out.codes.resize(n);
  for (std::size_t i = 0; i < n; i++) out.codes[i] = static_cast<std::int8_t>(codes[i] - kFurthest);
  double bits = 16;
  for (const double count : counts)
    if (count > 0) bits += kNewCodeBits + count * std::log2(static_cast<double>(n) / count);
  return bits;
}

double inverse_variance(std::int8_t code) {
  static const std::array<double, 256> table = [] {
    std::array<double, 256> of{};
    for (std::size_t i = 0; i < of.size(); i++)
      of[i] = std::exp2(-2.0 * (static_cast<int>(i) - 128) / kClassesPerOctave);
    return of;
  }();
  return table[static_cast<std::size_t>(code + 128)];
}

ScaleFactor layout_of(const Box& box, int kind) {
  ScaleFactor factor;
  factor.inner = kind == 0 ? box.size[1] * box.size[2] : kind == 1 || kind == 3 ? box.size[2] : 1;
  factor.codes.assign(dimension_of(box, kind), 0);
  return factor;
}

namespace {

// Adds a matrix up, by rows and by columns.
void add_rows_and_columns(std::span<const double> matrix, std::vector<double>& rows, std::vector<double>& columns) {
  const double* at = matrix.data();
  for (double& row : rows)
    for (double& column : columns) {
      row += *at;
      column += *at++;
    }
}

}  // namespace

Energies sum_energies(std::span<const float> values, const Box& box) {
  constexpr std::uint64_t kTogether = 1024;  // squares of whole rows, which are added twice
  const auto& size = box.size;
  Energies energies;
  energies.box = box;
  for (int kind = 0; kind < kFactorKinds; kind++)
    energies.sums[static_cast<std::size_t>(kind)].resize(dimension_of(box, kind));
  auto& [firsts, seconds, thirds, pairs01, pairs12] = energies.sums;
  const std::uint64_t rows = std::clamp<std::uint64_t>(kTogether / std::max<std::uint64_t>(1, size[2]), 1, size[1]);
  std::vector<double> squares(rows * size[2]);
  const float* __restrict v = values.data();
  double* __restrict square_of = squares.data();
  double* sums = pairs01.data();
  for (std::uint64_t i = 0; i < size[0]; i++)
    for (std::uint64_t j = 0; j < size[1]; j += rows) {
      const std::uint64_t here = std::min(rows, size[1] - j), n = here * size[2];
      double* __restrict pairs = pairs12.data() + j * size[2];
      for (std::uint64_t e = 0; e < n; e++) {
        square_of[e] = square(v[e]);
        pairs[e] += square_of[e];
      }
      for (std::uint64_t r = 0; r < here; r++) {
        const double* row = square_of + r * size[2];
        *sums++ = add_up(size[2], [row](std::uint64_t k) { return row[k]; });
      }
      v += n;
    }
  add_rows_and_columns(pairs01, firsts, seconds);
  std::vector<double> again(size[1]);
  add_rows_and_columns(pairs12, again, thirds);
  for (const double first : firsts) energies.total += first;
  return energies;
}

namespace {

// A factor of regrouped energies that has its sums from one of those that they come from.
struct Kept {
  std::size_t kind, from;
};

// The energies of another box, of whose factors two are kept; the second of these is a pair whose rows and columns are the
// sums of two others.
Energies regroup(const Energies& energies, const Box& box, Kept single, Kept pair, std::size_t rows,
                 std::size_t columns) {
  Energies other{box, energies.total, {}, {}};
  for (const Kept kept : {single, pair}) {
    other.sums[kept.kind] = energies.sums[kept.from];
    other.same[kept.kind] = static_cast<int>(kept.from);
  }
  other.sums[rows].resize(box.size[rows]);
  other.sums[columns].resize(box.size[columns]);
  add_rows_and_columns(other.sums[pair.kind], other.sums[rows], other.sums[columns]);
  return other;
}

}  // namespace

Energies split_last(const Energies& energies, std::uint64_t first_part, std::uint64_t second_part) {
  const auto& size = energies.box.size;
  return regroup(energies, {{size[0] * size[1], first_part, second_part}}, {0, 3}, {4, 2}, 1, 2);
}

Energies split_first(const Energies& energies, std::uint64_t first_part, std::uint64_t second_part) {
  const auto& size = energies.box.size;
  return regroup(energies, {{first_part, second_part, size[1] * size[2]}}, {2, 4}, {3, 0}, 0, 1);
}

namespace {

double mean_energy(const Energies& energies) {
  const auto& size = energies.box.size;
  return std::max(energies.total / static_cast<double>(size[0] * size[1] * size[2]), 1e-30);
}

// A factor as its sums say it. The few squares of a scale say little: they are drawn towards the mean.
FactorState guess_of(const Energies& energies, int kind) {
  const auto& size = energies.box.size;
  const std::vector<double>& sums = energies.sums[static_cast<std::size_t>(kind)];
  const double mean = mean_energy(energies);
  const double weight = static_cast<double>(size[0] * size[1] * size[2]) / static_cast<double>(sums.size());
  FactorState factor{kind, std::vector<double>(sums.size()), weight};
  for (std::size_t i = 0; i < sums.size(); i++) factor.variance[i] = (sums[i] / mean + 0.5) / (weight + 0.5);
  return factor;
}

// Bits that a factor saves, for Gaussian weights.
double gain_of(const FactorState& factor, double mean) {
  const double noise = 1 / (3 * mean);  // a quantizer's own error, against the weights' energy
  // The logarithm of some factors' product is the sum of theirs; each is between 1e-3 and 1e9.
  constexpr std::size_t kTogether = 16;
  double logs = 0, product = 1;
  for (std::size_t i = 0; i < factor.variance.size(); i++) {
    product *= (factor.variance[i] + noise) / (1 + noise);
    if (i % kTogether != kTogether - 1) continue;
    logs += std::log2(product);
    product = 1;
  }
  return -0.5 * factor.weight * (logs + std::log2(product));
}

RoundedFactor round_factor(const FactorState& factor, const Box& box, double gain) {
  RoundedFactor rounded;
  rounded.factor = layout_of(box, factor.kind);
  rounded.side_bits = round_scales(factor.variance, factor.weight, rounded.factor);
  rounded.gain = gain;
  // How much the average weight's deviation changes when this factor's codes are taken out.
  double left = 0;
  for (std::size_t i = 0; i < factor.variance.size(); i++)
    left += factor.variance[i] * inverse_variance(rounded.factor.codes[i]);
  rounded.log_left = std::log2(std::max(left / static_cast<double>(factor.variance.size()), 1e-30));
  return rounded;
}

template <class F>
void for_kinds(FactorSet set, F f) {
  for (int kind = 0; kind < kFactorKinds; kind++)
    if ((set >> kind & 1) != 0) f(kind);
}

}  // namespace

const RoundedFactor* ScaleFactors::factor(int kind) {
  if (const auto same = energies_.same[static_cast<std::size_t>(kind)]) return others_->factor(*same);
  std::optional<RoundedFactor>& known = factors_[static_cast<std::size_t>(kind)];
  if (!known) {
    constexpr double kFewestBits = 2;  // that a scale should save, or it is not worth rounding
    const FactorState guess = guess_of(energies_, kind);
    const double gain = gain_of(guess, mean_energy(energies_));
    known.emplace();
    if (gain > kFewestBits * static_cast<double>(guess.variance.size()))
      known = round_factor(guess, energies_.box, gain);
  }
  return known->factor.codes.empty() ? nullptr : &*known;
}

std::optional<double> ScaleFactors::saving(FactorSet set) {
  double bits = 0;
  bool pays = true;
  for_kinds(set, [&](int kind) {
    const RoundedFactor* rounded = pays ? factor(kind) : nullptr;
    pays = rounded != nullptr;
    if (pays) bits += rounded->gain - rounded->side_bits;
  });
  return pays ? std::optional(bits) : std::nullopt;
}

double ScaleFactors::base(FactorSet set) {
  double base = 0.5 * std::log2(mean_energy(energies_));
  for_kinds(set, [&](int kind) { base += 0.5 * factor(kind)->log_left; });
  return base;
}

double ScaleFactors::side_bits(FactorSet set) {
  double bits = 0;
  for_kinds(set, [&](int kind) { bits += factor(kind)->side_bits; });
  return bits;
}

namespace {

// Adds a factor's codes to the sums of the elements from `begin` on.
template <class Sum>
void add_codes(const ScaleFactor& factor, std::uint64_t begin, std::span<Sum> sums) {
  std::uint64_t within = begin % factor.inner, index = begin / factor.inner % factor.codes.size();
  for (std::size_t i = 0; i < sums.size();) {
    if (factor.inner == 1) {
      const std::size_t length = std::min(sums.size() - i, factor.codes.size() - static_cast<std::size_t>(index));
      for (std::size_t e = 0; e < length; e++) sums[i + e] = static_cast<Sum>(sums[i + e] + factor.codes[index + e]);
      i += length;
      index = 0;
      continue;
    }
    const auto run = static_cast<std::size_t>(std::min<std::uint64_t>(factor.inner - within, sums.size() - i));
    const std::int8_t code = factor.codes[index];
    for (std::size_t e = i; e < i + run; e++) sums[e] = static_cast<Sum>(sums[e] + code);
    i += run;
    within = 0;
    if (++index == factor.codes.size()) index = 0;
  }
}

}  // namespace

CodeRange code_range(const ScaleFactor& factor) noexcept {
  const auto [low, high] = std::minmax_element(factor.codes.begin(), factor.codes.end());
  return {*low, *high};
}

CodeRange sum_range(std::span<const ScaleFactor> factors) noexcept {
  CodeRange sum;
  for (const ScaleFactor& factor : factors) {
    const CodeRange range = code_range(factor);
    sum = {sum.lowest + range.lowest, sum.highest + range.highest};
  }
  return sum;
}

ClassRange class_range(const Scales& scales) noexcept {
  const auto class_of = [&](int sum) { return std::clamp(scales.base_class + sum, 0, core::kScaleClasses - 1); };
  const CodeRange sums = sum_range(scales.factors);
  return {class_of(sums.lowest), class_of(sums.highest)};
}

ClassRange table_range(const TrellisStream& stream) noexcept { return moved_range(stream, class_range(stream)); }

ClassRange moved_range(const TrellisStream& stream, ClassRange range) noexcept {
  if (!stream.predicts) return range;
  const auto [down, up] = std::minmax_element(stream.shifts.begin(), stream.shifts.end());
  range.lowest = std::clamp(range.lowest + *down, 0, core::kScaleClasses - 1);
  range.highest = std::clamp(range.highest + *up, 0, core::kScaleClasses - 1);
  return range;
}

void factor_codes(const ScaleFactor& factor, std::uint64_t begin, std::span<std::int8_t> codes) {
  std::fill(codes.begin(), codes.end(), std::int8_t{0});
  add_codes(factor, begin, codes);
}

void scale_classes(const Scales& scales, std::uint64_t begin, std::span<std::uint8_t> classes) {
  std::array<std::int16_t, 2048> buffer;
  while (!classes.empty()) {
    const std::span sums(buffer.data(), std::min(buffer.size(), classes.size()));
    std::fill(sums.begin(), sums.end(), scales.base_class);
    for (const ScaleFactor& factor : scales.factors) add_codes(factor, begin, sums);
    for (std::size_t i = 0; i < sums.size(); i++)
      classes[i] = static_cast<std::uint8_t>(std::clamp<int>(sums[i], 0, core::kScaleClasses - 1));
    begin += sums.size();
    classes = classes.subspan(sums.size());
  }
}

}  // namespace weft::trellis
