// Codec raw: units as they are. Codec asset: a file's bytes through zstd, for what is not weights (FORMAT.md 3.3).
#include <algorithm>

#include "archive/zstd_frame.hpp"
#include "backends/cpu/cpu_codec.hpp"

namespace weft::cpu {
namespace {

using archive::BlockBuilder;
using archive::BlockView;
using archive::PlaneMode;

constexpr int kZstdLevel = 15;

std::string copy_raw(const archive::PlaneView& plane, std::span<std::byte> units) {
  if (plane.bytes.size() != units.size()) return "a raw plane has the wrong size";
  std::copy(plane.bytes.begin(), plane.bytes.end(), units.begin());
  return "";
}

template <class AddPlane>
void for_blocks(Scratch& scratch, const SegmentView& view, std::span<const std::byte> units, EncodedSegment& out,
                AddPlane add_plane) {
  const auto unit_size = static_cast<std::size_t>(unit_bytes(view.dtype));
  for (std::uint32_t b = 0; b < view.block_count(); b++) {
    const std::size_t n = view.block_units(b);
    BlockBuilder block(out.bytes, n, 1);
    add_plane(block, units.subspan((std::size_t{b} << view.block_log2) * unit_size, n * unit_size));
    out.block_sizes.push_back(block.finish(scratch.kernels.crc32c));
    out.plane_bytes += block.plane_bytes();
  }
}

class RawCodec final : public CpuCodec {
 public:
  [[nodiscard]] int planes(const SegmentView&) const override { return 1; }
  void encode(Scratch& scratch, const SegmentView& view, const CodecSpec&, std::span<const std::byte> units,
              EncodedSegment& out) const override {
    for_blocks(scratch, view, units, out,
               [](BlockBuilder& block, std::span<const std::byte> bytes) { block.add_bytes(PlaneMode::kRaw, bytes); });
  }
  [[nodiscard]] std::string decode(Scratch&, const SegmentView&, std::uint32_t, const BlockView& planes,
                                   std::span<std::byte> units) const override {
    if (planes.plane(0).mode != PlaneMode::kRaw) return "a plane has a mode that its codec does not use";
    return copy_raw(planes.plane(0), units);
  }
};

class AssetCodec final : public CpuCodec {
 public:
  [[nodiscard]] int planes(const SegmentView&) const override { return 1; }
  void encode(Scratch& scratch, const SegmentView& view, const CodecSpec&, std::span<const std::byte> units,
              EncodedSegment& out) const override {
    std::vector<std::byte> frame;
    for_blocks(scratch, view, units, out, [&](BlockBuilder& block, std::span<const std::byte> bytes) {
      if (archive::write_zstd_frame(bytes, kZstdLevel, frame) < bytes.size())
        block.add_bytes(PlaneMode::kZstd, frame);
      else
        block.add_bytes(PlaneMode::kRaw, bytes);
    });
  }
  [[nodiscard]] std::string decode(Scratch&, const SegmentView&, std::uint32_t, const BlockView& planes,
                                   std::span<std::byte> units) const override {
    const auto& plane = planes.plane(0);
    if (plane.mode == PlaneMode::kRaw) return copy_raw(plane, units);
    if (plane.mode != PlaneMode::kZstd) return "a plane has a mode that its codec does not use";
    return archive::read_zstd_frame(plane.bytes, units);
  }
};

}  // namespace

const CpuCodec& raw_codec() noexcept {
  static const RawCodec codec;
  return codec;
}

const CpuCodec& asset_codec() noexcept {
  static const AssetCodec codec;
  return codec;
}

}  // namespace weft::cpu
