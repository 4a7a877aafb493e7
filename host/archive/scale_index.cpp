#include "archive/scale_index.hpp"

#include <algorithm>

#include "archive/cuts.hpp"
#include "weft/core/rans_params.hpp"

namespace weft::archive {
namespace {

constexpr std::size_t kMaxFactors = 3;
constexpr std::uint64_t kApart = 1;  // the cuts of a factor's layout, at least

void put_layout(NumberWriter& out, const ScaleFactor& factor, const std::vector<std::uint64_t>& dimensions) {
  const std::uint64_t code = find_cut(dimensions, kApart, [&](const auto& sides) {
    return sides[1] == factor.codes.size() && sides[2] == factor.inner;
  });
  out.put(Field::kAxes, code, kind_of_rank(dimensions.size()));
  if (code != 0) return;
  out.put(Field::kFactorInner, factor.inner);
  out.put(Field::kFactorCount, factor.codes.size());
}

std::span<const std::int8_t> codes_alike(const LastStream& last, std::size_t count) {
  const auto found = last.codes.find(count);
  return found == last.codes.end() ? std::span<const std::int8_t>() : found->second;
}

void read_factor(NumberReader& in, std::uint64_t units, const std::vector<std::uint64_t>& dimensions, LastStream& last,
                 ScaleFactor& factor) {
  constexpr const char* kFault = "a scale factor does not divide its tensor";
  const std::uint64_t code = in.get(Field::kAxes, kind_of_rank(dimensions.size()));
  std::uint64_t count = 0, period = 0;
  if (code == 0) {
    factor.inner = in.get(Field::kFactorInner);
    count = in.get(Field::kFactorCount);
  } else {
    const std::optional<Cut> found = cut_of(code, dimensions, kApart);
    in.require(found && (*found)[1] && (*found)[2], kFault);
    count = *(*found)[1];
    factor.inner = *(*found)[2];
  }
  in.require(
      factor.inner > 0 && count > 0 && !__builtin_mul_overflow(factor.inner, count, &period) && units % period == 0,
      kFault);
  in.require_numbers(count, "there are more scale codes than bytes for them");
  last.scale_codes.begin_factor(codes_alike(last, count));
  factor.codes.reserve(count);
  for (std::uint64_t c = 0; c < count; c++)
    factor.codes.push_back(static_cast<std::int8_t>(in.get_by(last.scale_codes)));
  last.codes[count] = factor.codes;
}

}  // namespace

void put_base_class(NumberWriter& out, const Scales& scales, LastStream& last) {
  out.put_signed(Field::kBaseClass, scales.base_class - last.base_class);
  last.base_class = scales.base_class;
}

void put_factors(NumberWriter& out, const Scales& scales, const std::vector<std::uint64_t>& dimensions,
                 LastStream& last) {
  for (const ScaleFactor& factor : scales.factors) {
    put_layout(out, factor, dimensions);
    last.scale_codes.begin_factor(codes_alike(last, factor.codes.size()));
    for (const std::int8_t code : factor.codes) out.put_by(last.scale_codes, code);
    last.codes[factor.codes.size()] = factor.codes;
  }
}

void put_scales(NumberWriter& out, const Scales& scales, const std::vector<std::uint64_t>& shape, LastStream& last) {
  out.put(Field::kClassFactors, scales.factors.size());
  if (scales.factors.empty()) return;
  put_base_class(out, scales, last);
  put_factors(out, scales, shape, last);
}

void put_class_tables(NumberWriter& out, const SegmentRecord& segment, LastStream& last) {
  for (const std::uint32_t table : segment.class_tables) {
    out.put_signed(Field::kClassTable, table - last.class_table);
    last.class_table = table;
  }
}

void read_base_class(NumberReader& in, LastStream& last, Scales& scales) {
  last.base_class = static_cast<int>(
      in.get_next(Field::kBaseClass, last.base_class, -1024, 1024, "a stream has a base class out of range"));
  scales.base_class = static_cast<std::int16_t>(last.base_class);
}

std::size_t read_factor_count(NumberReader& in, Field field) {
  const std::uint64_t count = in.get(field);
  in.require(count <= kMaxFactors, "a stream has too many scale factors");
  return static_cast<std::size_t>(count);
}

void read_factors(NumberReader& in, std::size_t count, std::uint64_t units,
                  const std::vector<std::uint64_t>& dimensions, LastStream& last, Scales& scales) {
  for (std::size_t f = 0; f < count; f++) read_factor(in, units, dimensions, last, scales.factors.emplace_back());
}

void read_scales(NumberReader& in, const std::vector<std::uint64_t>& shape, LastStream& last, StreamRecord& stream) {
  const std::size_t factors = read_factor_count(in, Field::kClassFactors);
  if (factors == 0) return;
  in.require(stream.members.size() == 1 && stream.units > 0, "scale factors need one tensor that is not empty");
  in.require(bits_of(stream.dtype) == 8 * unit_bytes(stream.dtype), "scale factors need elements of one unit each");
  in.require(stream.codebook.dimension == 1, "scale factors need a codebook of scalars");
  read_base_class(in, last, stream.scales);
  read_factors(in, factors, stream.units, shape, last, stream.scales);
}

void read_class_tables(NumberReader& in, trellis::ClassRange classes, std::span<const FrequencyTable> tables,
                       LastStream& last, SegmentRecord& segment) {
  for (int c = classes.lowest; c <= classes.highest; c++) {
    last.class_table =
        in.get_next(Field::kClassTable, last.class_table, 0, static_cast<std::int64_t>(tables.size()) - 1,
                    "a class names a frequency table that does not exist");
    const auto number = static_cast<std::uint32_t>(last.class_table);
    in.require(!tables[number].pair_base, "a class names a table of pairs");
    segment.class_tables.push_back(number);
  }
  std::vector<std::uint32_t> different = segment.class_tables;
  std::sort(different.begin(), different.end());
  const auto end = std::unique(different.begin(), different.end());
  in.require(end - different.begin() <= std::ptrdiff_t{core::kMostClassTables},
             "the classes of a segment have too many frequency tables");
}

}  // namespace weft::archive
