// Codec uniform: scalar quantization with a rate-distortion choice of levels (FORMAT.md 3.3, core/quantize.hpp).
//
// Levels that no symbol can say, and values that are not finite, are exceptions: stored as they are, bit by bit.
#include <algorithm>
#include <cmath>

#include "backends/cpu/cpu_codec.hpp"
#include "backends/cpu/exceptions.hpp"
#include "backends/cpu/look_up.hpp"
#include "backends/cpu/uniform_steps.hpp"
#include "backends/planes.hpp"
#include "weft/core/level_choice.hpp"

namespace weft::cpu {
namespace {

using archive::PlaneMode;
using core::kOutOfRange;

// upper[i] is the largest fixed-point value that stays below level lowest + i.
using Thresholds = std::array<std::int32_t, 257>;

// Without low bits a level is a symbol.
Thresholds make_thresholds(const std::uint16_t* frequencies, double lambda) {
  const std::int64_t weight = lambda_weight(lambda);
  Thresholds upper;
  for (int symbol = 0; symbol <= 256; symbol++)
    upper[static_cast<std::size_t>(symbol)] = core::level_threshold(frequencies, weight, symbol);
  return upper;
}

std::array<std::int8_t, 3> corrections_of(const InwardSums& sums) {
  return {core::correction_of(sums.inward[0], sums.count[0]), core::correction_of(sums.inward[1], sums.count[1]),
          core::correction_of(sums.inward[2], sums.count[2])};
}

class UniformCodec final : public CpuCodec {
 public:
  [[nodiscard]] int planes(const SegmentView&) const override { return 3; }

  void encode(Scratch& scratch, const SegmentView& view, const CodecSpec& spec, std::span<const std::byte> units,
              EncodedSegment& out) const override {
    const std::size_t n = view.units;
    const int low_bits = view.uniform->low_bits;
    to_fixed(scratch, view, units);
    auto& symbols = scratch.planes[0];
    auto& low = scratch.planes[1];
    symbols.resize(n);
    low.resize(low_bits > 0 ? n : 0);
    if (low_bits > 0) {
      scratch.kernels.quantize_fine(scratch.fixed.data(), n, low_bits, symbols.data(), low.data());
    } else {
      const auto quantize = [&](const Thresholds& upper) {
        scratch.kernels.quantize(scratch.fixed.data(), n, upper.data(), symbols.data());
      };
      quantize(make_thresholds(nullptr, 0));
      if (spec.lambda > 0) {
        std::uint64_t counts[256] = {};
        std::uint16_t frequencies[256];
        scratch.kernels.histogram(symbols.data(), n, counts);
        core::normalise(counts, frequencies);
        quantize(make_thresholds(frequencies, spec.lambda));
      }
    }
    if (spec.correct_reconstruction) {
      InwardSums sums;
      scratch.kernels.sum_inward(scratch.fixed.data(), n, low_bits, symbols.data(), low.data(), sums);
      out.corrections = corrections_of(sums);
    }
    mark_overflows(scratch, view, out.corrections);
    scratch.encoders[0].begin(symbols, 0, pair_window(view, spec));
    out.tables[0] = scratch.encoders[0].table();
    write_blocks(scratch, view, units, out);
  }

  [[nodiscard]] std::string decode(Scratch& scratch, const SegmentView& view, std::uint32_t block_index,
                                   const archive::BlockView& block, std::span<std::byte> units) const override {
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    const std::size_t n = units.size() / unit_size;
    const int low_bits = view.uniform->low_bits;
    auto& buffer = scratch.planes[0];
    buffer.resize(n);
    const std::uint8_t* symbols = nullptr;
    std::string fault = scratch.decoders[0].decode(block.plane(0), n, buffer.data(), symbols);
    if (!fault.empty()) return fault;
    const auto& low = block.plane(1);
    const std::size_t low_bytes = low_bits_bytes(n, low_bits);
    if (low.mode != PlaneMode::kRaw || low.bytes.size() != low_bytes) return "its low bits have the wrong size";
    if (low_bits == 4 && n % 2 != 0 && (low.bytes.back() >> 4) != std::byte{0})
      return "an unused half of its low bits is set";
    const std::uint64_t first = view.first_unit + (std::uint64_t{block_index} << view.block_log2);
    dequantize(scratch, view, first, symbols, reinterpret_cast<const std::uint8_t*>(low.bytes.data()), n, units);
    return apply_exceptions(block.plane(2), unit_size, units);
  }

