// Codec lossless: byte planes, each constant, entropy-coded or raw (FORMAT.md 3.2).
//
// For floats plane 0 is the exponent (F16: and three bits of the mantissa), where nearly all of the redundancy is; the other
// planes are coded only where that saves more than spec.min_saving, because decoding them costs time.
#include "backends/cpu/cpu_codec.hpp"

namespace weft::cpu {
namespace {

// One-byte floats are coded whole, and rotating them would only rename the symbols.
bool rotates(DType dtype) {
  switch (dtype) {
    case DType::kF16:
    case DType::kBF16:
    case DType::kF32:
    case DType::kF64:
    case DType::kC64:
      return true;
    default:
      return false;
  }
}

class LosslessCodec final : public CpuCodec {
 public:
  [[nodiscard]] int planes(int unit_bytes) const override { return unit_bytes; }

  void encode(Scratch& scratch, const SegmentView& view, const CodecSpec& spec, std::span<const std::byte> units,
              EncodedSegment& out) const override {
    const int count = unit_bytes(view.dtype);
    const std::size_t n = view.units;
    std::array<std::uint8_t*, 8> planes{};
    for (int p = 0; p < count; p++) {
      scratch.planes[p].resize(n);
      planes[p] = scratch.planes[p].data();
    }
    scratch.kernels.split(units.data(), n, count, rotates(view.dtype), planes.data());
    for (int p = 0; p < count; p++) {
      std::uint64_t counts[256] = {};
      scratch.kernels.histogram(planes[p], n, counts);
      out.tables[p] = choose_table(counts, p == 0 ? 0 : spec.min_saving);
    }
    std::array<bool, 8> used{};
    for (int p = 0; p < count; p++) scratch.encoders[p].set_table(out.tables[p] ? &*out.tables[p] : nullptr);
    for (std::uint32_t b = 0; b < view.block_count(); b++) {
      const std::size_t begin = std::size_t{b} << view.block_log2, size = view.block_units(b);
      archive::BlockBuilder block(out.bytes, size, count);
      for (int p = 0; p < count; p++) used[p] |= scratch.encoders[p].encode({planes[p] + begin, size}, block);
      out.block_sizes.push_back(block.finish(scratch.kernels.crc32c));
      out.plane_bytes += block.plane_bytes();
    }
    for (int p = 0; p < count; p++)
      if (!used[p]) out.tables[p].reset();
  }

  [[nodiscard]] std::string decode(Scratch& scratch, const SegmentView& view, std::uint32_t,
                                   const archive::BlockView& block, std::span<std::byte> units) const override {
    const int count = unit_bytes(view.dtype);
    const std::size_t n = units.size() / static_cast<std::size_t>(count);
    std::array<const std::uint8_t*, 8> planes{};
    for (int p = 0; p < count; p++) {
      scratch.planes[p].resize(n);
      std::string fault = scratch.decoders[p].decode(block.plane(p), n, scratch.planes[p].data(), planes[p]);
      if (!fault.empty()) return fault;
    }
    scratch.kernels.merge(planes.data(), n, count, rotates(view.dtype), units.data());
    return "";
  }
};

}  // namespace

const CpuCodec& lossless_codec() noexcept {
  static const LosslessCodec codec;
  return codec;
}

}  // namespace weft::cpu
