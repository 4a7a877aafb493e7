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

[[nodiscard]] ScaleFactor layout_of(const Box& box, int kind);

// Sums of squares over the box's groups, from which every factor's first guess follows.
struct Energies {
  Box box;
  double total = 0;
  std::vector<double> pairs01, pairs12;  // [size 0 * size 1], [size 1 * size 2]
};
[[nodiscard]] Energies sum_energies(std::span<const float> values, const Box& box);

struct ScaleFit {
  FactorSet set = 0;
  std::vector<ScaleFactor> factors;  // codes relative to `base`
  double base = 0;                   // log2 of the deviation of a weight whose codes are all zero
  double side_bits = 0;              // what the codes cost
  double gain = 0;                   // estimated bits that the factors save on all weights, for Gaussian weights
};

// A factor rounded to codes, with what it costs and saves by itself.
struct RoundedFactor {
  ScaleFactor factor;
  double side_bits = 0, gain = 0;
  double log_left = 0;  // log2 of the mean variance that the codes leave
};

// Every factor fitted as if the others were flat and rounded to classes, trading its own cost for fit: once for each
// kind, whatever the sets. Values are in steps.
class ScaleGuesses {
 public:
  explicit ScaleGuesses(Energies energies) : energies_(std::move(energies)) {}
  [[nodiscard]] const Energies& energies() const { return energies_; }
  // Bits that the factors save, less what they cost; nothing for a set with a factor that cannot pay.
  [[nodiscard]] std::optional<double> saving(FactorSet set);
  [[nodiscard]] ScaleFit fit(FactorSet set);  // of a set that has a saving

 private:
  const RoundedFactor* factor(int kind);

  Energies energies_;
  std::array<std::optional<RoundedFactor>, kFactorKinds> factors_;
};

// By alternating maximum likelihood, each factor given the others: a few passes over the values. Their sums are known.
[[nodiscard]] ScaleFit fit_scales(std::span<const float> values, const Energies& energies, FactorSet set);

// Rounds variances, each shared by this many weights, to codes. Returns the bits that the codes cost.
double round_scales(std::span<const double> variances, double weights, ScaleFactor& out);

// What a code divides squares by, inverted.
[[nodiscard]] double inverse_variance(int code);

// The classes that a stream's weights may have.
struct ClassRange {
  int lowest = 0, highest = 0;
};
[[nodiscard]] ClassRange class_range(const TrellisStream& stream) noexcept;
// The classes whose tables they may need: local energy moves them, if the stream predicts.
[[nodiscard]] ClassRange table_range(const TrellisStream& stream) noexcept;

// The classes of elements [begin, begin + classes.size()) of a tensor with these factors.
void scale_classes(const TrellisStream& stream, std::uint64_t begin, std::span<std::uint8_t> classes);

}  // namespace weft::trellis
