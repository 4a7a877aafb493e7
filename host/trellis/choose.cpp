#include "trellis/choose.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <utility>

#include "trellis/price.hpp"
#include "trellis/sample.hpp"
#include "weft/core/trellis.hpp"

namespace weft::trellis {
namespace {

// What is looked at of a tensor: one of so many weights, but at least and at most so many. In short runs: rows differ.
struct Extent {
  std::size_t share, fewest, most;
  [[nodiscard]] std::size_t of(std::size_t n) const { return std::clamp(n / share, fewest, most); }
};
constexpr Extent kQuick{16, 1u << 13, 1u << 15};  // to compare all options
constexpr Extent kLarge{8, 1u << 14, 1u << 17};   // to compare the best ones, and to fit the one that is taken
constexpr std::size_t kRun = 128;
constexpr std::size_t kPriced = 8;    // sets of factors that are priced, without and with prediction
constexpr std::size_t kRepriced = 6;  // options that are compared again
constexpr double kParameterBits = 40, kTapBits = 24, kShiftBits = 48;

// The class of a deviation in steps, as an offset that the factors' codes are added to.
std::int16_t base_class(double log2_deviation) {
  return static_cast<std::int16_t>(std::lrint(std::clamp(3 * (log2_deviation + 4), -1000.0, 1000.0)));
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

// A set of scale factors of one of the boxes, and perhaps prediction.
struct Option {
  std::size_t box = 0;
  FactorSet set = 0;
  bool has_taps = false, has_view = false;
  double bits = 0;
};

bool cheaper(const Option& a, const Option& b) { return a.bits < b.bits; }

// The samples of a tensor in its own order and in those of its boxes reversed, taken when they are asked for.
class Samples {
 public:
  Samples(std::span<const float> values, const Extent& extent) : values_(values), wanted_(extent.of(values.size())) {}
  const Sample& of(const std::array<std::uint64_t, 3>& view) {
    const auto found = std::find_if(taken_.begin(), taken_.end(), [&](const auto& one) { return one.first == view; });
    if (found != taken_.end()) return found->second;
    return taken_.emplace_back(view, take_sample(values_, view, kRun, wanted_)).second;
  }

 private:
  std::span<const float> values_;
  std::size_t wanted_;
  std::deque<std::pair<std::array<std::uint64_t, 3>, Sample>> taken_;  // whose elements stay where they are
};

class Chooser {
 public:
  Chooser(std::span<const float> values, std::span<const std::uint64_t> shape, const Allowed& allowed)
      : values_(values), allowed_(allowed), quick_(values, kQuick), large_(values, kLarge) {
    for (const Box& box : boxes_of(shape)) boxes_.emplace_back(sum_energies(values, box));
  }

  Choices choose() {
    std::vector<Option> options = guess();
    if (options.size() > kPriced) options.resize(kPriced);
    TrellisStream first = stream_of(options.front(), fit_of(options.front()));
    choose_shape(quick_.of(first.view), first);
    shape_ = first.shape;
    for (Option& option : options) price_option(quick_, option);
    const Option flat = *std::min_element(options.begin(), options.end(), cheaper);
    if (allowed_.prediction) {
      std::vector<Option> predicting;
      for (const Option& option : options) consider_prediction(option, predicting);
      if (allowed_.only_prediction) options.clear();
      options.insert(options.end(), predicting.begin(), predicting.end());
    }
    std::stable_sort(options.begin(), options.end(), cheaper);
    if (options.size() > kRepriced) options.resize(kRepriced);
    if (options.size() > 1)
      for (Option& option : options) price_option(large_, option);
    const Option best = *std::min_element(options.begin(), options.end(), cheaper);
    Choices choices;
    choices.best = finish(best);
    if (allowed_.flat) choices.flat = best.has_taps ? finish(flat) : choices.best;
    return choices;
  }

 private:
  // Sets of factors, the most promising ones first.
  std::vector<Option> guess() {
    std::vector<Option> options{{}};
    for (std::size_t b = 0; allowed_.scales && b < boxes_.size(); b++)
      for (const FactorSet set : sets_for(boxes_[b].energies().box))
        if (const auto saving = boxes_[b].saving(set)) options.push_back({b, set, false, false, -*saving});
    std::stable_sort(options.begin(), options.end(), cheaper);
    return options;
  }

  const Box& box(const Option& option) const { return boxes_[option.box].energies().box; }
  ScaleFit fit_of(const Option& option) { return boxes_[option.box].fit(option.set); }

  TrellisStream stream_of(const Option& option, const ScaleFit& fit) const {
    TrellisStream stream;
    stream.shape = shape_;
    stream.base_class = base_class(fit.base);
    stream.factors = fit.factors;
    if (!option.has_view) return stream;
    stream.view = box(option).size;
    std::size_t f = 0;
    for (int kind = 0; kind < kFactorKinds; kind++)
      if ((fit.set >> kind & 1) != 0) {
        stream.factors[f] = mirror(box(option), kind, fit.factors[f]);
        f++;
      }
    return stream;
  }

  static double add_taps(const Sample& sample, double base, TrellisStream& stream) {
    const double shrinkage = fit_taps(sample, stream);
    stream.predicts = true;
    stream.base_class = base_class(base + shrinkage);
    return shrinkage;
  }

  void price_option(Samples& samples, Option& option) {
    const ScaleFit fit = fit_of(option);
    TrellisStream stream = stream_of(option, fit);
    const Sample& sample = samples.of(stream.view);
    if (option.has_taps) (void)add_taps(sample, fit.base, stream);
    option.bits = price(sample, stream) + fit.side_bits + kParameterBits + (option.has_taps ? kTapBits : 0);
  }

  // Adds the set with prediction, in the order in which neighbours say more, if they can say enough.
  void consider_prediction(const Option& plain, std::vector<Option>& predicting) {
    const ScaleFit fit = fit_of(plain);
    const auto shrinkage_of = [&](const Option& option) {
      TrellisStream stream = stream_of(option, fit);
      return add_taps(quick_.of(stream.view), fit.base, stream);
    };
    const auto& size = box(plain).size;
    const bool may_reverse = allowed_.views && (size[0] > 1) + (size[1] > 1) + (size[2] > 1) > 1;
    Option option = plain;
    option.has_taps = true;
    double shrinkage = shrinkage_of(option);
    if (may_reverse) {
      Option other = option;
      other.has_view = true;
      const double more = shrinkage_of(other);
      if (more < shrinkage) shrinkage = more, option = other;
    }
    if (!allowed_.only_prediction && -shrinkage * static_cast<double>(values_.size()) < kTapBits) return;
    price_option(quick_, option);
    predicting.push_back(option);
  }

  // Fits the option's parameters.
  Choice finish(const Option& option) {
    const ScaleFit fit = fit_scales(values_, boxes_[option.box].energies(), option.set);
    Choice choice;
    choice.stream = stream_of(option, fit);
    const Sample& sample = large_.of(choice.stream.view);
    if (option.has_taps) (void)add_taps(sample, fit.base, choice.stream);
    choose_shape(sample, choice.stream);
    choice.side_bits = fit.side_bits + kParameterBits + (option.has_taps ? kTapBits : 0);
    if (allowed_.energy) {
      TrellisStream moving = choice.stream;
      moving.predicts = true;
      if (fit_shifts(sample, moving) > kTapBits + kShiftBits || option.has_taps) choice.stream = std::move(moving);
    }
    return choice;
  }

  std::span<const float> values_;
  const Allowed allowed_;
  Samples quick_, large_;
  std::vector<ScaleGuesses> boxes_;
  std::uint32_t shape_ = 0;
};

}  // namespace

Choices choose_model(std::span<const float> values, std::span<const std::uint64_t> shape, const Allowed& allowed) {
  return Chooser(values, shape, allowed).choose();
}

}  // namespace weft::trellis
