#include "backends/cuda/known_blocks.hpp"

#include <algorithm>

#include "archive/bytes.hpp"
#include "backends/codebook_groups.hpp"
#include "backends/cpu/plane_coder.hpp"
#include "backends/cuda/class_batch.hpp"
#include "backends/cuda/look_up_batch.hpp"
#include "backends/planes.hpp"

namespace weft::cuda {

using archive::PlaneMode;
using archive::PlaneView;

namespace {

bool by_table(const UniformStream& uniform) { return uniform.low_bits == 0 && uniform.scale_codes.empty(); }

// Whether the device can read n one-byte symbols from this plane.
bool knows_symbols(const PlaneView& plane, std::uint64_t n, const FrequencyTable* table) {
  switch (plane.mode) {
    case PlaneMode::kRaw:
      return plane.bytes.size() == n;
    case PlaneMode::kConstant:
      return true;
    case PlaneMode::kRans:
      return table != nullptr && plane.bytes.size() % 2 == 0 &&
             (!table->pair_base || cpu::split_pairs(plane.bytes, n).has_value());
    default:
      return false;
  }
}

bool knows_exceptions(const PlaneView& exceptions, const SegmentView& view) {
  return exceptions.mode == PlaneMode::kRaw &&
         exceptions.bytes.size() % (4 + static_cast<std::size_t>(unit_bytes(view.dtype))) == 0;
}

bool knows_uniform(const archive::BlockView& planes, const SegmentView& view, std::uint64_t n) {
  const int low_bits = view.uniform->low_bits;
  const PlaneView &low = planes.plane(1), &exceptions = planes.plane(2);
  if (low.mode != PlaneMode::kRaw || low.bytes.size() != low_bits_bytes(n, low_bits)) return false;
  if (low_bits == 4 && n % 2 != 0 && (low.bytes.back() >> 4) != std::byte{0}) return false;
  return knows_exceptions(exceptions, view);
}

const std::vector<float>& entries_of(const SegmentView& view) { return view.codebooks[view.codebook->books[0]].values; }

bool knows_classes(const SegmentView& view, const PlaneView& plane) {
  return plane.bytes.size() % 2 == 0 && fits_device(*view.scales, cpu::different_tables(view.class_tables));
}

// Whether every symbol that the plane can say is below `count`. Planes of which that is not sure go to the CPU.
bool symbols_below(std::size_t count, const PlaneView& plane, const FrequencyTable* table) {
  if (plane.mode == PlaneMode::kConstant) return plane.constant < count;
  if (plane.mode == PlaneMode::kRaw)
    return std::all_of(plane.bytes.begin(), plane.bytes.end(),
                       [count](std::byte symbol) { return static_cast<std::size_t>(symbol) < count; });
  if (!table->pair_base) return table->first + table->frequencies.size() <= count;
  for (std::size_t i = 0; i < table->frequencies.size(); i++) {
    const auto pair = static_cast<std::uint32_t>(table->first + i);
    if (table->frequencies[i] != 0 && (core::first_of_pair(pair, *table->pair_base) >= count ||
                                       core::second_of_pair(pair, *table->pair_base) >= count))
      return false;
  }
  const auto records = cpu::split_pairs(plane.bytes, 0)->records;
  for (std::size_t i = 0; i < records.size(); i += core::kRecordBytes)
    if (core::symbol_of_record(archive::load_le<std::uint32_t>(records.data() + i)) >= count) return false;
  return true;
}

}  // namespace

int plane_count(const SegmentView& view) {
  switch (view.codec) {
    case CodecId::kLossless:
      return unit_bytes(view.dtype);
    case CodecId::kUniform:
      return 3;
    case CodecId::kCodebook:
      return view.codebook->index_bytes + 1;
    case CodecId::kTrellis:
      return 2;
    default:
      return 1;
  }
}

bool has_weights(const SegmentView& view) {
  return view.codec == CodecId::kUniform || (view.codec == CodecId::kCodebook && !needs_look_up(view));
}

std::uint64_t symbols_in(const SegmentView& view, std::uint64_t n) {
  return view.codec == CodecId::kCodebook ? vectors_in(n, view.codebook->dimension) : n;
}

bool stores_units(const SegmentView& view) { return view.codec == CodecId::kRaw || view.codec == CodecId::kTrellis; }

DecodeOp op_of(const SegmentView& view) {
  if (stores_units(view)) return DecodeOp::kMerge1;
  if (view.codec == CodecId::kLossless) {
    switch (unit_bytes(view.dtype)) {
      case 1:
        return DecodeOp::kMerge1;
      case 2:
        return DecodeOp::kMerge2;
      case 4:
        return DecodeOp::kMerge4;
      default:
        return DecodeOp::kMerge8;
    }
  }
  const bool table = view.codec == CodecId::kCodebook || by_table(*view.uniform);
  switch (view.dtype) {
    case DType::kBF16:
      return table ? DecodeOp::kTableBF16 : DecodeOp::kStepsBF16;
    case DType::kF16:
      return table ? DecodeOp::kTableF16 : DecodeOp::kStepsF16;
    case DType::kF32:
      return table ? DecodeOp::kTableF32 : DecodeOp::kStepsF32;
    default:  // by a table it would need more registers than it has, and F64 is rare
      return DecodeOp::kStepsF64;
  }
}

std::optional<DecodeOp> pair_op_of(DecodeOp op) {
  switch (op) {
    case DecodeOp::kMerge1:
      return DecodeOp::kPairs1;
    case DecodeOp::kMerge2:
      return DecodeOp::kPairs2;
    case DecodeOp::kMerge4:
      return DecodeOp::kPairs4;
    case DecodeOp::kTableBF16:
      return DecodeOp::kPairsBF16;
    case DecodeOp::kTableF16:
      return DecodeOp::kPairsF16;
    case DecodeOp::kTableF32:
      return DecodeOp::kPairsF32;
    default:
      return std::nullopt;
  }
}

void fill_entries(const SegmentView& view, std::uint32_t* entries) {
  const auto& values = entries_of(view);
  const auto narrow = [&](float value) {
    return view.dtype == DType::kBF16  ? core::FloatUnit<core::FloatType::kBF16>::narrow(value)
           : view.dtype == DType::kF16 ? core::FloatUnit<core::FloatType::kF16>::narrow(value)
                                       : core::FloatUnit<core::FloatType::kF32>::narrow(value);
  };
  for (std::size_t i = 0; i < 256; i++) entries[i] = i < values.size() ? narrow(values[i]) : 0;
}

bool by_class(const SegmentView& view, const archive::BlockView& planes, int plane) {
  return plane == 0 && planes.plane(0).mode == PlaneMode::kRans && !view.class_tables.empty();
}

bool knows_block(const SegmentView& view, const archive::BlockView& planes, std::uint64_t n) {
  if (stores_units(view))
    return planes.plane(0).mode == PlaneMode::kRaw &&
           planes.plane(0).bytes.size() == n * static_cast<std::uint64_t>(unit_bytes(view.dtype)) &&
           (view.codec == CodecId::kRaw || (planes.plane(1).mode == PlaneMode::kRaw && planes.plane(1).bytes.empty()));
  const bool by_index = view.codec == CodecId::kCodebook;
  const int coded = view.codec == CodecId::kUniform ? 1 : by_index ? view.codebook->index_bytes : plane_count(view);
  for (int p = 0; p < coded; p++)
    if (by_class(view, planes, p)
            ? !knows_classes(view, planes.plane(p))
            : !knows_symbols(planes.plane(p), symbols_in(view, n), view.tables[static_cast<std::size_t>(p)]))
      return false;
  if (view.codec == CodecId::kUniform) return knows_uniform(planes, view, n);
  if (!by_index) return true;
  if (!knows_exceptions(planes.plane(coded), view)) return false;
  if (needs_look_up(view)) return true;
  const auto below = [&](const FrequencyTable* table) {
    return symbols_below(entries_of(view).size(), planes.plane(0), table);
  };
  return by_class(view, planes, 0) ? std::all_of(view.class_tables.begin(), view.class_tables.end(), below)
                                   : below(view.tables[0]);
}

bool decodes_on_device(CodecId codec) noexcept {
  return codec == CodecId::kRaw || codec == CodecId::kLossless || codec == CodecId::kUniform ||
         codec == CodecId::kCodebook || codec == CodecId::kTrellis;
}

}  // namespace weft::cuda
