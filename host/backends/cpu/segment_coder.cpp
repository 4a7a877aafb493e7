// The CPU backend: dispatches segments to codecs, with one coder per thread.
#include "backends/clusterer.hpp"
#include "backends/cpu/cpu_codec.hpp"
#include "backends/row_meter.hpp"
#include "trellis/scales.hpp"

namespace weft {

void EncodedSegment::clear() {
  tables.fill(std::nullopt);
  class_tables.clear();
  table_of_class.clear();
  corrections.fill(0);
  bytes.clear();
  block_sizes.clear();
  plane_bytes = 0;
}

SegmentView EncodedSegment::with_tables(SegmentView view) const {
  for (std::size_t i = 0; i < tables.size(); i++) view.tables[i] = tables[i] ? &*tables[i] : nullptr;
  view.class_tables.clear();
  for (const std::uint8_t number : table_of_class) view.class_tables.push_back(&class_tables[number]);
  view.corrections = corrections;
  return view;
}

namespace cpu {
namespace {

const CpuCodec& codec_of(CodecId id) {
  switch (id) {
    case CodecId::kRaw:
      return raw_codec();
    case CodecId::kLossless:
      return lossless_codec();
    case CodecId::kUniform:
      return uniform_codec();
    case CodecId::kAsset:
      return asset_codec();
    case CodecId::kCodebook:
      return codebook_codec();
    case CodecId::kTrellis:
      return trellis_codec();
  }
  return raw_codec();
}

class CpuSegmentCoder final : public SegmentCoder {
 public:
  explicit CpuSegmentCoder(const Kernels& kernels) : scratch_(kernels) {}

  void encode(const SegmentView& view, const CodecSpec& spec, std::span<const std::byte> units,
              EncodedSegment& out) override {
    out.clear();
    codec_of(view.codec).encode(scratch_, view, spec, units, out);
  }

  std::optional<BlockFault> decode(const SegmentView& view, std::uint32_t first,
                                   std::span<const std::span<const std::byte>> blocks,
                                   std::span<std::byte> units) override {
    const CpuCodec& codec = codec_of(view.codec);
    const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
    codec.prepare(scratch_, view);
    std::size_t at = 0;
    for (std::uint32_t i = 0; i < blocks.size(); i++) {
      const std::uint32_t block = first + i;
      const std::uint64_t n = view.block_units(block);
      archive::BlockView planes;
      std::string reason = planes.parse(blocks[i], {view.codec, n, codec.planes(view)}, scratch_.kernels.crc32c);
      if (reason.empty()) reason = codec.decode(scratch_, view, block, planes, units.subspan(at, n * unit_size));
      if (!reason.empty()) return BlockFault{block, std::move(reason)};
      at += n * unit_size;
    }
    return std::nullopt;
  }

 private:
  Scratch scratch_;
};

class CpuBackend final : public Backend {
 public:
  [[nodiscard]] std::string name() const override { return "cpu (" + std::string(active_kernels().name) + ")"; }
  [[nodiscard]] std::unique_ptr<SegmentCoder> make_coder() const override {
    return make_segment_coder(active_kernels());
  }
  [[nodiscard]] std::unique_ptr<Clusterer> make_clusterer() const override { return make_cpu_clusterer(); }
  [[nodiscard]] std::unique_ptr<RowMeter> make_row_meter() const override { return make_cpu_row_meter(); }
};

}  // namespace

std::unique_ptr<SegmentCoder> make_segment_coder(const Kernels& kernels) {
  return std::make_unique<CpuSegmentCoder>(kernels);
}

void CpuCodec::prepare(Scratch& scratch, const SegmentView& view) const {
  for (std::size_t i = 0; i < view.tables.size(); i++) scratch.decoders[i].set_table(view.tables[i]);
  if (!view.class_tables.empty())
    scratch.decoders[0].set_class_tables(trellis::class_range(*view.scales).lowest, view.class_tables);
}

std::optional<UnitClasses> classes_to_encode(Scratch& scratch, const SegmentView& view) {
  if (view.scales == nullptr) return std::nullopt;
  scratch.classes.resize(view.units);
  trellis::scale_classes(*view.scales, view.first_unit, scratch.classes);
  const trellis::ClassRange range = trellis::class_range(*view.scales);
  return UnitClasses{scratch.classes, range.lowest, range.highest};
}

std::span<const std::uint8_t> classes_to_decode(Scratch& scratch, const SegmentView& view, std::uint32_t block,
                                                std::uint64_t n, const archive::PlaneView& plane) {
  if (view.class_tables.empty() || plane.mode != archive::PlaneMode::kRans) return {};
  scratch.classes.resize(n);
  trellis::scale_classes(*view.scales, view.first_unit + (std::uint64_t{block} << view.block_log2), scratch.classes);
  return scratch.classes;
}

void put_tables(const Scratch& scratch, std::uint32_t planes, EncodedSegment& out) {
  for (std::size_t p = 0; p < out.tables.size(); p++)
    if ((planes >> p & 1) != 0) out.tables[p] = scratch.encoders[p].table();
  if ((planes & 1) == 0) return;
  out.class_tables = scratch.encoders[0].class_tables().tables;
  out.table_of_class = scratch.encoders[0].class_tables().table_of_class;
}

}  // namespace cpu

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<cpu::CpuBackend>(); }

}  // namespace weft
