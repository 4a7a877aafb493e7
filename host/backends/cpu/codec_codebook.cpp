// Codec codebook: weights, or vectors of neighbouring weights, become indices of entries (FORMAT.md 3.3). Values that are not
// finite are exceptions.
#include <algorithm>
#include <cstring>

#include "backends/codebook_groups.hpp"
#include "backends/cpu/codebook_indices.hpp"
#include "backends/cpu/cpu_codec.hpp"
#include "backends/cpu/exceptions.hpp"
#include "backends/cpu/look_up.hpp"
#include "backends/planes.hpp"
#include "weft/core/dequantize.hpp"

namespace weft::cpu {
namespace {

using archive::PlaneMode;

constexpr char kBeyond[] = "an index is beyond the end of its codebook";

// Copies the entries of indices [begin, end) to their places; false when one is beyond the end.
template <std::size_t kDim>
bool copy_entries(const Codebook& book, const std::uint8_t* high, const std::uint8_t* low, std::uint64_t begin,
                  std::uint64_t end, float* out) {
  const std::size_t entries = book.entries();
  for (std::uint64_t i = begin; i < end; i++) {
    const std::size_t index = high != nullptr ? std::size_t{high[i]} << 8 | low[i] : low[i];
    if (index >= entries) return false;
    std::memcpy(out + i * kDim, book.values.data() + index * kDim, kDim * sizeof(float));
  }
  return true;
}

class CodebookCodec final : public CpuCodec {
 public:
  [[nodiscard]] int planes(const SegmentView& view) const override { return view.codebook->index_bytes + 1; }

  void encode(Scratch& scratch, const SegmentView& view, const CodecSpec& spec, std::span<const std::byte> units,
              EncodedSegment& out) const override {
    scratch.values.resize(view.units);
    scratch.kernels.to_float(view.dtype, units.data(), view.units, scratch.values.data());
    choose_indices(scratch, view, spec.pin_zero);
    const std::optional<UnitClasses> classes = classes_to_encode(scratch, view);
    scratch.encoders[0].begin(scratch.planes[0], 0, pair_window(view, spec), classes);
    const std::size_t tables = scratch.encoders[0].class_tables().tables.size();
    if (tables > 0 && has_price_by_class(view)) {
      choose_indices_by_class(scratch, view, spec.pin_zero, scratch.encoders[0].table_numbers(), tables);
      scratch.encoders[0].begin(scratch.planes[0], 0, pair_window(view, spec), classes);
    }
    if (view.codebook->index_bytes == 2) scratch.encoders[1].begin(scratch.planes[1], 0, pair_window(view, spec));
    write_blocks(scratch, view, units, out);
  }

  [[nodiscard]] std::string decode(Scratch& scratch, const SegmentView& view, std::uint32_t block_index,
                                   const archive::BlockView& block, std::span<std::byte> units) const override {
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    const std::size_t n = units.size() / unit_size;
    const CodebookStream& stream = *view.codebook;
    const std::uint64_t vectors = vectors_in(n, stream.dimension);
    const auto classes = classes_to_decode(scratch, view, block_index, vectors, block.plane(0));
    const std::uint8_t* symbols[2] = {};
    for (std::size_t p = 0; p < stream.index_bytes; p++) {
      scratch.planes[p].resize(vectors);
      std::string fault = scratch.decoders[p].decode(block.plane(static_cast<int>(p)), vectors,
                                                     scratch.planes[p].data(), symbols[p], classes);
      if (!fault.empty()) return fault;
    }
    const std::uint64_t first = view.first_unit + (std::uint64_t{block_index} << view.block_log2);
    const bool ok = has_byte_scalars(stream) ? restore_by_table(scratch, view, symbols[0], n, units)
                                             : restore(scratch, view, first, symbols, n, units);
    return ok ? apply_exceptions(block.plane(stream.index_bytes), unit_size, units) : kBeyond;
  }

 private:
  static bool restore_by_table(Scratch& scratch, const SegmentView& view, const std::uint8_t* symbols, std::size_t n,
                               std::span<std::byte> units) {
    const std::vector<float>& values = view.codebooks[view.codebook->books[0]].values;
    std::uint8_t largest = 0;
    for (std::size_t i = 0; i < n; i++) largest = std::max(largest, symbols[i]);
    if (largest >= values.size()) return false;
    look_up(scratch.kernels, view.dtype, values, symbols, n, units.data());
    return true;
  }

  static bool restore(Scratch& scratch, const SegmentView& view, std::uint64_t first,
                      const std::uint8_t* const symbols[2], std::size_t n, std::span<std::byte> units) {
    const CodebookStream& stream = *view.codebook;
    const bool wide = stream.index_bytes == 2;
    const std::uint8_t *high = wide ? symbols[0] : nullptr, *low = wide ? symbols[1] : symbols[0];
    const auto copy = stream.dimension == 1   ? copy_entries<1>
                      : stream.dimension == 2 ? copy_entries<2>
                      : stream.dimension == 4 ? copy_entries<4>
                                              : copy_entries<8>;
    scratch.values.resize(vectors_in(n, stream.dimension) * stream.dimension);
    bool ok = true;
    for_groups(stream, first, n, [&](std::size_t group, std::uint64_t begin, std::uint64_t end) {
      ok = ok && copy(view.codebooks[stream.books[group]], high, low, begin, end, scratch.values.data());
    });
    if (ok) scratch.kernels.from_float(view.dtype, scratch.values.data(), n, units.data());
    return ok;
  }

  static void write_blocks(Scratch& scratch, const SegmentView& view, std::span<const std::byte> units,
                           EncodedSegment& out) {
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    const std::size_t d = view.codebook->dimension, planes = view.codebook->index_bytes;
    std::uint32_t used = 0;  // bit p: plane p of some block needs its tables
    std::vector<std::byte> exceptions;
    for (std::uint32_t b = 0; b < view.block_count(); b++) {
      const std::size_t begin = std::size_t{b} << view.block_log2, n = view.block_units(b);
      archive::BlockBuilder block(out.bytes, n, static_cast<int>(planes) + 1);
      for (std::size_t p = 0; p < planes; p++)
        used |= static_cast<std::uint32_t>(
                    scratch.encoders[p].encode(begin / d, vectors_in(n, view.codebook->dimension), block))
                << p;
      collect_exceptions(
          units.subspan(begin * unit_size, n * unit_size), unit_size,
          [&](std::size_t i) { return !core::is_finite(scratch.values[begin + i]); }, exceptions);
      block.add_bytes(PlaneMode::kRaw, exceptions);
      out.block_sizes.push_back(block.finish(scratch.kernels.crc32c));
      out.plane_bytes += block.plane_bytes();
    }
    put_tables(scratch, used, out);
  }
};

}  // namespace

const CpuCodec& codebook_codec() noexcept {
  static const CodebookCodec codec;
  return codec;
}

}  // namespace weft::cpu
