// Codec trellis: trellis-coded quantization with scale classes and prediction (FORMAT.md 3.4, core/trellis.hpp).
//
// * A weight far from every level that its tables can say is coded as some near level and stored apart, as a whole number of
//   steps: 32 bits. Values that are not finite, and those beyond that, are stored as they are.
// * A block that all this does not make smaller holds its units as they are.
#include <algorithm>
#include <bit>
#include <cmath>

#include "archive/bytes.hpp"
#include "backends/cpu/cpu_codec.hpp"
#include "backends/cpu/trellis_block.hpp"
#include "backends/planes.hpp"
#include "weft/core/quantize.hpp"

namespace weft::cpu {
namespace {

using archive::PlaneMode;

float value_of(std::int32_t level, const SegmentView& view) {
  return core::weight_at(*view.trellis, core::fine_level(level, view.corrections.data()));
}

// How far weights lie inside of their levels, by the level's size: 0 (which does not count), 1, 2, and 3 or more.
//
// In several parts, for one sum would have to wait for itself; such sums are exact (core::InwardOfRun, which does the same in
// registers alone: here that takes 15 % more of the encode time).
class Inward {
 public:
  void add(std::uint32_t i, std::int32_t level, float offset) {
    Sum& sum = parts_[i % kParts][static_cast<std::size_t>(std::min(std::abs(level), 3))];
    // -offset unless the level is negative: a branch would be a guess.
    const std::uint32_t flip = ~static_cast<std::uint32_t>(level) & 0x80000000u;
    sum.inside += static_cast<double>(std::bit_cast<float>(std::bit_cast<std::uint32_t>(offset) ^ flip));
    sum.count += 1;
  }
  [[nodiscard]] std::array<std::int8_t, 3> corrections() const {
    std::array<std::int8_t, 3> result{};
    for (std::size_t k = 0; k < 3; k++) {
      Sum all;
      for (const auto& part : parts_) {
        all.inside += part[k + 1].inside;
        all.count += part[k + 1].count;
      }
      result[k] = trellis_correction(all.inside, all.count);
    }
    return result;
  }

 private:
  static constexpr std::uint32_t kParts = 4;
  struct Sum {
    double inside = 0, count = 0;
  };
  std::array<std::array<Sum, 4>, kParts> parts_{};
};

class TrellisCodec final : public CpuCodec {
 public:
  [[nodiscard]] int planes(const SegmentView&) const override { return 2; }

  void encode(Scratch& scratch, const SegmentView& view, const CodecSpec& spec, std::span<const std::byte> units,
              EncodedSegment& out) const override {
    TrellisTables& tables = scratch.trellis.cache.tables(*view.shape);
    tables.prepare_encode(*view.trellis);
    make_predictor(*view.trellis, scratch.trellis);
    scratch.values.resize(view.units);
    scratch.kernels.to_float(view.dtype, units.data(), view.units, scratch.values.data());
    const float inverse = steps_in_unit(view.trellis->fine_step);
    const float offset = offset_in_steps(*view.trellis);
    for (float& value : scratch.values) value = value * inverse - offset;
    Inward inward;
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    for (std::uint32_t b = 0; b < view.block_count(); b++) {
      const std::size_t begin = std::size_t{b} << view.block_log2, n = view.block_units(b);
      encode_block(scratch, view, tables, begin, units.subspan(begin * unit_size, n * unit_size), inward, out);
    }
    if (spec.correct_reconstruction) out.corrections = inward.corrections();
  }

  void prepare(Scratch& scratch, const SegmentView& view) const override {
    scratch.trellis.cache.tables(*view.shape).prepare_decode(*view.trellis);
    make_predictor(*view.trellis, scratch.trellis);
    scratch.trellis.levels.resize(2 * core::kLevelBias);
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(scratch.trellis.levels.size()); i++)
      scratch.trellis.levels[static_cast<std::size_t>(i)] =
          value_of(i - static_cast<std::int32_t>(core::kLevelBias), view);
  }

  [[nodiscard]] std::string decode(Scratch& scratch, const SegmentView& view, std::uint32_t block_index,
                                   const archive::BlockView& block, std::span<std::byte> units) const override {
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    const std::size_t n = units.size() / unit_size;
    const archive::PlaneView& plane = block.plane(0);
    if (plane.mode == PlaneMode::kRaw) {
      const archive::PlaneView& far = block.plane(1);
      if (plane.bytes.size() != units.size() || far.mode != PlaneMode::kRaw || !far.bytes.empty())
        return "its raw units have the wrong size";
      std::copy(plane.bytes.begin(), plane.bytes.end(), units.begin());
      return "";
    }
    if (plane.mode != PlaneMode::kRans) return "a plane has a mode that its codec does not use";
    if (plane.bytes.size() % 2 != 0) return "a coded plane has an odd size";
    const core::Weave order = weave_for(scratch.kernels, n, plane.lanes_log2);
    weave_classes(scratch.trellis, *view.trellis, view.first_unit + (std::uint64_t{block_index} << view.block_log2),
                  order);
    scratch.trellis.woven_levels.resize(order.elements());
    const core::Status status =
        scratch.kernels.trellis(order.width)
            .decode(mode_of(*view.trellis), order, predictor_of(*view.trellis, scratch.trellis),
                    scratch.trellis.places.data(), scratch.trellis.woven_classes.data(),
                    reinterpret_cast<const std::uint16_t*>(plane.bytes.data()),
                    static_cast<std::uint32_t>(plane.bytes.size() / 2),
                    scratch.trellis.cache.tables(*view.shape).decode(), scratch.trellis.woven_levels.data());
    if (std::string fault = fault_of(status); !fault.empty()) return fault;
    restore(scratch, view, order, units);
    return put_far(view, block.plane(1), unit_size, units);
  }

