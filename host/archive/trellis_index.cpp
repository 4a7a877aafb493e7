#include "archive/trellis_index.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include "archive/index.hpp"
#include "archive/scale_codes.hpp"
#include "weft/core/trellis.hpp"

namespace weft::archive {
namespace {

constexpr std::size_t kMaxFactors = 3;

// Those of a place that do not reach before its period's begin.
std::size_t stored_taps(const TrellisStream& stream, std::size_t place) {
  constexpr std::size_t kAll = core::kMaxTaps;
  return stream.taps.size() == 1 ? kAll : std::min(place, kAll);
}

enum Flag : std::uint8_t { kStatesMask = 15, kKeepsZero = 16, kPredicts = 32, kHasView = 64, kHasOffset = 128 };

}  // namespace

void put_shapes(ByteWriter& out, const std::vector<Shape>& shapes) {
  out.put_varint(shapes.size());
  for (const Shape& shape : shapes) {
    const auto is_set = [](std::uint16_t weight) { return weight != 0; };
    const auto first = std::find_if(shape.begin(), shape.end(), is_set);
    const auto last = std::find_if(shape.rbegin(), shape.rend(), is_set).base();
    out.put_u8(static_cast<std::uint64_t>(first - shape.begin()));
    out.put_u8(static_cast<std::uint64_t>(last - first - 1));
    for (auto weight = first; weight != last; weight++) out.put_varint(*weight);
  }
}

void read_shapes(ByteReader& in, std::vector<Shape>& shapes) {
  const std::size_t count = in.get_count(3);
  for (std::size_t i = 0; i < count; i++) {
    Shape shape{};
    const std::size_t first = in.get_u8(), weights = std::size_t{in.get_u8()} + 1;
    in.require(first + weights <= shape.size(), "a shape has too many triangles");
    std::uint64_t sum = 0;
    for (std::size_t t = first; t < first + weights; t++) {
      const std::uint64_t weight = in.get_varint();
      in.require(weight <= core::kProbScale, "a weight of a shape is too large");
      sum += weight;
      shape[t] = static_cast<std::uint16_t>(weight);
    }
    in.require(sum == core::kProbScale, "the weights of a shape do not sum to 4096");
    in.require(shape[first] != 0 && shape[first + weights - 1] != 0, "a shape begins or ends with zero");
    shapes.push_back(shape);
  }
}

void put_trellis(ByteWriter& out, const TrellisStream& stream) {
  out.put(stream.fine_step);
  out.put_u8(static_cast<std::uint64_t>(stream.states_log2 | (stream.keeps_zero ? kKeepsZero : 0) |
                                        (stream.predicts ? kPredicts : 0) | (has_view(stream) ? kHasView : 0) |
                                        (stream.offset != 0 ? kHasOffset : 0)));
  if (stream.offset != 0) out.put_signed_varint(stream.offset);
  out.put_varint(stream.shape);
  out.put_signed_varint(stream.base_class);
  if (stream.predicts) {
    out.put_varint(stream.taps.size());
    for (const std::int8_t shift : stream.shifts) out.put(shift);
  }
  if (has_view(stream))
    for (const std::uint64_t size : stream.view) out.put_varint(size);
  out.put_u8(stream.factors.size());
  for (const ScaleFactor& factor : stream.factors) {
    out.put_varint(factor.inner);
    out.put_varint(factor.codes.size());
  }
}

void read_trellis(ByteReader& in, std::uint64_t elements, std::size_t shapes, StreamRecord& stream,
                  std::vector<std::uint64_t>& code_counts) {
  in.require(stream.members.size() == 1 && is_quantizable(stream.dtype), "a trellis stream needs one tensor of floats");
  TrellisStream& t = stream.trellis;
  t.fine_step = in.get<float>();
  in.require(std::isnormal(t.fine_step) && t.fine_step > 0, "a step is not a positive normal number");
  const std::uint8_t flags = in.get_u8();
  t.states_log2 = flags & kStatesMask;
  t.keeps_zero = (flags & kKeepsZero) != 0;
  t.predicts = (flags & kPredicts) != 0;
  in.require(t.states_log2 >= core::kMinStatesLog2 && t.states_log2 <= core::kMaxStatesLog2,
             "a trellis stream has invalid flags");
  if ((flags & kHasOffset) != 0) {
    const std::int64_t offset = in.get_signed_varint();
    in.require(offset != 0 && offset >= -core::kMaxOffset && offset <= core::kMaxOffset,
               "a trellis stream has an offset out of range");
    t.offset = static_cast<std::int32_t>(offset);
  }
  const std::uint64_t shape = in.get_varint();
  in.require(shape < shapes, "a trellis stream names a shape that does not exist");
  t.shape = static_cast<std::uint32_t>(shape);
  const std::int64_t base = in.get_signed_varint();
  in.require(base >= -1024 && base <= 1024, "a trellis stream has a base class out of range");
  t.base_class = static_cast<std::int16_t>(base);
  if (t.predicts) {
    const std::uint64_t period = in.get_varint();
    in.require(period <= core::kMaxPeriod, "a trellis stream has taps of too long a period");
    t.taps.resize(period);
    for (std::int8_t& shift : t.shifts) {
      shift = in.get<std::int8_t>();
      in.require(std::abs(shift) <= core::kMaxShift, "a shift of classes is too large");
    }
  }
  if ((flags & kHasView) != 0) {
    std::uint64_t product = 1;
    for (std::uint64_t& size : t.view) {
      size = in.get_varint();
      in.require(size > 0 && !__builtin_mul_overflow(product, size, &product), "a view of no size or too large");
    }
    in.require(has_view(t) && product == elements && product <= std::uint64_t{1} << stream.segment_log2,
               "a view does not fit its tensor");
  }
  const std::size_t factors = in.get_u8();
  in.require(factors <= kMaxFactors, "a trellis stream has too many scale factors");
  for (std::size_t f = 0; f < factors; f++) {
    ScaleFactor factor;
    factor.inner = in.get_varint();
    const std::uint64_t count = in.get_varint();
    std::uint64_t period = 0;
    in.require(factor.inner > 0 && count > 0 && !__builtin_mul_overflow(factor.inner, count, &period) &&
                   elements % period == 0,
               "a scale factor does not divide its tensor");
    t.factors.push_back(std::move(factor));
    code_counts.push_back(count);
  }
}

namespace {

// Calls f(tap, the same tap of the last stream before with such a period, or 0) for each stored tap of a stream. Tensors of a
// network are alike.
class TapWalk {
 public:
  template <class Stream, class F>
  void walk(Stream& stream, F f) {
    if (stream.taps.empty()) return;
    auto& before = before_[stream.taps.size()];
    before.resize(stream.taps.size());
    for (std::size_t place = 0; place < stream.taps.size(); place++)
      for (std::size_t i = 0; i < stored_taps(stream, place); i++) {
        f(stream.taps[place][i], before[place][i]);
        before[place][i] = stream.taps[place][i];
      }
  }

