// Codec codebook: every weight becomes the index of an entry (FORMAT.md 3.3). Values that are not finite are exceptions.
//
// * A weight's entry is the nearest by the value that a decoder restores, not by the one that the archive stores.
// * Which entry is the cheapest is a matter of thresholds (cluster/boundaries.hpp), with a bit's price or without.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "backends/cpu/cpu_codec.hpp"
#include "backends/cpu/exceptions.hpp"
#include "backends/cpu/look_up.hpp"
#include "cluster/boundaries.hpp"

namespace weft::cpu {
namespace {

using archive::PlaneMode;

constexpr int kPriceRounds =
    3;  // indices and their code lengths follow each other; later rounds change next to nothing

// [i]: the largest float that goes to entry i or a lower one. Padded with what no float exceeds, for a search in full steps.
using Thresholds = std::array<float, 255>;

Thresholds make_thresholds(std::span<const double> entries, std::span<const double> bits, double bit_price) {
  const cluster::Boundaries boundaries = cluster::boundaries_of(entries, bits, bit_price);
  Thresholds upper;
  upper.fill(std::numeric_limits<float>::infinity());
  auto* next = std::fill_n(upper.data(), boundaries.clusters[0], -std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < boundaries.thresholds.size(); i++)
    next = std::fill_n(next, boundaries.clusters[i + 1] - boundaries.clusters[i],
                       cluster::largest_float_up_to(boundaries.thresholds[i]));
  return upper;
}

bool is_finite(float value) { return (std::bit_cast<std::uint32_t>(value) & 0x7F800000u) != 0x7F800000u; }

class CodebookCodec final : public CpuCodec {
 public:
  [[nodiscard]] int planes(int) const override { return 2; }

  void encode(Scratch& scratch, const SegmentView& view, const CodecSpec& spec, std::span<const std::byte> units,
              EncodedSegment& out) const override {
    const std::size_t n = view.units, count = view.codebook->centroids.size();
    const Kernels& kernels = scratch.kernels;
    scratch.values.resize(n);
    kernels.to_float(view.dtype, units.data(), n, scratch.values.data());
    auto& symbols = scratch.planes[0];
    symbols.resize(n);
    const std::vector<double> entries = restored_entries(kernels, view);
    std::vector<double> bits;
    const auto choose = [&] {
      const Thresholds upper = make_thresholds(entries, bits, view.codebook->bit_price);
      kernels.search(scratch.values.data(), n, upper.data(), static_cast<int>(std::bit_width(count - 1)),
                     symbols.data());
    };
    choose();
    for (int round = 0; view.codebook->bit_price > 0 && round < kPriceRounds; round++) {
      std::uint64_t counts[256] = {};
      std::uint16_t frequencies[256];
      kernels.histogram(symbols.data(), n, counts);
      core::normalise(counts, frequencies);
      bits.resize(count);
      for (std::size_t i = 0; i < count; i++) bits[i] = bits_of_symbol(frequencies[i]);
      // A pinned zero is never dearer than another entry, so zeros stay zeros.
      const auto zero = std::find(entries.begin(), entries.end(), 0.0);
      if (spec.pin_zero && zero != entries.end())
        bits[static_cast<std::size_t>(zero - entries.begin())] = *std::min_element(bits.begin(), bits.end());
      choose();
    }
    std::optional<core::WindowTies> pairs;
    if (spec.pairs) pairs = core::WindowTies::kMiddle;
    scratch.encoders[0].begin(symbols, 0, pairs);
    out.tables[0] = scratch.encoders[0].table();
    write_blocks(scratch, view, units, out);
  }

  [[nodiscard]] std::string decode(Scratch& scratch, const SegmentView& view, std::uint32_t,
                                   const archive::BlockView& block, std::span<std::byte> units) const override {
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    const std::size_t n = units.size() / unit_size;
    auto& buffer = scratch.planes[0];
    buffer.resize(n);
    const std::uint8_t* symbols = nullptr;
    std::string fault = scratch.decoders[0].decode(block.plane(0), n, buffer.data(), symbols);
    if (!fault.empty()) return fault;
    std::uint8_t largest = 0;
    for (std::size_t i = 0; i < n; i++) largest = std::max(largest, symbols[i]);
    const auto& centroids = view.codebook->centroids;
    if (largest >= centroids.size()) return "an index is beyond the end of its codebook";
    look_up(scratch.kernels, view.dtype, centroids, symbols, n, units.data());
    return apply_exceptions(block.plane(1), unit_size, units);
  }

 private:
  static double bits_of_symbol(std::uint16_t frequency) {
    if (frequency == 0) return core::kProbBits + 2;
    return static_cast<double>(core::code_length(frequency)) / 256;
  }

  static std::vector<double> restored_entries(const Kernels& kernels, const SegmentView& view) {
    const auto& centroids = view.codebook->centroids;
    std::vector<std::byte> units(centroids.size() * static_cast<std::size_t>(unit_bytes(view.dtype)));
    std::vector<float> entries(centroids.size());
    kernels.from_float(view.dtype, centroids.data(), centroids.size(), units.data());
    kernels.to_float(view.dtype, units.data(), centroids.size(), entries.data());
    return {entries.begin(), entries.end()};
  }

  static void write_blocks(Scratch& scratch, const SegmentView& view, std::span<const std::byte> units,
                           EncodedSegment& out) {
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    bool used = false;
    std::vector<std::byte> exceptions;
    for (std::uint32_t b = 0; b < view.block_count(); b++) {
      const std::size_t begin = std::size_t{b} << view.block_log2, n = view.block_units(b);
      archive::BlockBuilder block(out.bytes, n, 2);
      used |= scratch.encoders[0].encode(begin, n, block);
      collect_exceptions(
          units.subspan(begin * unit_size, n * unit_size), unit_size,
          [&](std::size_t i) { return !is_finite(scratch.values[begin + i]); }, exceptions);
      block.add_bytes(PlaneMode::kRaw, exceptions);
      out.block_sizes.push_back(block.finish(scratch.kernels.crc32c));
      out.plane_bytes += block.plane_bytes();
    }
    if (!used) out.tables[0].reset();
  }
};

}  // namespace

const CpuCodec& codebook_codec() noexcept {
  static const CodebookCodec codec;
  return codec;
}

}  // namespace weft::cpu
