#include "trellis/price.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "trellis/scales.hpp"
#include "trellis/shape.hpp"
#include "weft/core/trellis.hpp"

namespace weft::trellis {
namespace {

constexpr float kFarBits = 34;

// Code lengths under a typical shape, in bits.
class Prices {
 public:
  static constexpr std::size_t kShifts = 2 * core::kMaxShift + 1;

  explicit Prices(const Shape& shape)
      : table_(std::size_t{kRows} * 256), by_class_(std::size_t{core::kClassTables} * 256 * kShiftedClasses) {
    const MassCurve curve(shape);
    for (int row = 0; row < kRows; row++) {
      if (row % core::kClassTables == core::kOddZeroTable) continue;  // a scalar quantizer has no use for it
      curve.code_lengths(row, kFarBits, table_.data() + 256 * static_cast<std::size_t>(row));
    }
    for (std::size_t i = 0; i < by_class_.size(); i++) {
      const int shifted = static_cast<int>(i % kShiftedClasses) - core::kMaxShift;
      const auto c = static_cast<std::size_t>(std::clamp(shifted, 0, core::kScaleClasses - 1));
      by_class_[i] = table_[c * core::kClassTables * 256 + i / kShiftedClasses];
    }
  }
  // Price of an index at this distance from the predicted one, at most 127.
  float operator()(int scale_class, int table, int distance) const {
    const int entry = (scale_class * core::kClassTables + table) * 256 + core::kIndexZero + distance;
    return table_[static_cast<std::size_t>(entry)];
  }
  // The same in each of the kShifts classes that this one may be moved to, from the lowest on.
  const float* around(int scale_class, int table, int distance) const {
    const int entry = table * 256 + core::kIndexZero + distance;
    return by_class_.data() + static_cast<std::size_t>(entry) * kShiftedClasses + static_cast<std::size_t>(scale_class);
  }

 private:
  static constexpr std::size_t kShiftedClasses = core::kScaleClasses + 2 * core::kMaxShift;