 private:
  static void encode_block(Scratch& scratch, const SegmentView& view, const TrellisTables& tables, std::size_t begin,
                           std::span<const std::byte> units, Inward& inward, EncodedSegment& out) {
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    const std::size_t n = units.size() / unit_size;
    const core::Weave order = weave_for(scratch.kernels, n, trellis_lanes_log2(n));
    const std::span<const float> values(scratch.values.data() + begin, n);
    TrellisWork& work = scratch.trellis;
    weave_classes(work, *view.trellis, view.first_unit + begin, order);
    quantize_block(scratch.kernels, *view.trellis, search_tables(tables), values, order, work);
    collect_far(work, view, order, values, units, inward);
    work.words.resize(core::encode_bound_words(n));
    std::uint16_t* end = work.words.data() + work.words.size();
    const std::size_t count =
        scratch.kernels.trellis(order.width).encode(order, work.entries.data(), tables.encode(), end);

    const auto words = std::as_bytes(std::span(end - count, count));
    const bool is_coded = words.size() + work.far.size() < units.size();
    out.block_sizes.push_back(
        is_coded ? archive::put_trellis_block(out.bytes, trellis_lanes_log2(n), words, work.far, scratch.kernels.crc32c)
                 : archive::put_raw_trellis_block(out.bytes, units, scratch.kernels.crc32c));
    out.plane_bytes += is_coded ? words.size() + work.far.size() : units.size();
  }

  // The records of what the levels miss by too much; the others' offsets are summed up.
  static void collect_far(TrellisWork& work, const SegmentView& view, const core::Weave& order,
                          std::span<const float> values, std::span<const std::byte> units, Inward& inward) {
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    const float largest = largest_level(view.dtype, *view.trellis), limit = far_limit(*view.trellis);
    work.far.clear();
    std::vector<std::byte> exact;
    for_woven(order, [&](std::uint32_t i, std::size_t at) {
      const std::int32_t level = work.woven_levels[at] - static_cast<std::int32_t>(core::kLevelBias);
      const float offset = values[i] - static_cast<float>(level);
      const bool strays = view.trellis->pins_zero && values[i] == 0 && level != 0;
      if (offset * offset <= limit && std::fabs(static_cast<float>(level)) <= largest && !strays)
        return inward.add(i, level, offset);
      const bool fits = std::fabs(values[i]) < largest;  // false for NaN
      const std::int32_t stored = fits ? static_cast<std::int32_t>(std::lrint(values[i])) : core::kFarExact;
      std::byte record[4];
      archive::store_le(record, core::far_record(i, stored));
      work.far.insert(work.far.end(), record, record + 4);
      if (fits) return;
      const auto unit = units.subspan(i * unit_size, unit_size);
      exact.insert(exact.end(), unit.begin(), unit.end());
    });
    work.far.insert(work.far.end(), exact.begin(), exact.end());
  }

  static void restore(Scratch& scratch, const SegmentView& view, const core::Weave& order, std::span<std::byte> units) {
    scratch.values.resize(order.n);
    const std::uint16_t* levels = scratch.trellis.woven_levels.data();
    const float* table = scratch.trellis.levels.data();
    float* values = scratch.values.data();
    for_woven(order,
              [=](std::uint32_t i, std::size_t at) { values[i] = table[levels[at] & (2 * core::kLevelBias - 1)]; });
    scratch.kernels.from_float(view.dtype, scratch.values.data(), order.n, units.data());
  }

  [[nodiscard]] static std::string put_far(const SegmentView& view, const archive::PlaneView& plane,
                                           std::size_t unit_size, std::span<std::byte> units) {
    if (plane.mode != PlaneMode::kRaw) return "its far weights have the wrong mode";
    const std::size_t n = units.size() / unit_size;
    const auto count = far_records(plane.bytes, unit_size);
    if (!count) return "its far weights have the wrong size";
    std::uint64_t next = 0;
    std::size_t at = 4 * std::size_t{*count};
    for (std::size_t i = 0; i < *count; i++) {
      const auto record = archive::load_le<std::uint32_t>(plane.bytes.data() + 4 * i);
      const std::uint32_t position = core::far_position(record);
      if (position < next || position >= n) return "the positions of its far weights are not ascending";
      next = std::uint64_t{position} + 1;
      const std::int32_t level = core::far_level(record);
      std::byte* unit = units.data() + position * unit_size;
      if (level == core::kFarExact) {
        std::copy_n(plane.bytes.begin() + static_cast<std::ptrdiff_t>(at), unit_size, unit);
        at += unit_size;
      } else {
        const float value = core::weight_at(*view.trellis, level * (1 << core::kFineBits));
        portable_kernels().from_float(view.dtype, &value, 1, unit);
      }
    }
    return "";
  }
};

}  // namespace

const CpuCodec& trellis_codec() noexcept {
  static const TrellisCodec codec;
  return codec;
}

}  // namespace weft::cpu
