#include "archive/trellis_index.hpp"

#include <algorithm>
#include <cmath>

#include "archive/index.hpp"
#include "backends/cpu/kernels.hpp"
#include "weft/core/frequency.hpp"
#include "weft/core/trellis.hpp"

namespace weft::archive {
namespace {

constexpr std::size_t kMaxFactors = 3;
constexpr std::uint64_t kCodesPerByte = 1024;  // so that a small section cannot ask for a large allocation
constexpr int kCodeZero = 128;                 // the symbol of code 0
constexpr std::uint32_t kMostCodesCoded = 1u << 30;

enum Flag : std::uint8_t { kStatesMask = 15, kKeepsZero = 16, kPredicts = 32, kHasView = 64 };
enum Coding : std::uint8_t { kRawCodes = 0, kRansCodes = 1 };

std::vector<std::uint8_t> gather_codes(const Index& index) {
  std::vector<std::uint8_t> symbols;
  for (const StreamRecord& stream : index.streams)
    for (const ScaleFactor& factor : stream.trellis.factors)
      for (const std::int8_t code : factor.codes) symbols.push_back(static_cast<std::uint8_t>(code + kCodeZero));
  return symbols;
}

int lanes_log2_for_codes(std::uint64_t n) {
  int log2 = 0;
  while (log2 < core::kLanesLog2 && n >> (log2 + 11) != 0) log2++;
  return log2;
}

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
                                        (stream.predicts ? kPredicts : 0) | (has_view(stream) ? kHasView : 0)));
  out.put_varint(stream.shape);
  out.put_signed_varint(stream.base_class);
  if (stream.predicts) {
    for (const std::int8_t tap : stream.taps) out.put(tap);
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
  in.require(flags < 128 && t.states_log2 >= core::kMinStatesLog2 && t.states_log2 <= core::kMaxStatesLog2,
             "a trellis stream has invalid flags");
  const std::uint64_t shape = in.get_varint();
  in.require(shape < shapes, "a trellis stream names a shape that does not exist");
  t.shape = static_cast<std::uint32_t>(shape);
  const std::int64_t base = in.get_signed_varint();
  in.require(base >= -1024 && base <= 1024, "a trellis stream has a base class out of range");
  t.base_class = static_cast<std::int16_t>(base);
  if (t.predicts) {
    for (std::int8_t& tap : t.taps) tap = in.get<std::int8_t>();
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

void put_scale_codes(ByteWriter& out, const Index& index) {
  const std::vector<std::uint8_t> symbols = gather_codes(index);
  std::uint64_t counts[256] = {};
  for (const std::uint8_t s : symbols) counts[s]++;
  std::uint16_t frequencies[256];
  const int distinct = core::normalise(counts, frequencies);
  if (distinct >= 2 && symbols.size() < kMostCodesCoded) {
    core::EncodeTable table;
    core::build_encode_table(frequencies, table);
    std::vector<std::uint16_t> words(core::encode_bound_words(symbols.size()));
    const int lanes_log2 = lanes_log2_for_codes(symbols.size());
    std::uint16_t* end = words.data() + words.size();
    const std::uint32_t count = cpu::active_kernels().rans_encode(
        symbols.data(), static_cast<std::uint32_t>(symbols.size()), lanes_log2, table, end);
    int first = 0, last = 255;
    while (frequencies[first] == 0) first++;
    while (frequencies[last] == 0) last--;
    const std::size_t size = 2 * std::size_t{count} + 2 * static_cast<std::size_t>(last - first + 1);
    if (size < symbols.size() && symbols.size() <= kCodesPerByte * 2 * count) {
      out.put_u8(kRansCodes);
      out.put_u8(static_cast<std::uint64_t>(first));
      out.put_u8(static_cast<std::uint64_t>(last - first));
      for (int s = first; s <= last; s++) out.put_varint(frequencies[s]);
      out.put_u8(static_cast<std::uint64_t>(lanes_log2));
      const auto bytes = std::as_bytes(std::span(end - count, count));
      out.bytes().insert(out.bytes().end(), bytes.begin(), bytes.end());
      return;
    }
  }
  out.put_u8(kRawCodes);
  for (const std::uint8_t s : symbols) out.put_u8(s);
}

void read_scale_codes(ByteReader& in, const std::vector<std::uint64_t>& code_counts, Index& index) {
  std::uint64_t total = 0;
  for (const std::uint64_t count : code_counts)
    in.require(!__builtin_add_overflow(total, count, &total), "there are too many scale codes");
  const std::uint8_t coding = in.get_u8();
  in.require(coding <= kRansCodes, "unknown coding of the scale codes");
  in.require(total <= in.left() * (coding == kRansCodes ? kCodesPerByte : 1),
             "there are more scale codes than bytes for them");
  std::vector<std::uint8_t> symbols(total);
  if (coding == kRawCodes) {
    const auto bytes = in.take(total);
    std::copy_n(reinterpret_cast<const std::uint8_t*>(bytes.data()), total, symbols.begin());
  } else {
    const std::size_t first = in.get_u8(), count = std::size_t{in.get_u8()} + 1;
    in.require(first + count <= 256 && total < kMostCodesCoded, "the table of the scale codes has symbols above 255");
    std::uint16_t frequencies[256] = {};
    std::uint64_t sum = 0, present = 0;
    for (std::size_t s = first; s < first + count; s++) {
      const std::uint64_t f = in.get_varint();
      in.require(f < core::kProbScale, "a frequency is too large");
      frequencies[s] = static_cast<std::uint16_t>(f);
      sum += f;
      present += f != 0;
    }
    in.require(sum == core::kProbScale && present >= 2, "the frequencies of the scale codes do not sum to 4096");
    in.require(frequencies[first] != 0 && frequencies[first + count - 1] != 0,
               "the table of the scale codes begins or ends with zero");
    const int lanes_log2 = in.get_u8();
    in.require(lanes_log2 <= core::kLanesLog2 && in.left() % 2 == 0, "the scale codes have an odd size");
    std::vector<std::uint32_t> table(core::kProbScale);
    core::build_decode_table(frequencies, table.data());
    const auto bytes = in.take(in.left());
    std::vector<std::uint16_t> words(bytes.size() / 2);
    std::copy_n(bytes.begin(), bytes.size(), reinterpret_cast<std::byte*>(words.data()));
    const core::Status status =
        cpu::active_kernels().rans_decode(words.data(), static_cast<std::uint32_t>(words.size()), lanes_log2,
                                          table.data(), static_cast<std::uint32_t>(total), symbols.data());
    in.require(status == core::Status::kOk, "the scale codes cannot be decoded");
  }
  std::size_t next = 0, at = 0;
  for (StreamRecord& stream : index.streams)
    for (ScaleFactor& factor : stream.trellis.factors) {
      factor.codes.resize(code_counts[next]);
      for (std::int8_t& code : factor.codes) code = static_cast<std::int8_t>(symbols[at++] - kCodeZero);
      next++;
    }
}

}  // namespace weft::archive
