#include "trellis/choose.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <limits>
#include <utility>

#include "trellis/axes.hpp"
#include "trellis/price.hpp"
#include "weft/core/trellis.hpp"

namespace weft::trellis {
namespace {

// Weights of a tensor that are looked at, in short rows spread over it, for rows differ; all of a smaller one.
constexpr std::size_t kQuick = 2048;  // to compare all options
constexpr std::size_t kLarge = 4608;  // to compare the best ones
// To fit the one that is taken: half of a small tensor, and a share of a large one, for the more weights there are, the
// more a bad fit costs.
constexpr std::size_t kFewestFinal = 6144, kEnoughFinal = 12288, kFinalShare = 16, kMostFinal = 1u << 17;
constexpr std::size_t kPriced = 5;      // sets of factors that are priced
constexpr std::size_t kPredicting = 3;  // of these, that are priced with prediction too
constexpr std::size_t kRepriced = 3;    // options that are compared again
constexpr double kParameterBits = 40, kShiftBits = 30;
// What prediction must save of each weight: taps fit noise, too, and take a decoder twice the time.
constexpr double kLeastSaving = 0.003;

std::size_t final_extent(std::size_t weights) {
  return std::clamp(weights / kFinalShare, std::clamp(weights / 2, kFewestFinal, kEnoughFinal), kMostFinal);
}

// The class of a deviation in steps, as an offset that the factors' codes are added to.
std::int16_t base_class(double log2_deviation) {
  return static_cast<std::int16_t>(std::lrint(std::clamp(3 * (log2_deviation + 4), -1000.0, 1000.0)));
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

double least(const ShapeBits& bits) { return *std::min_element(bits.begin(), bits.end()); }

// A sample, and the codes of factors there, by box and kind: made when they are asked for.
struct Order {
  std::array<std::uint64_t, 3> view;
  std::size_t wanted = 0;
  Pricing pricing;
  struct Codes {
    bool is_there = false;
    SampledCodes codes;
  };
  std::array<Codes, 2 * kFactorKinds> codes{};
  std::array<std::optional<double>, 2 << kFactorKinds> flat_bits{};  // by box and set
};

}  // namespace

// Samples of a tensor in its own order and in those of its boxes reversed, taken when they are asked for.
struct ModelChooser::Orders {
  std::span<const float> values;
  PricingWork work;
  std::deque<Order> orders;  // whose elements stay where they are, and keep their memory
  std::size_t taken = 0;     // of them, for these values

  Order& of(const std::array<std::uint64_t, 3>& view, std::size_t extent) {
    const std::size_t wanted = std::min(extent, values.size());
    for (std::size_t i = 0; i < taken; i++)
      if (orders[i].view == view && orders[i].wanted == wanted) return orders[i];
    if (taken == orders.size()) orders.emplace_back();
    Order& order = orders[taken++];
    order.view = view;
    order.wanted = wanted;
    order.pricing.take(values, view, wanted, work);
    for (Order::Codes& codes : order.codes) codes.is_there = false;
    order.flat_bits = {};
    return order;
  }
};

namespace {

template <class Orders>
class Chooser {
 public:
  Chooser(std::span<const float> values, std::span<const std::uint64_t> shape, const Allowed& allowed, Orders& orders)
      : values_(values), allowed_(allowed), orders_(orders) {
    orders.values = values;
    orders.taken = 0;
    for (std::size_t i = 2; i < shape.size(); i++) kernel_ *= shape[i];
    has_kernels_ = shape.size() > 2;
    boxes_ = boxes_of(values, shape);
  }

  Choices choose() {
    std::vector<Option> options = guess();
    if (options.size() > kPriced) options.resize(kPriced);
    for (Option& option : options) price_option(kQuick, option);
    std::stable_sort(options.begin(), options.end(), cheaper);
    const Option flat = options.front();
    if (allowed_.prediction) {
      std::vector<Option> predicting;
      for (const Option& option : options)
        if (predicting.size() < kPredicting) consider_prediction(option, predicting);
      if (allowed_.only_prediction) options.clear();
      options.insert(options.end(), predicting.begin(), predicting.end());
      std::stable_sort(options.begin(), options.end(), cheaper);
    }
    if (options.size() > kRepriced) options.resize(kRepriced);
    if ((options.size() > 1 || allowed_.compared) && values_.size() > kQuick)
      for (std::size_t i = options.size(); i-- > 0;) price_option(kLarge, options[i]);
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
    if (allowed_.scales)
      for (const auto& [box, set, saving] : promising_sets(boxes_))
        options.push_back({box, set, false, false, -saving});
    std::stable_sort(options.begin(), options.end(), cheaper);
    return options;
  }

