#include "trellis/choose.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "trellis/price.hpp"
#include "trellis/sample.hpp"
#include "weft/core/trellis.hpp"

namespace weft::trellis {
namespace {

// What is looked at of a tensor: one of so many weights, but at least and at most so many, in short runs because rows differ.
constexpr std::size_t kRun = 128;
constexpr std::size_t kShare = 8;  // to compare options
constexpr std::size_t kFewest = 1u << 14;
constexpr std::size_t kMost = 1u << 16;
constexpr std::size_t kFinalShare = 8;  // to fit the parameters of the one that is taken
constexpr std::size_t kFinalFewest = 1u << 14;
constexpr std::size_t kFinalMost = 1u << 17;
constexpr std::size_t kPriced = 8;  // sets of factors that are priced, without and with prediction
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

class Chooser {
 public:
  Chooser(std::span<const float> values, std::span<const std::uint64_t> shape, const Allowed& allowed)
      : values_(values),
        allowed_(allowed),
        sampled_(std::clamp(values.size() / kShare, kFewest, kMost)),
        final_(std::clamp(values.size() / kFinalShare, kFinalFewest, kFinalMost)) {
    for (const Box& box : boxes_of(shape)) boxes_.push_back({ScaleGuesses(sum_energies(values, box)), {}});
    sample_ = take_sample(values_, kNoView, kRun, sampled_);
  }

  Choices choose() {
    std::vector<Option> plain = guess();
    if (plain.size() > kPriced) plain.resize(kPriced);
    TrellisStream first = stream_of(plain.front(), boxes_[plain.front().box].guesses.fit(plain.front().set));
    choose_shape(sample_, first);
    shape_ = first.shape;
    for (Option& option : plain) price_option(option);
    std::stable_sort(plain.begin(), plain.end(), cheaper);
    std::optional<Option> best;
    for (std::size_t i = 0; allowed_.prediction && i < plain.size(); i++) consider_prediction(plain[i], best);
    Choices choices;
    const bool predicts = best && (allowed_.only_prediction || cheaper(*best, plain.front()));
    choices.best = finish(predicts ? *best : plain.front());
    if (allowed_.flat) choices.flat = predicts ? finish(plain.front()) : choices.best;
    return choices;
  }

 private:
  static constexpr std::array<std::uint64_t, 3> kNoView{1, 1, 1};

  struct BoxInfo {
    ScaleGuesses guesses;
    std::optional<Sample> reversed;
  };

  // Sets of factors, the most promising ones first.
  std::vector<Option> guess() {
    std::vector<Option> options{{}};
    for (std::size_t b = 0; allowed_.scales && b < boxes_.size(); b++)
      for (const FactorSet set : sets_for(box(b)))
        if (const auto saving = boxes_[b].guesses.saving(set)) options.push_back({b, set, false, false, -*saving});
    std::stable_sort(options.begin(), options.end(), cheaper);
    return options;
  }

  const Box& box(std::size_t b) const { return boxes_[b].guesses.energies().box; }

  const Sample& sample_of(const Option& option) {
    if (!option.has_view) return sample_;
    std::optional<Sample>& reversed = boxes_[option.box].reversed;
    if (!reversed) reversed = take_sample(values_, box(option.box).size, kRun, sampled_);
    return *reversed;
  }

  TrellisStream stream_of(const Option& option, const ScaleFit& fit) const {
    TrellisStream stream;
    stream.shape = shape_;
    stream.base_class = base_class(fit.base);
    stream.factors = fit.factors;
    if (!option.has_view) return stream;
    stream.view = box(option.box).size;
    std::size_t f = 0;
    for (int kind = 0; kind < kFactorKinds; kind++)
      if ((fit.set >> kind & 1) != 0) {
        stream.factors[f] = mirror(box(option.box), kind, fit.factors[f]);
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

  void price_option(Option& option) {
    const ScaleFit fit = boxes_[option.box].guesses.fit(option.set);
    option.bits = price(sample_, stream_of(option, fit)) + fit.side_bits + kParameterBits;
  }

  // The set with prediction in the order in which neighbours say more, if they can say enough.
  void consider_prediction(const Option& plain, std::optional<Option>& best) {
    const ScaleFit fit = boxes_[plain.box].guesses.fit(plain.set);
    const auto& size = box(plain.box).size;
    const bool may_reverse = allowed_.views && (size[0] > 1) + (size[1] > 1) + (size[2] > 1) > 1;
    Option option = plain;
    option.has_taps = true;
    TrellisStream stream = stream_of(option, fit);
    double shrinkage = add_taps(sample_of(option), fit.base, stream);
    if (may_reverse) {
      Option other = option;
      other.has_view = true;
      TrellisStream reversed = stream_of(other, fit);
      const double more = add_taps(sample_of(other), fit.base, reversed);
      if (more < shrinkage) shrinkage = more, option = other, stream = std::move(reversed);
    }
    if (!allowed_.only_prediction && -shrinkage * static_cast<double>(values_.size()) < kTapBits) return;
    option.bits = price(sample_of(option), stream) + fit.side_bits + kParameterBits + kTapBits;
    if (!best || cheaper(option, *best)) best = option;
  }

  // Fits the option's parameters.
  Choice finish(const Option& option) {
    const ScaleFit fit = fit_scales(values_, boxes_[option.box].guesses.energies(), option.set);
    Choice choice;
    choice.stream = stream_of(option, fit);
    const Sample sample = take_sample(values_, choice.stream.view, kRun, final_);
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
  std::size_t sampled_, final_;
  std::vector<BoxInfo> boxes_;
  Sample sample_;
  std::uint32_t shape_ = 0;
};

}  // namespace

Choices choose_model(std::span<const float> values, std::span<const std::uint64_t> shape, const Allowed& allowed) {
  return Chooser(values, shape, allowed).choose();
}

}  // namespace weft::trellis