  std::vector<float> table_, by_class_;
};

using AllPrices = std::array<Prices, 4>;

const AllPrices& all_prices() {
  static const AllPrices prices{Prices(typical_shapes()[0]), Prices(typical_shapes()[1]), Prices(typical_shapes()[2]),
                                Prices(typical_shapes()[3])};
  return prices;
}

// To the nearest integer, of values below 2^22; lrint is a call.
int rounded(float value) {
  constexpr float kShift = 12582912;  // 1.5 * 2^23: the integer ends up in the lowest bits
  return std::bit_cast<std::int32_t>(value + kShift) - std::bit_cast<std::int32_t>(kShift);
}

double deviation(int scale_class) { return std::exp2(scale_class / 3.0) / 16; }

// Calls f(run's values, their classes) for all runs of a sample.
template <class F>
void for_runs(const Sample& sample, const TrellisStream& stream, F f) {
  std::vector<std::uint8_t> classes(sample.run);
  for (std::size_t i = 0; i < sample.begins.size(); i++) {
    const std::span<const float> values = sample.run_of(i);
    scale_classes(stream, sample.begins[i], std::span(classes).first(values.size()));
    f(values, classes.data());
  }
}

// Calls f(first of a run, class, phase of the mean, distance, error in quarter steps) as a scalar quantizer would code.
template <class F>
void for_symbols(const Sample& sample, const TrellisStream& stream, F f) {
  constexpr core::RatioTable kRatio = core::make_ratios();
  const bool has_taps = stream.taps[0] != 0 || stream.taps[1] != 0 || stream.taps[2] != 0;
  std::array<std::array<float, core::kRatios>, core::kMaxTaps> products{};
  for (std::size_t p = 0; p < products.size(); p++)
    for (std::size_t i = 0; i < products[p].size(); i++)
      products[p][i] = static_cast<float>(stream.taps[p] * kRatio.value[i]);
  for_runs(sample, stream, [&](std::span<const float> values, const std::uint8_t* classes) {
    for (std::size_t i = 0; i < values.size(); i++) {
      const int c = classes[i];
      int mean = 0;
      if (has_taps) {
        float sum = 0;
        for (std::size_t p = 0; p < core::kMaxTaps && p < i; p++) {
          const int delta = std::clamp(c - classes[i - 1 - p], -core::kRatioReach, core::kRatioReach);
          const auto ratio = static_cast<std::uint32_t>(delta + core::kRatioReach);
          sum += products[p][ratio] * values[i - 1 - p];
        }
        mean = rounded(std::clamp(sum / 1024.0f, -224.0f, 224.0f));
      }
      const int centre = (mean + 4) >> 3, phase = mean - 8 * centre;
      const int index = rounded(std::clamp(values[i], -150.0f, 150.0f) / 2);
      const int distance = index - centre;  // at most 75 + 28
      f(i == 0, c, std::abs(phase), phase < 0 ? -distance : distance, std::abs(8 * index - mean));
    }
  });
}

}  // namespace

double price(const Sample& sample, const TrellisStream& stream) {
  const Prices& prices = all_prices()[stream.shape];
  std::array<float, 4> sums{};  // of a run; one sum would have to wait for itself
  double bits = 0;
  std::size_t k = 0;
  for_symbols(sample, stream, [&](bool first, int c, int phase, int distance, int) {
    if (first) {
      for (float& sum : sums) bits += static_cast<double>(std::exchange(sum, 0.0f));
    }
    sums[k++ % sums.size()] += prices(c, phase, distance);
  });
  for (const float sum : sums) bits += static_cast<double>(sum);
  return bits * sample.weight();
}

void choose_shape(const Sample& sample, TrellisStream& stream) {
  const AllPrices& prices = all_prices();
  std::array<double, std::tuple_size_v<AllPrices>> bits{};
  for_symbols(sample, stream, [&](bool, int c, int phase, int distance, int) {
    for (std::size_t s = 0; s < bits.size(); s++) bits[s] += static_cast<double>(prices[s](c, phase, distance));
  });
  stream.shape = static_cast<std::uint32_t>(std::min_element(bits.begin(), bits.end()) - bits.begin());
}

double fit_taps(const Sample& sample, TrellisStream& stream) {
  constexpr int kTaps = core::kMaxTaps;
  constexpr float kMostDeviations = 64;  // one huge weight says nothing about its neighbours
  std::array<double, kTaps + 1> correlation{};
  std::vector<float> u(sample.run);
  std::array<float, core::kScaleClasses> inverse{};
  for (int c = 0; c < core::kScaleClasses; c++)
    inverse[static_cast<std::size_t>(c)] = static_cast<float>(1 / deviation(c));
  for_runs(sample, stream, [&](std::span<const float> values, const std::uint8_t* classes) {
    for (std::size_t i = 0; i < values.size(); i++)
      u[i] = std::clamp(values[i] * inverse[classes[i]], -kMostDeviations, kMostDeviations);
    for (std::size_t lag = 0; lag <= kTaps; lag++) {
      std::array<float, 8> sums{};
      for (std::size_t i = kTaps; i < values.size(); i++) sums[i % sums.size()] += u[i] * u[i - lag];
      for (const float sum : sums) correlation[lag] += static_cast<double>(sum);
    }
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

double fit_shifts(const Sample& sample, TrellisStream& stream) {
  constexpr std::size_t kShifts = Prices::kShifts;
  std::array<std::array<double, kShifts>, core::kEnergyBins> bits{};
  const Prices& prices = all_prices()[stream.shape];
  std::uint32_t energy = core::kFirstEnergy;
  const auto add = [&](bool first, int c, int phase, int distance, int error) {
    if (first) energy = core::kFirstEnergy;
    const auto bin = static_cast<std::size_t>(core::energy_bin(std::min(energy >> 5, core::kEnergyEntries - 1)));
    const float* moved = prices.around(c, phase, distance);
    for (std::size_t s = 0; s < kShifts; s++) bits[bin][s] += static_cast<double>(moved[s]);
    const auto scaled = static_cast<std::uint32_t>(error) * core::kErrorScale[c] >> 8;
    energy += std::min(scaled, core::kLargestError) - (energy >> core::kEnergyDecay);
  };
  for_symbols(sample, stream, add);
  // Bins with little in them keep to what is usual, which is also the cheapest to store.
  constexpr std::array<int, core::kEnergyBins> kUsual{-2, -1, -1, -1, -1, 0, 0, 1, 1, 2, 2, 2};
  constexpr double kUnusualBits = 3;  // of the tensor's
  double saved = 0;
  for (std::size_t bin = 0; bin < bits.size(); bin++) {
    const double unmoved = bits[bin][core::kMaxShift];
    for (std::size_t s = 0; s < kShifts; s++)
      bits[bin][s] += kUnusualBits / sample.weight() * std::abs(static_cast<int>(s) - core::kMaxShift - kUsual[bin]);
    const auto best = std::min_element(bits[bin].begin(), bits[bin].end());
    stream.shifts[bin] = static_cast<std::int8_t>(best - bits[bin].begin() - core::kMaxShift);
    saved += unmoved - *best;
  }
  constexpr double kChance = 10;  // what fitting to noise saves
  return (saved - kChance) * sample.weight();
}

}  // namespace weft::trellis