  const Box& box(const Option& option) const { return boxes_[option.box].energies().box; }
  std::array<std::uint64_t, 3> view_of(const Option& option) const {
    return option.has_view ? box(option).size : std::array<std::uint64_t, 3>{1, 1, 1};
  }
  Order& order_of(const Option& option, std::size_t extent) { return orders_.of(view_of(option), extent); }

  // A factor as the option's order has it.
  ScaleFactor factor_of(const Option& option, int kind) {
    const ScaleFactor& factor = boxes_[option.box].factor(kind)->factor;
    return option.has_view ? mirror(box(option), kind, factor) : factor;
  }

  // Weights in a row that a kernel has, in the option's order: neighbours of a weight are others by its place there.
  std::uint32_t period_of(const Option& option) const {
    constexpr std::uint64_t kLongestReversed = 32;  // there it may be any other dimension
    const std::uint64_t period = option.has_view ? box(option).size[0] : kernel_;
    return has_kernels_ && period <= (option.has_view ? kLongestReversed : core::kMaxPeriod)
               ? static_cast<std::uint32_t>(std::max<std::uint64_t>(1, period))
               : 1;
  }

  // Sets the classes of the option's factors and of a deviation, and more by places in a period; returns the base class.
  std::int16_t set_classes(Order& order, const Option& option, double log2_deviation,
                           const std::vector<std::int8_t>& of_places = {}) {
    std::array<const SampledCodes*, kFactorKinds> factors{};
    std::size_t count = 0;
    for (int kind = 0; kind < kFactorKinds; kind++) {
      if ((option.set >> kind & 1) == 0) continue;
      auto& [is_there, codes] = order.codes[option.box * kFactorKinds + static_cast<std::size_t>(kind)];
      if (!std::exchange(is_there, true)) order.pricing.sample(factor_of(option, kind), codes);
      factors[count++] = &codes;
    }
    if (!of_places.empty()) {
      order.pricing.sample({1, of_places}, of_places_);
      factors[count++] = &of_places_;
    }
    const std::int16_t base = base_class(log2_deviation);
    order.pricing.set_classes(base, std::span(factors).first(count));
    return base;
  }

  double base_of(const Option& option) { return boxes_[option.box].base(option.set); }

  double flat_bits(Order& order, const Option& option) {
    std::optional<double>& known = order.flat_bits[option.box << kFactorKinds | option.set];
    if (!known) {
      set_classes(order, option, base_of(option));
      order.pricing.quantize();
      known = least(order.pricing.bits());
    }
    return *known;
  }

  // The last one is remembered: what seems best is fitted, priced and often taken, in that order.
  const TapFit& fit_taps(Order& order, const Option& option) {
    if (fitted_.order == &order && fitted_.box == option.box && fitted_.set == option.set) return fitted_.fit;
    set_classes(order, option, base_of(option));
    fitted_ = {&order, option.box, option.set, order.pricing.fit_taps(period_of(option))};
    return fitted_.fit;
  }

  void price_option(std::size_t extent, Option& option) {
    Option plain = option;
    plain.has_view = false;
    double bits = flat_bits(order_of(plain, extent), plain);
    if (option.has_taps) {
      Order& order = order_of(option, extent);
      // A view's sample has other weights, so what counts is what taps save there.
      const double flat = flat_bits(order, option);
      const TapFit& fit = fit_taps(order, option);
      if (!fit.taps.empty()) {
        set_classes(order, option, base_of(option) + fit.log2_left, fit.classes);
        order.pricing.quantize(fit.taps);
        bits += least(order.pricing.bits()) - flat + fit.side_bits + fit.chance_bits;
      }
      bits += kLeastSaving * static_cast<double>(values_.size());
    }
    option.bits = bits + boxes_[option.box].side_bits(option.set) + kParameterBits;
  }

