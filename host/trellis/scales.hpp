// Scale classes: how wide a weight's distribution is, as the product of a few factors along the axes of its tensor.
//
// A tensor is seen as a box of three groups of axes; a factor has one scale per index of a group or of two neighbouring
// groups. Which factors pay is decided by cost: a scale costs two or three bits, and says something about all weights that
// share it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "weft/archive.hpp"

namespace weft::trellis {

// n = size[0] * size[1] * size[2], row-major.
struct Box {
  std::array<std::uint64_t, 3> size{1, 1, 1};
  bool operator==(const Box&) const = default;
};

// Factors by group: bit 0, 1, 2: one group; bit 3: groups 0 and 1 together; bit 4: groups 1 and 2.
inline constexpr int kFactorKinds = 5;
using FactorSet = unsigned;

// Scales of a factor.
[[nodiscard]] std::uint64_t dimension_of(const Box& box, int kind);
[[nodiscard]] ScaleFactor layout_of(const Box& box, int kind);

// Sums of squares, from which every factor follows.
struct Energies {
  Box box;
  double total = 0;
  std::array<std::vector<double>, kFactorKinds> sums;  // of the weights of each of a factor's scales
  // Of energies that were regrouped: which of the factors that they come from is the same.
  std::array<std::optional<int>, kFactorKinds> same{};
};
[[nodiscard]] Energies sum_energies(std::span<const float> values, const Box& box);
// Those of the boxes (first and second, two parts of the last) and (two parts of the first, second and last), without the
// factor for which pairs of a part are missing: kind 3, kind 4.
[[nodiscard]] Energies split_last(const Energies& energies, std::uint64_t first_part, std::uint64_t second_part);
[[nodiscard]] Energies split_first(const Energies& energies, std::uint64_t first_part, std::uint64_t second_part);

// A factor rounded to codes, with what it costs and saves by itself.
struct RoundedFactor {
  ScaleFactor factor;
  double side_bits = 0;  // what the codes cost
  double gain = 0;       // estimated bits that it saves on all weights, for Gaussian weights
  double log_left = 0;   // log2 of the mean variance that the codes leave
};

// Every factor fitted as if the others were flat and rounded to classes, trading its own cost for fit: once for each
// kind, whatever the sets. To fit each given the others gains nothing that could be measured. Values are in steps.
class ScaleFactors {
 public:
  // `others`: where energies were regrouped, the factors of those that they come from, which stay where they are.
  explicit ScaleFactors(Energies energies, ScaleFactors* others = nullptr)
      : energies_(std::move(energies)), others_(others) {}
  [[nodiscard]] const Energies& energies() const { return energies_; }
  // Bits that the factors save, less what they cost; nothing for a set with a factor that cannot pay.
  [[nodiscard]] std::optional<double> saving(FactorSet set);
  // Of a set that has a saving: log2 of the deviation of a weight whose codes are all zero, and what the codes cost.
  [[nodiscard]] double base(FactorSet set);
  [[nodiscard]] double side_bits(FactorSet set);
  // Null if the factor cannot pay.
  [[nodiscard]] const RoundedFactor* factor(int kind);

 private:
  Energies energies_;
  ScaleFactors* others_;
  std::array<std::optional<RoundedFactor>, kFactorKinds> factors_;
};

// Rounds variances, each shared by this many weights, to codes. Returns the bits that the codes cost.
double round_scales(std::span<const double> variances, double weights, ScaleFactor& out);

// What a code divides squares by, inverted.
[[nodiscard]] double inverse_variance(std::int8_t code);

// The least and the largest of a factor's codes, and of the sums of several factors' codes.
struct CodeRange {
  int lowest = 0, highest = 0;
};
[[nodiscard]] CodeRange code_range(const ScaleFactor& factor) noexcept;
[[nodiscard]] CodeRange sum_range(std::span<const ScaleFactor> factors) noexcept;

// The classes that units with these scales may have.
struct ClassRange {
  int lowest = 0, highest = 0;
};
[[nodiscard]] ClassRange class_range(const Scales& scales) noexcept;
// The classes whose tables they may need: local energy moves them, if the stream predicts.
[[nodiscard]] ClassRange table_range(const TrellisStream& stream) noexcept;
// The same of weights that have these classes.
[[nodiscard]] ClassRange moved_range(const TrellisStream& stream, ClassRange classes) noexcept;

// A factor's codes for elements [begin, begin + codes.size()).
void factor_codes(const ScaleFactor& factor, std::uint64_t begin, std::span<std::int8_t> codes);

// Of the stream's taps: at least 1.
[[nodiscard]] inline std::uint32_t period_of(const TrellisStream& stream) noexcept {
  return stream.taps.empty() ? 1 : static_cast<std::uint32_t>(stream.taps.size());
}

// The classes of units [begin, begin + classes.size()) of a stream with these scales.
void scale_classes(const Scales& scales, std::uint64_t begin, std::span<std::uint8_t> classes);

}  // namespace weft::trellis