 private:
  static void to_fixed(Scratch& scratch, const SegmentView& view, std::span<const std::byte> units) {
    const std::size_t n = view.units;
    scratch.values.resize(n);
    scratch.fixed.resize(n);
    scratch.kernels.to_float(view.dtype, units.data(), n, scratch.values.data());
    const float limit = core::fixed_limit(view.uniform->low_bits);
    for_steps(*view.uniform, view.first_unit, n, [&](std::uint64_t begin, std::uint64_t end, float fine_step) {
      const float inverse = core::inverse_step(fine_step);
      scratch.kernels.to_fixed(scratch.values.data() + begin, end - begin, inverse, limit,
                               scratch.fixed.data() + begin);
    });
  }

  // Weights near the end of the element type's range, whose restored value would be infinite, become exceptions. (F64 goes
  // through float32 too.)
  static void mark_overflows(Scratch& scratch, const SegmentView& view, const std::array<std::int8_t, 3>& corrections) {
    const auto& low = scratch.planes[1];
    const int low_bits = view.uniform->low_bits;
    for_steps(*view.uniform, view.first_unit, view.units, [&](std::uint64_t begin, std::uint64_t end, float fine_step) {
      if (!may_overflow(view.dtype, low_bits, fine_step)) return;
      for (std::uint64_t i = begin; i < end; i++) {
        const std::int32_t level = core::level_of(scratch.planes[0][i], low_bits > 0 ? low[i] : 0, low_bits);
        const double value = static_cast<double>(core::fine_level(level, corrections.data())) * fine_step;
        if (std::abs(value) > largest_value(view.dtype)) scratch.fixed[i] = kOutOfRange;
      }
    });
  }

  static void write_blocks(Scratch& scratch, const SegmentView& view, std::span<const std::byte> units,
                           EncodedSegment& out) {
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    const int low_bits = view.uniform->low_bits;
    bool used = false;
    std::vector<std::uint8_t> packed;
    std::vector<std::byte> exceptions;
    for (std::uint32_t b = 0; b < view.block_count(); b++) {
      const std::size_t begin = std::size_t{b} << view.block_log2, n = view.block_units(b);
      archive::BlockBuilder block(out.bytes, n, 3);
      used |= scratch.encoders[0].encode(begin, n, block);
      if (low_bits == 4) {
        packed.assign((n + 1) / 2, 0);
        for (std::size_t i = 0; i < n; i++)
          packed[i / 2] = static_cast<std::uint8_t>(packed[i / 2] | scratch.planes[1][begin + i] << (4 * (i & 1)));
        block.add_bytes(PlaneMode::kRaw, std::as_bytes(std::span(packed)));
      } else {
        const std::size_t size = low_bits == 8 ? n : 0;
        block.add_bytes(PlaneMode::kRaw,
                        std::as_bytes(std::span(scratch.planes[1]).subspan(size != 0 ? begin : 0, size)));
      }
      collect_exceptions(
          units.subspan(begin * unit_size, n * unit_size), unit_size,
          [&](std::size_t i) { return scratch.fixed[begin + i] == kOutOfRange; }, exceptions);
      block.add_bytes(PlaneMode::kRaw, exceptions);
      out.block_sizes.push_back(block.finish(scratch.kernels.crc32c));
      out.plane_bytes += block.plane_bytes();
    }
    if (!used) out.tables[0].reset();
  }

  static void dequantize(Scratch& scratch, const SegmentView& view, std::uint64_t first, const std::uint8_t* symbols,
                         const std::uint8_t* low, std::size_t n, std::span<std::byte> units) {
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    const int low_bits = view.uniform->low_bits;
    std::array<float, 256> fine;
    for (std::uint32_t s = 0; s < 256; s++)
      fine[s] = static_cast<float>(core::fine_level(core::level_of(s, 0, 0), view.corrections.data()));
    for_steps(*view.uniform, first, n, [&](std::uint64_t begin, std::uint64_t end, float step) {
      const std::uint64_t size = end - begin;
      std::byte* out = units.data() + begin * unit_size;
      if (low_bits == 0 && size > 256) {  // there are only 256 different weights
        std::array<float, 256> values = fine;
        for (float& value : values) value *= step;
        return look_up(scratch.kernels, view.dtype, values, symbols + begin, size, out);
      }
      scratch.values.resize(size);
      for (std::uint64_t i = 0; i < size; i++) {
        const std::uint64_t at = begin + i;
        if (low_bits == 0) {
          scratch.values[i] = fine[symbols[at]] * step;
        } else {
          const std::uint32_t bits = low_bits == 8 ? low[at] : low[at / 2] >> (4 * (at & 1)) & 15u;
          const std::int32_t level = core::level_of(symbols[at], bits, low_bits);
          scratch.values[i] = static_cast<float>(core::fine_level(level, view.corrections.data())) * step;
        }
      }
      scratch.kernels.from_float(view.dtype, scratch.values.data(), size, out);
    });
  }
};

}  // namespace

const CpuCodec& uniform_codec() noexcept {
  static const UniformCodec codec;
  return codec;
}

}  // namespace weft::cpu