  // Adds the set with prediction, in the order in which neighbours say more, if they can say enough.
  void consider_prediction(const Option& plain, std::vector<Option>& predicting) {
    const auto saved_bits = [&](const Option& option) { return fit_taps(order_of(option, kQuick), option).saved_bits; };
    const auto& size = box(plain).size;
    const bool may_reverse = allowed_.views && (size[0] > 1) + (size[1] > 1) + (size[2] > 1) > 1;
    Option option = plain;
    option.has_taps = true;
    double saved = -std::numeric_limits<double>::infinity();
    // Of two sides that may be kernels, the shorter one is.
    if (may_reverse && (period_of(option) == 1 || size[0] < kernel_)) {
      Option other = option;
      other.has_view = true;
      saved = saved_bits(other);
    }
    if (const double here = saved_bits(option); here >= saved)
      saved = here;
    else
      option.has_view = true;
    if (!allowed_.only_prediction && saved <= 0) return;
    price_option(kQuick, option);
    predicting.push_back(option);
  }

  // Fits the option's parameters.
  Choice finish(const Option& option) {
    Choice choice;
    TrellisStream& stream = choice.stream;
    for (int kind = 0; kind < kFactorKinds; kind++)
      if ((option.set >> kind & 1) != 0) stream.factors.push_back(factor_of(option, kind));
    stream.view = view_of(option);
    Order& order = order_of(option, final_extent(values_.size()));
    TapFit fit;
    if (option.has_taps) fit = fit_taps(order, option);
    stream.base_class = set_classes(order, option, base_of(option) + fit.log2_left, fit.classes);
    const bool has_taps = !fit.taps.empty();
    if (has_taps) {
      // Levels leave something else now.
      fitted_.order = nullptr;
      const auto period = static_cast<std::uint32_t>(fit.taps.size());
      if (TapFit again = order.pricing.fit_taps(period); again.taps.size() == period) fit.taps = std::move(again.taps);
      order.pricing.quantize(fit.taps);
      if (!fit.classes.empty()) add_factor(stream, fit.classes);
      stream.taps = std::move(fit.taps);
    } else {
      order.pricing.quantize();
    }
    const ShapeBits bits = order.pricing.bits();
    stream.shape = static_cast<std::uint32_t>(std::min_element(bits.begin(), bits.end()) - bits.begin());
    stream.predicts = has_taps || allowed_.only_prediction;
    if (allowed_.energy) {
      const double saved = order.pricing.fit_shifts(stream.shape, stream.shifts);
      stream.predicts = stream.predicts || saved > kShiftBits;
      if (!stream.predicts) stream.shifts = {};
    }
    if (!allowed_.flat) choice.histogram = order.pricing.count(stream.shifts);
    choice.bits = option.bits;
    choice.side_bits = boxes_[option.box].side_bits(option.set) + kParameterBits + fit.side_bits;
    return choice;
  }

  // Adds codes by places in a period: to those of a factor that tells these places apart, or as one more, in which those are
  // that repeat with the period.
  static void add_factor(TrellisStream& stream, std::vector<std::int8_t> of_places) {
    const std::size_t period = of_places.size();
    for (ScaleFactor& factor : stream.factors) {
      if (factor.inner != 1 || factor.codes.size() % period != 0) continue;
      for (std::size_t i = 0; i < factor.codes.size(); i++)
        factor.codes[i] = static_cast<std::int8_t>(factor.codes[i] + of_places[i % period]);
      return;
    }
    std::erase_if(stream.factors, [&](const ScaleFactor& factor) {
      if (period % (factor.inner * factor.codes.size()) != 0) return false;
      for (std::size_t i = 0; i < period; i++)
        of_places[i] = static_cast<std::int8_t>(of_places[i] + factor.codes[i / factor.inner % factor.codes.size()]);
      return true;
    });
    stream.factors.push_back({1, std::move(of_places)});
  }

  std::span<const float> values_;
  std::uint64_t kernel_ = 1;  // weights of a kernel, if the last dimensions are one
  bool has_kernels_ = false;
  const Allowed allowed_;
  Orders& orders_;
  SampledCodes of_places_;
  struct {
    const Order* order = nullptr;
    std::size_t box = 0;
    FactorSet set = 0;
    TapFit fit;
  } fitted_;
  std::vector<ScaleFactors> boxes_;
};

}  // namespace

ModelChooser::ModelChooser() : orders_(std::make_unique<Orders>()) {}
ModelChooser::~ModelChooser() = default;

Choices ModelChooser::choose(std::span<const float> values, std::span<const std::uint64_t> shape,
                             const Allowed& allowed) {
  return Chooser<Orders>(values, shape, allowed, *orders_).choose();
}

}  // namespace weft::trellis