 private:
  std::map<std::size_t, decltype(TrellisStream::taps)> before_;  // by period
};

std::size_t count_taps(const TrellisStream& stream) {
  std::size_t count = 0;
  for (std::size_t place = 0; place < stream.taps.size(); place++) count += stored_taps(stream, place);
  return count;
}

}  // namespace

void put_taps(ByteWriter& out, const Index& index) {
  std::vector<std::vector<std::int8_t>> codes;
  TapWalk taps;
  for (const StreamRecord& stream : index.streams) {
    codes.emplace_back();  // none are coded as nothing
    taps.walk(stream.trellis, [&](std::int8_t tap, std::int8_t before) {
      codes.back().push_back(static_cast<std::int8_t>(tap - before));  // modulo 256
    });
  }
  const std::vector<std::span<const std::int8_t>> spans(codes.begin(), codes.end());
  put_codes(out, spans);
}

void read_taps(ByteReader& in, Index& index) {
  std::vector<std::vector<std::int8_t>> codes;
  std::uint64_t total = 0;
  for (const StreamRecord& stream : index.streams) {
    codes.emplace_back(count_taps(stream.trellis));
    total += codes.back().size();
  }
  in.require(total / kCodesPerByte <= in.left(), "there are more taps than bytes for them");
  const std::vector<std::span<std::int8_t>> spans(codes.begin(), codes.end());
  read_codes(in, spans);
  TapWalk taps;
  for (std::size_t s = 0; s < codes.size(); s++) {
    const std::int8_t* code = codes[s].data();
    taps.walk(index.streams[s].trellis,
              [&](std::int8_t& tap, std::int8_t before) { tap = static_cast<std::int8_t>(before + *code++); });
  }
}

void put_scale_codes(ByteWriter& out, const Index& index) {
  std::vector<std::span<const std::int8_t>> factors;
  for (const StreamRecord& stream : index.streams)
    for (const ScaleFactor& factor : stream.trellis.factors) factors.emplace_back(factor.codes);
  put_codes(out, factors);
}

void read_scale_codes(ByteReader& in, const std::vector<std::uint64_t>& code_counts, Index& index) {
  std::uint64_t total = 0;
  for (const std::uint64_t count : code_counts)
    in.require(!__builtin_add_overflow(total, count, &total), "there are too many scale codes");
  in.require(total / kCodesPerByte <= in.left(), "there are more scale codes than bytes for them");
  std::vector<std::span<std::int8_t>> factors;
  std::size_t next = 0;
  for (StreamRecord& stream : index.streams)
    for (ScaleFactor& factor : stream.trellis.factors) {
      factor.codes.resize(code_counts[next++]);
      factors.emplace_back(factor.codes);
    }
  read_codes(in, factors);
}

}  // namespace weft::archive
