// What a model would cost, and its parameters, from a sample that a scalar quantizer codes: close to the trellis's own
// cost as far as one model is compared with another, and many times cheaper than a search.
//
// * A sample is rows of consecutive weights in the order of a view, each with a few that come before it, so that prediction
//   is not without neighbours where a row begins.
// * Every model is priced under all typical shapes at once.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "trellis/bank.hpp"
#include "trellis/price_book.hpp"
#include "trellis/sample.hpp"
#include "weft/archive.hpp"

namespace weft::trellis {

using ShapeBits = std::array<double, PriceBook::kShapes>;

// A factor's codes for each weight of a sample.
using SampledCodes = std::vector<std::int8_t>;

using Taps = std::vector<std::array<std::int8_t, core::kMaxTaps>>;

// What neighbours say of a weight.
struct TapFit {
  Taps taps;  // none: nothing
  std::vector<std::int8_t>
      classes;             // by the place in the period, how many classes the rest is wider there; none: alike
  double log2_left = 0;    // of the deviation that is left over the one before, on average
  double side_bits = 0;    // that taps and classes take
  double chance_bits = 0;  // that taps save of the sample and not of the tensor
  double saved_bits = 0;   // of the whole tensor, less both
};

// Sums of the products of two of a weight and those before it: its own square, it with others, and others with each other.
struct Moments {
  static constexpr std::size_t kTaps = core::kMaxTaps, kProducts = 1 + kTaps + kTaps * (kTaps + 1) / 2;
  double count = 0;
  std::array<double, kProducts> sums{};
  [[nodiscard]] double own() const { return sums[0]; }
  [[nodiscard]] double cross(std::size_t tap) const { return sums[1 + tap]; }
  // Of taps a and b <= a.
  [[nodiscard]] double among(std::size_t a, std::size_t b) const { return sums[1 + kTaps + a * (a + 1) / 2 + b]; }
  void add(const Moments& other) {
    count += other.count;
    for (std::size_t k = 0; k < kProducts; k++) sums[k] += other.sums[k];
  }
};

// Memory for whichever sample had its classes set last.
struct PricingWork {
  std::vector<std::uint8_t> classes;
  std::vector<float> deviations;       // of the weights' classes, in steps
  std::vector<float> targets;          // weights over their deviations
  std::vector<float> normal;           // what their levels leave to the weights after them
  std::vector<float> tap_of_place;     // [tap][place]
  std::vector<float> moments;          // [product][place]
  std::vector<std::int16_t> means;     // in quarter steps
  std::vector<std::uint16_t> entries;  // of a PriceBook
  std::vector<std::uint32_t> counts;   // of entries: zeros, but while they are counted
  bool predicts = false;
};

class Pricing {
 public:
  // Takes about `wanted` weights in the order of a view (1, 1, 1: none); nothing else comes before that.
  void take(std::span<const float> values, const std::array<std::uint64_t, 3>& view, std::size_t wanted,
            PricingWork& work);

  // What a figure of the sample is multiplied by to stand for the tensor.
  [[nodiscard]] double weight() const { return weight_; }
  void sample(const ScaleFactor& factor, SampledCodes& codes) const;

  // The weights' classes: the base class plus codes.
  void set_classes(int base, std::span<const SampledCodes* const> factors);
  // Least squares on weights over their classes' deviations, either for each place in a period or for all together, whichever
  // should save more. Places are counted from the begin of the stream.
  [[nodiscard]] TapFit fit_taps(std::uint32_t period);
  // Quantizes the weights with the classes that are set: by themselves, or by what taps predict; fit_taps() came before.
  void quantize();
  void quantize(const Taps& taps);

  // Bits of the whole tensor, under each shape.
  [[nodiscard]] ShapeBits bits() const;
  // How often each entry of a PriceBook occurs, when local energy moves the classes by these.
  [[nodiscard]] Histogram count(const std::array<std::int8_t, core::kEnergyBins>& shifts) const;
  // Finds by how many classes each bin of local energy should move a weight; returns the bits that this saves.
  [[nodiscard]] double fit_shifts(std::uint32_t shape, std::array<std::int8_t, core::kEnergyBins>& shifts) const;

 private:
  static constexpr std::size_t kBefore = 4, kRow = 64;  // a row's weights with those before it
  static_assert(kBefore >= core::kMaxTaps);
  [[nodiscard]] std::size_t rows() const { return sample_.begins.size(); }
  [[nodiscard]] std::size_t length_of(std::size_t row) const { return row + 1 == rows() ? last_ : kRow - kBefore; }
  [[nodiscard]] ClassRange range_of_classes() const;
  [[nodiscard]] ClassRange moved_classes() const;  // that local energy may move them to
  // Weights of a row until local energy has forgotten how it began; a row that is all there is says what it can.
  [[nodiscard]] std::size_t settling() const { return rows() == 1 ? 0 : 8; }
  // What the energy becomes after a weight.
  void pass(std::uint32_t& energy, std::size_t i) const;

  void normalise();  // weights and their levels by the deviations of their classes
  [[nodiscard]] std::vector<Moments> moments(std::uint32_t period) const;

  Sample sample_;
  std::size_t last_ = 0;  // weights of the last row, which may be shorter
  double weight_ = 1;
  std::vector<std::int16_t> indices_;
  PricingWork* work_ = nullptr;
};

}  // namespace weft::trellis
