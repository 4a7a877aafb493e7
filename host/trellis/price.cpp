#include "trellis/price.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "weft/core/trellis.hpp"

namespace weft::trellis {
namespace {

constexpr float kLargestValue = 150;   // in steps: what lies further is stored apart
constexpr float kMostDeviations = 64;  // one huge weight says nothing about its neighbours

// To the nearest integer, of values below 2^22; lrint is a call.
std::int32_t rounded(float value) {
  constexpr float kShift = 12582912;  // 1.5 * 2^23: the integer ends up in the lowest bits
  return std::bit_cast<std::int32_t>(value + kShift) - std::bit_cast<std::int32_t>(kShift);
}

float limited(float value, float limit) {
  value = value < limit ? value : limit;
  return -limit < value ? value : -limit;
}

// Compilers make vectors of two of what is written as four.
using FourFloats = float __attribute__((vector_size(16)));
static_assert(PriceBook::kShapes == 4 && PriceBook::kAround % 4 == 0);
FourFloats load_four(const float* p) {
  FourFloats four;
  std::memcpy(&four, p, sizeof four);
  return four;
}

constexpr std::size_t kTaps = core::kMaxTaps;

constexpr int kClassEntries = PriceBook::kClassEntries;
static_assert(kClassEntries * core::kScaleClasses <= 1 << 16);

std::size_t bin_of(std::uint32_t energy) {
  static constexpr auto kBins = [] {
    std::array<std::uint8_t, core::kEnergyEntries> bins{};
    for (std::uint32_t e = 0; e < bins.size(); e++) bins[e] = static_cast<std::uint8_t>(core::energy_bin(e));
    return bins;
  }();
  return kBins[std::min(energy >> 5, core::kEnergyEntries - 1)];
}

// Of a class, in steps: its deviation, the inverse of that, and what a level is multiplied by to predict others.
struct ClassDeviation {
  float deviation, inverse, error_scale;
};
using Deviations = std::array<ClassDeviation, core::kScaleClasses>;
const Deviations& deviations() {
  static const Deviations table = [] {
    Deviations d{};
    for (std::size_t c = 0; c < d.size(); c++) {
      const double deviation = std::exp2(static_cast<double>(c) / 3) / 16;
      d[c] = {static_cast<float>(deviation), static_cast<float>(1 / deviation),
              2.0f * static_cast<float>(core::kErrorScale[c]) / 4096};
    }
    return d;
  }();
  return table;
}

}  // namespace

void Pricing::take(std::span<const float> values, const std::array<std::uint64_t, 3>& view, std::size_t wanted,
                   PricingWork& work) {
  work_ = &work;
  take_sample(values, view, {kRow - kBefore, kBefore}, wanted, sample_);
  last_ = sample_.run_of(rows() - 1).size();
  weight_ = sample_.weight();
  const std::size_t n = rows() * kRow;
  sample_.values.resize(n);
  indices_.resize(n);
  float* __restrict v = sample_.values.data();
  std::int16_t* __restrict index = indices_.data();
  for (std::size_t i = 0; i < n; i++) v[i] = limited(v[i], kLargestValue);
  for (std::size_t i = 0; i < n; i++) index[i] = static_cast<std::int16_t>(rounded(v[i] * 0.5f));
  if (work.classes.size() >= n) return;
  work.classes.resize(n);
  work.targets.resize(n);
  work.normal.resize(kBefore + n);  // after zeros
  work.deviations.resize(n);
  work.means.resize(n);
  work.entries.resize(n);
}

void Pricing::sample(const ScaleFactor& factor, SampledCodes& codes) const {
  codes.assign(sample_.values.size(), 0);
  for (std::size_t r = 0; r < rows(); r++) {
    // Of a tensor's first row, nothing is before.
    const std::size_t before = std::min<std::uint64_t>(kBefore, sample_.begins[r]);
    const std::size_t count = before + length_of(r);
    factor_codes(factor, sample_.begins[r] - before, std::span(codes).subspan(r * kRow + kBefore - before, count));
  }
}

namespace {

// In 16 bits, which vectorise.
template <class... Codes>
void add_up_classes(int base, std::span<std::uint8_t> classes, const Codes*... codes) {
  std::uint8_t* __restrict to = classes.data();
  const auto first = static_cast<std::int16_t>(base);
  for (std::size_t i = 0; i < classes.size(); i++) {
    std::int16_t sum = first;
    ((sum = static_cast<std::int16_t>(sum + codes[i])), ...);
    sum = sum < 0 ? std::int16_t{0} : sum;
    to[i] = static_cast<std::uint8_t>(sum < core::kScaleClasses - 1 ? sum : core::kScaleClasses - 1);
  }
}

}  // namespace

void Pricing::set_classes(int base, std::span<const SampledCodes* const> factors) {
  const std::span classes = std::span(work_->classes).first(sample_.values.size());
  const std::size_t n = factors.size();
  if (n == 0) {
    add_up_classes(base, classes);
  } else if (n == 1) {
    add_up_classes(base, classes, factors[0]->data());
  } else if (n == 2) {
    add_up_classes(base, classes, factors[0]->data(), factors[1]->data());
  } else if (n == 3) {
    add_up_classes(base, classes, factors[0]->data(), factors[1]->data(), factors[2]->data());
  } else {
    add_up_classes(base, classes, factors[0]->data(), factors[1]->data(), factors[2]->data(), factors[3]->data());
  }
}

void Pricing::normalise() {
  constexpr float kMost = static_cast<float>(core::kMaxNormal) / (1 << core::kNormalBits);
  const Deviations& table = deviations();
  const std::uint8_t* classes = work_->classes.data();
  float* __restrict u = work_->normal.data() + kBefore;
  float* __restrict y = work_->targets.data();
  float* __restrict deviation = work_->deviations.data();
  const float* v = sample_.values.data();
  const std::int16_t* indices = indices_.data();
  const std::size_t n = sample_.values.size();
  for (std::size_t i = 0; i < n; i++) {
    const ClassDeviation& of = table[classes[i]];
    y[i] = limited(v[i] * of.inverse, kMostDeviations);
    u[i] = limited(static_cast<float>(indices[i]) * of.error_scale, kMost);
    deviation[i] = of.deviation;
  }
}

namespace {

// Binary logarithm of what taps are multiples of, in 1/32: a bit less of each is worth more than what it predicts where few
// weights share them.
int tap_shift(double weights) {
  constexpr double kWorthABit = 1400;
  return weights < kWorthABit ? 2 : weights < 4 * kWorthABit ? 1 : 0;
}

// The first `order` taps (Cholesky), multiples of 2^shift, and what of the weights' own squares they leave.
double solve(const Moments& m, std::size_t order, int shift, std::array<std::int8_t, kTaps>& taps) {
  constexpr double kRidge = 4;  // squares of neighbours that say nothing: few weights shall not say much
  std::array<std::array<double, kTaps>, kTaps> l{};
  std::array<double, kTaps> a{};
  for (std::size_t i = 0; i < order; i++) {
    for (std::size_t k = 0; k <= i; k++) {
      double sum = m.among(i, k) + (i == k ? kRidge : 0);
      for (std::size_t p = 0; p < k; p++) sum -= l[i][p] * l[k][p];
      l[i][k] = i == k ? std::sqrt(std::max(sum, 1e-6)) : sum / l[k][k];
    }
    a[i] = m.cross(i);
    for (std::size_t p = 0; p < i; p++) a[i] -= l[i][p] * a[p];
    a[i] /= l[i][i];
  }
  for (std::size_t i = order; i-- > 0;) {
    for (std::size_t p = i + 1; p < order; p++) a[i] -= l[p][i] * a[p];
    a[i] /= l[i][i];
  }
  double left = m.own();
  for (std::size_t i = 0; i < order; i++) {
    const long tap = std::lrint(std::ldexp(a[i], core::kTapBits - shift)) * (1 << shift);
    taps[i] = static_cast<std::int8_t>(std::clamp<long>(tap, -124, 124));
    a[i] = static_cast<double>(taps[i]) / (1 << core::kTapBits);
    left -= 2 * a[i] * m.cross(i);
    for (std::size_t k = 0; k < i; k++) left += 2 * a[i] * a[k] * m.among(i, k);
    left += a[i] * a[i] * m.among(i, i);
  }
  return std::max(left, 1e-6 * m.own());
}

}  // namespace

// Their moments, by the place in a period.
std::vector<Moments> Pricing::moments(std::uint32_t period) const {
  constexpr std::size_t kProducts = Moments::kProducts, kSums = 1 + kProducts, kPart = 4;
  static_assert((kRow - kBefore) % kPart == 0);
  // A row's weights go on from the place of its first one.
  const std::size_t places = (period + kRow) / kPart * kPart;
  std::vector<float>& memory = work_->moments;
  memory.assign(kSums * places, 0);
  const float *u = work_->normal.data() + kBefore, *y = work_->targets.data();
  for (std::size_t r = 0; r < rows(); r++) {
    const std::size_t first = r * kRow + kBefore, n = length_of(r);
    float* sums = memory.data() + sample_.begins[r] % period;
    const auto add = [&](std::size_t i, const auto& load, const auto& store) {
      using Floats = decltype(load(y));
      const Floats own = load(y + first + i);
      Floats before[kTaps];
      for (std::size_t tap = 0; tap < kTaps; tap++) before[tap] = load(u + first + i - tap - 1);
      float* to = sums + i;
      const auto put = [&](const auto& value) {
        store(to, value);
        to += places;
      };
      put(Floats{} + 1);  // the count
      put(own * own);
      for (std::size_t tap = 0; tap < kTaps; tap++) put(own * before[tap]);
      for (std::size_t tap = 0; tap < kTaps; tap++)
        for (std::size_t other = 0; other <= tap; other++) put(before[tap] * before[other]);
    };
    std::size_t i = 0;
    for (; i + kPart <= n; i += kPart)
      add(i, load_four, [](float* to, FourFloats value) {
        value += load_four(to);
        std::memcpy(to, &value, sizeof value);
      });
    for (; i < n; i++)
      add(
          i, [](const float* p) { return *p; }, [](float* to, float value) { *to += value; });
  }
  std::vector<Moments> of(period);
  std::size_t place = 0;
  for (std::size_t i = 0; i < places; i++) {
    of[place].count += static_cast<double>(memory[i]);
    for (std::size_t k = 0; k < kProducts; k++) of[place].sums[k] += static_cast<double>(memory[(1 + k) * places + i]);
    place = place + 1 == period ? 0 : place + 1;
  }
  return of;
}

TapFit Pricing::fit_taps(std::uint32_t period) {
  // What is stored: of all, of a tap, of a place's class.
  constexpr double kFitBits = 8, kTapBits = 5, kClassBits = 3;
  constexpr double kChance = 1.1;  // bits of each weight that is not in the sample, by a tap over the sample's weights
  normalise();
  const std::vector<Moments> of = moments(period);
  Moments all;
  for (const Moments& m : of) all.add(m);
  TapFit fit;
  if (!(all.own() > 0)) return fit;
  const double weights = weight_ * all.count, unseen = weights / all.count - 1;
  // The same taps for all.
  fit.taps.resize(1);
  const int shift_of_all = tap_shift(weights);
  fit.log2_left = 0.5 * std::log2(solve(all, kTaps, shift_of_all, fit.taps[0]) / all.own());
  fit.side_bits = kFitBits + (kTapBits - shift_of_all) * kTaps;
  fit.chance_bits = kChance * kTaps * unseen;
  fit.saved_bits = -fit.log2_left * weights - fit.side_bits - fit.chance_bits;
  if (period > 1) {
    TapFit apart;
    apart.taps.resize(period);
    std::vector<double> left(period);
    double count = 0;
    const int shift = tap_shift(weights / period);
    for (std::size_t place = 0; place < period; place++) {
      const std::size_t order = std::min(place, kTaps);
      count += static_cast<double>(order);
      if (!(of[place].own() > 0)) continue;
      left[place] =
          std::log2(solve(of[place], order, shift, apart.taps[place]) / of[place].count * (all.count / all.own()));
      apart.log2_left += 0.5 * left[place] * of[place].count / all.count;
    }
    apart.side_bits = kFitBits + (kTapBits - shift) * count + kClassBits * period;
    apart.chance_bits = kChance * (count + period) * unseen;
    apart.saved_bits = -apart.log2_left * weights - apart.side_bits - apart.chance_bits;
    if (apart.saved_bits > fit.saved_bits) {
      fit = std::move(apart);
      for (const double l : left)
        fit.classes.push_back(
            static_cast<std::int8_t>(std::clamp<long>(std::lrint(1.5 * l - 3 * fit.log2_left), -30, 30)));
      if (std::all_of(fit.classes.begin(), fit.classes.end(), [](std::int8_t c) { return c == 0; }))
        fit.classes.clear();
    }
  }
  const auto is_none = [](const auto& taps) { return taps == std::array<std::int8_t, kTaps>{}; };
  if (std::all_of(fit.taps.begin(), fit.taps.end(), is_none)) return {};
  return fit;
}

void Pricing::quantize() {
  work_->predicts = false;
  const std::int16_t* indices = indices_.data();
  const std::uint8_t* classes = work_->classes.data();
  std::uint16_t* __restrict entries = work_->entries.data();
  const std::size_t n = indices_.size();
  for (std::size_t i = 0; i < n; i++)
    entries[i] = static_cast<std::uint16_t>(indices[i] + core::kIndexZero + classes[i] * kClassEntries);
}

void Pricing::quantize(const Taps& taps) {
  work_->predicts = true;
  const std::size_t period = taps.size(), places = period + kRow, n = indices_.size();
  std::vector<float>& tap_of_place = work_->tap_of_place;
  tap_of_place.resize(kTaps * places);
  // Taps are in 1/32, means in quarter steps.
  for (std::size_t tap = 0; tap < kTaps; tap++)
    for (std::size_t i = 0, place = 0; i < places; i++, place = place + 1 == period ? 0 : place + 1)
      tap_of_place[tap * places + i] = static_cast<float>(taps[place][tap]) / 8;
  std::int16_t* __restrict means = work_->means.data();
  std::fill_n(means, n, std::int16_t{0});
  for (std::size_t r = 0; r < rows(); r++) {
    const std::size_t first = r * kRow + kBefore, length = length_of(r);
    const float* a = tap_of_place.data() + sample_.begins[r] % period;
    const float* u = work_->normal.data() + kBefore + first;
    const float* deviation = work_->deviations.data() + first;
    for (std::size_t i = 0; i < length; i++) {
      const float* left = u + i;
      const float sum =
          a[i] * left[-1] + a[places + i] * left[-2] + a[2 * places + i] * left[-3] + a[3 * places + i] * left[-4];
      std::int32_t mean = rounded(sum * deviation[i]);  // below 2^22
      mean = mean < core::kMaxMean ? mean : core::kMaxMean;
      means[first + i] = static_cast<std::int16_t>(-core::kMaxMean < mean ? mean : -core::kMaxMean);
    }
  }
  const std::int16_t* indices = indices_.data();
  const std::uint8_t* classes = work_->classes.data();
  std::uint16_t* __restrict entries = work_->entries.data();
  for (std::size_t i = 0; i < n; i++) {  // all of it in 16 bits, which vectorise
    const std::int16_t mean = means[i];
    const auto centre = static_cast<std::int16_t>(static_cast<std::int16_t>(mean + 4) >> 3);
    const auto phase = static_cast<std::int16_t>(mean - 8 * centre);
    const auto flip = static_cast<std::int16_t>(phase >> 15);
    const auto distance = static_cast<std::int16_t>(indices[i] - centre);  // at most 75 + 28
    const auto table = static_cast<std::int16_t>((phase ^ flip) - flip);
    const auto symbol = static_cast<std::int16_t>((distance ^ flip) - flip + core::kIndexZero);
    entries[i] = static_cast<std::uint16_t>(table * 256 + symbol + classes[i] * kClassEntries);
  }
}

ClassRange Pricing::range_of_classes() const {
  std::uint8_t low = 255, high = 0;
  for (const std::uint8_t c : std::span(work_->classes).first(sample_.values.size())) {
    low = c < low ? c : low;
    high = c > high ? c : high;
  }
  return {low, high};
}

ClassRange Pricing::moved_classes() const {
  const ClassRange range = range_of_classes();
  return {std::max(range.lowest - core::kMaxShift, 0),
          std::min(range.highest + core::kMaxShift, core::kScaleClasses - 1)};
}

ShapeBits Pricing::bits() const {
  const PriceBook& book = PriceBook::with(range_of_classes());
  const std::uint16_t* entries = work_->entries.data();
  ShapeBits bits{};
  for (std::size_t r = 0; r < rows(); r++) {
    FourFloats even{}, odd{};  // one sum would have to wait for itself
    std::size_t i = r * kRow + kBefore;
    const std::size_t end = i + length_of(r);
    for (; i + 2 <= end; i += 2) {
      even += load_four(book.of(entries[i]));
      odd += load_four(book.of(entries[i + 1]));
    }
    if (i < end) even += load_four(book.of(entries[i]));
    even += odd;
    for (std::size_t s = 0; s < bits.size(); s++) bits[s] += static_cast<double>(even[s]);
  }
  for (double& b : bits) b *= weight_;
  return bits;
}

void Pricing::pass(std::uint32_t& energy, std::size_t i) const {
  const int mean = work_->predicts ? work_->means[i] : 0;
  const auto error = static_cast<std::uint32_t>(std::abs(8 * indices_[i] - mean));
  energy +=
      std::min(error * core::kErrorScale[work_->classes[i]] >> 8, core::kLargestError) - (energy >> core::kEnergyDecay);
}

Histogram Pricing::count(const std::array<std::int8_t, core::kEnergyBins>& shifts) const {
  const bool moves = std::any_of(shifts.begin(), shifts.end(), [](std::int8_t shift) { return shift != 0; });
  const ClassRange range = moves ? moved_classes() : range_of_classes();
  const std::size_t begin = static_cast<std::size_t>(range.lowest) * kClassEntries,
                    end = static_cast<std::size_t>(range.highest + 1) * kClassEntries;
  work_->counts.resize(std::size_t{kRows} * 256);
  std::uint32_t* counts = work_->counts.data();
  const std::uint16_t* entries = work_->entries.data();
  for (std::size_t r = 0; r < rows(); r++) {
    const std::size_t first = r * kRow + kBefore, last = first + length_of(r);
    if (!moves) {
      for (std::size_t i = first; i < last; i++) counts[entries[i]]++;
      continue;
    }
    const std::size_t settled = first + settling();
    std::uint32_t energy = core::kFirstEnergy;
    for (std::size_t i = first; i < last; i++) {
      const int from = work_->classes[i], to = std::clamp(from + shifts[bin_of(energy)], 0, core::kScaleClasses - 1);
      pass(energy, i);
      if (i >= settled) counts[entries[i] + (to - from) * kClassEntries]++;
    }
  }
  Histogram histogram;
  std::uint64_t counted = 0;
  for (std::size_t e = begin; e < end; e++) {
    if (counts[e] == 0) continue;
    histogram.entries.push_back({static_cast<std::uint32_t>(e), std::exchange(counts[e], 0)});
    counted += histogram.entries.back().count;
  }
  histogram.weight = static_cast<double>(sample_.of) / static_cast<double>(std::max<std::uint64_t>(1, counted));
  return histogram;
}

double Pricing::fit_shifts(std::uint32_t shape, std::array<std::int8_t, core::kEnergyBins>& shifts) const {
  constexpr std::size_t kShifts = PriceBook::kAround;
  const PriceBook& book = PriceBook::with(moved_classes());
  const std::uint8_t* classes = work_->classes.data();
  const std::uint16_t* entries = work_->entries.data();
  // Two rows at a time, for each weight has to wait for the one before.
  struct Chain {
    std::uint32_t energy = 0;
    std::array<std::array<FourFloats, PriceBook::kAround / 4>, core::kEnergyBins> sums{};
  };
  std::array<Chain, 2> chains;
  const auto count = [&](Chain& chain, std::size_t i) {
    const int symbol = entries[i] - classes[i] * kClassEntries;
    const float* moved = book.around(shape, static_cast<std::size_t>(symbol) >> 8, symbol & 255, classes[i]);
    auto& sum = chain.sums[bin_of(chain.energy)];
    for (std::size_t s = 0; s < sum.size(); s++) sum[s] += load_four(moved + 4 * s);
  };
  const std::size_t settling = this->settling();
  std::size_t counted = 0, all = 0;
  const auto count_rows = [&](std::size_t r) {
    const std::size_t first = r * kRow + kBefore, second = first + kRow;
    const std::size_t n = length_of(r), m = r + 1 < rows() ? length_of(r + 1) : 0;
    for (Chain& chain : chains) chain.energy = core::kFirstEnergy;
    for (std::size_t t = 0; t < std::min(settling, n); t++) pass(chains[0].energy, first + t);
    for (std::size_t t = 0; t < std::min(settling, m); t++) pass(chains[1].energy, second + t);
    for (std::size_t t = settling; t < m; t++) {
      count(chains[0], first + t);
      count(chains[1], second + t);
      pass(chains[0].energy, first + t);
      pass(chains[1].energy, second + t);
    }
    for (std::size_t t = std::max(settling, m); t < n; t++) {
      count(chains[0], first + t);
      pass(chains[0].energy, first + t);
    }
    all += n + m;
    counted += std::max(n, settling) - settling + std::max(m, settling) - settling;
  };
  // Bins with little in them keep to what is usual, which is also the cheapest to store.
  constexpr double kUnusualBits = 3;  // of the tensor's
  // What fitting to noise saves: of these weights, and of others, which it does not save.
  constexpr double kChance = 10, kElsewhere = 0.01;
  const auto best_shifts = [&](double chance) {
    const double weight = weight_ * static_cast<double>(all) / static_cast<double>(std::max<std::size_t>(1, counted));
    // What counts is what is saved over another base class: moving all weights alike is not worth a model.
    std::array<double, kShifts> alike{};
    double moved = 0;
    for (std::size_t bin = 0; bin < core::kEnergyBins; bin++) {
      std::array<double, kShifts> bits{};
      for (std::size_t s = 0; s < kShifts; s++) {
        const FourFloats sum = chains[0].sums[bin][s / 4] + chains[1].sums[bin][s / 4];
        const auto here = static_cast<double>(sum[s % 4]);
        alike[s] += here;
        bits[s] =
            here + kUnusualBits / weight * std::abs(static_cast<int>(s) - core::kMaxShift - core::kUsualShifts[bin]);
      }
      const auto best = std::min_element(bits.begin(), bits.end());
      shifts[bin] = static_cast<std::int8_t>(best - bits.begin() - core::kMaxShift);
      moved += *best;
    }
    const double saved = *std::min_element(alike.begin(), alike.end()) - moved;
    return (saved - chance - kElsewhere * static_cast<double>(counted) * (1 - 1 / weight)) * weight;
  };
  // Most tensors have no local energy to speak of, which every fourth pair of rows says.
  constexpr std::size_t kApart = 8, kFewestRows = 64;
  for (std::size_t r = 0; r < rows(); r += kApart) count_rows(r);
  if (rows() >= kFewestRows && best_shifts(0) < 0) {
    shifts = {};
    return 0;
  }
  for (std::size_t r = 2; r < rows(); r += r % kApart == kApart - 2 ? 4 : 2) count_rows(r);
  return best_shifts(kChance);
}

}  // namespace weft::trellis
