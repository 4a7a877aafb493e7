#include "archive/trellis_index.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>

#include "archive/cuts.hpp"
#include "archive/index.hpp"
#include "archive/scale_index.hpp"
#include "weft/core/trellis.hpp"

namespace weft::archive {
namespace {

// Those of a place that do not reach before its period's begin.
std::size_t stored_taps(const TrellisStream& stream, std::size_t place) {
  constexpr std::size_t kAll = core::kMaxTaps;
  return stream.taps.size() == 1 ? kAll : std::min(place, kAll);
}

// Calls f(tap, the same tap of the last stream before with such a period, or 0, i) for each stored tap of a stream. Tensors
// of a network are alike.
template <class Stream, class F>
void walk_taps(Stream& stream, LastStream& last, F f) {
  if (stream.taps.empty()) return;
  auto& before = last.taps[stream.taps.size()];
  before.resize(stream.taps.size());
  for (std::size_t place = 0; place < stream.taps.size(); place++)
    for (std::size_t i = 0; i < stored_taps(stream, place); i++) {
      f(stream.taps[place][i], before[place][i], i);
      before[place][i] = stream.taps[place][i];
    }
}

// Taps are multiples of 2^shift.
constexpr int kMaxTapShift = 3;
int tap_shift(const TrellisStream& stream) {
  int shift = kMaxTapShift;
  for (const auto& of_place : stream.taps)
    for (const std::int8_t tap : of_place)
      if (tap != 0) shift = std::min(shift, std::countr_zero(static_cast<unsigned>(tap)));
  return shift;
}

std::uint64_t kind_of_tap(std::size_t i, int shift) { return core::kMaxTaps * static_cast<std::size_t>(shift) + i; }

constexpr std::uint64_t kApart = 0;  // the cuts of a view, at least

std::vector<std::uint64_t> dimensions_of(const TrellisStream& stream, const std::vector<std::uint64_t>& shape) {
  return has_view(stream) ? std::vector<std::uint64_t>(stream.view.rbegin(), stream.view.rend()) : shape;
}

void put_view(NumberWriter& out, const TrellisStream& stream, const std::vector<std::uint64_t>& shape) {
  const std::uint64_t code = find_cut(
      shape, kApart, [&](const auto& sides) { return std::equal(sides.begin(), sides.end(), stream.view.begin()); });
  out.put(Field::kSides, code, kind_of_rank(shape.size()));
  if (code == 0)
    for (const std::uint64_t side : stream.view) out.put(Field::kSide, side);
}

}  // namespace

void put_shapes(NumberWriter& out, const std::vector<Shape>& shapes) {
  out.put(Field::kShapes, shapes.size());
  for (const Shape& shape : shapes) {
    const auto is_set = [](std::uint16_t weight) { return weight != 0; };
    const auto first = std::find_if(shape.begin(), shape.end(), is_set);
    const auto last = std::find_if(shape.rbegin(), shape.rend(), is_set).base();
    out.put(Field::kFirstTriangle, static_cast<std::uint64_t>(first - shape.begin()));
    out.put(Field::kTriangles, static_cast<std::uint64_t>(last - first - 1));
    std::uint64_t before = 0;
    for (auto weight = first; weight != last; weight++) {
      out.put(Field::kWeight, *weight, kind_of_frequency(before));
      before = *weight;
    }
  }
}

void read_shapes(NumberReader& in, std::vector<Shape>& shapes) {
  const std::size_t count = in.get_count(Field::kShapes);
  for (std::size_t s = 0; s < count; s++) {
    Shape shape{};
    const std::uint64_t first = in.get(Field::kFirstTriangle), more = in.get(Field::kTriangles);
    in.require(first < shape.size() && more < shape.size() - first, "a shape has too many triangles");
    std::uint64_t sum = 0, before = 0;
    for (std::size_t t = first; t <= first + more; t++) {
      const std::uint64_t weight = in.get(Field::kWeight, kind_of_frequency(before));
      in.require(weight <= core::kProbScale, "a weight of a shape is too large");
      sum += before = weight;
      shape[t] = static_cast<std::uint16_t>(weight);
    }
    in.require(sum == core::kProbScale, "the weights of a shape do not sum to 4096");
    in.require(shape[first] != 0 && shape[first + more] != 0, "a shape begins or ends with zero");
    shapes.push_back(shape);
  }
}

void put_trellis(NumberWriter& out, const TrellisStream& stream, const std::vector<std::uint64_t>& shape,
                 LastStream& last) {
  put_step(out, stream.fine_step, last);
  out.put_signed(Field::kStates, stream.states_log2 - last.states_log2);
  last.states_log2 = stream.states_log2;
  out.put_flag(Field::kKeepsZero, stream.keeps_zero);
  out.put_flag(Field::kPredicts, stream.predicts);
  out.put_flag(Field::kHasOffset, stream.offset != 0);
  out.put_flag(Field::kHasView, has_view(stream));
  if (stream.offset != 0) out.put_signed(Field::kOffset, stream.offset);
  out.put(Field::kShape, stream.shape);
  put_base_class(out, stream, last);
  if (stream.predicts) {
    const bool has_shifts = stream.shifts != decltype(stream.shifts){};
    out.put_flag(Field::kHasShifts, has_shifts);
    for (std::size_t i = 0; i < stream.shifts.size() && has_shifts; i++)
      out.put_signed(Field::kShift, stream.shifts[i] - core::kUsualShifts[i], i);
    out.put(Field::kPeriod, stream.taps.size());
    if (!stream.taps.empty()) {
      const int shift = tap_shift(stream);
      out.put(Field::kTapShift, static_cast<std::uint64_t>(shift));
      walk_taps(stream, last, [&](std::int8_t tap, std::int8_t before, std::size_t i) {
        out.put_signed(Field::kTap, (tap >> shift) - (before >> shift), kind_of_tap(i, shift));
      });
    }
  }
  if (has_view(stream)) put_view(out, stream, shape);
  out.put(Field::kFactors, stream.factors.size());
  put_factors(out, stream, dimensions_of(stream, shape), last);
}

namespace {

std::array<std::uint64_t, 3> read_view(NumberReader& in, const std::vector<std::uint64_t>& shape) {
  constexpr const char* kFault = "a view does not fit its tensor";
  const std::uint64_t code = in.get(Field::kSides, kind_of_rank(shape.size()));
  std::array<std::uint64_t, 3> view{};
  if (code == 0) {
    for (std::uint64_t& side : view) side = in.get(Field::kSide);
    return view;
  }
  const std::optional<Cut> found = cut_of(code, shape, kApart);
  for (std::size_t s = 0; s < view.size(); s++) {
    in.require(found && (*found)[s], kFault);
    view[s] = *(*found)[s];
  }
  return view;
}

}  // namespace

void read_trellis(NumberReader& in, const std::vector<std::uint64_t>& shape, std::size_t shapes, LastStream& last,
                  StreamRecord& stream) {
  in.require(stream.members.size() == 1 && is_quantizable(stream.dtype), "a trellis stream needs one tensor of floats");
  TrellisStream& t = stream.trellis;
  t.fine_step = get_step(in, last);
  constexpr char kStates[] = "a trellis stream has an impossible number of states";
  last.states_log2 = static_cast<int>(in.get_next(Field::kStates, last.states_log2, 0, core::kMaxStatesLog2, kStates));
  in.require(core::is_states_log2(last.states_log2), kStates);
  t.states_log2 = static_cast<std::uint8_t>(last.states_log2);
  t.keeps_zero = in.get_flag(Field::kKeepsZero);
  t.predicts = in.get_flag(Field::kPredicts);
  const bool has_offset = in.get_flag(Field::kHasOffset), is_viewed = in.get_flag(Field::kHasView);
  if (has_offset) {
    const std::int64_t offset = in.get_signed(Field::kOffset);
    in.require(offset != 0 && offset >= -core::kMaxOffset && offset <= core::kMaxOffset,
               "a trellis stream has an offset out of range");
    t.offset = static_cast<std::int32_t>(offset);
  }
  const std::uint64_t number = in.get(Field::kShape);
  in.require(number < shapes, "a trellis stream names a shape that does not exist");
  t.shape = static_cast<std::uint32_t>(number);
  read_base_class(in, last, t);
  if (t.predicts) {
    if (in.get_flag(Field::kHasShifts))
      for (std::size_t i = 0; i < t.shifts.size(); i++)
        t.shifts[i] = static_cast<std::int8_t>(in.get_next(Field::kShift, core::kUsualShifts[i], -core::kMaxShift,
                                                           core::kMaxShift, "a shift of classes is too large", i));
    const std::uint64_t period = in.get(Field::kPeriod);
    in.require(period <= core::kMaxPeriod, "a trellis stream has taps of too long a period");
    t.taps.resize(period);
    const std::uint64_t shift = period == 0 ? 0 : in.get(Field::kTapShift);
    in.require(shift <= kMaxTapShift, "taps are multiples of too much");
    walk_taps(t, last, [&](std::int8_t& tap, std::int8_t before, std::size_t i) {
      const std::int64_t most = 128 >> shift;
      tap = static_cast<std::int8_t>(in.get_next(Field::kTap, before >> shift, -most, most - 1, "a tap is out of range",
                                                 kind_of_tap(i, static_cast<int>(shift)))
                                     << shift);
    });
  }
  if (is_viewed) {
    t.view = read_view(in, shape);
    const std::optional<std::uint64_t> product = product_of(t.view);
    in.require(has_view(t) && product == stream.units && stream.units > 0 &&
                   stream.units <= std::uint64_t{1} << stream.segment_log2,
               "a view does not fit its tensor");
  }
  const std::size_t factors = read_factor_count(in, Field::kFactors);
  read_factors(in, factors, stream.units, dimensions_of(t, shape), last, t);
}

}  // namespace weft::archive
