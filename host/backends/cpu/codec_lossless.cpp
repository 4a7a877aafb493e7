// Codec lossless: byte planes, each constant, entropy-coded or raw (FORMAT.md 3.3).
//
// Read me first:
// * For floats plane 0 is the exponent (F16: and three bits of the mantissa), where nearly all of the redundancy is; the
//   other planes are coded only where that saves more than spec.min_saving, because decoding them costs time.
// * Order-0 coding cannot see that values repeat, as in windowed Fourier bases, index tables and padded embeddings. A block
//   with many repeats is tried with zstd, which then replaces all planes of that block.
#include <cstring>

#include "archive/zstd_frame.hpp"
#include "backends/cpu/cpu_codec.hpp"
#include "backends/planes.hpp"

namespace weft::cpu {
namespace {

using archive::PlaneMode;

constexpr int kTrialLevel = 3, kFinalLevel = 9;

class LosslessCodec final : public CpuCodec {
 public:
  [[nodiscard]] int planes(const SegmentView& view) const override { return unit_bytes(view.dtype); }

  void encode(Scratch& scratch, const SegmentView& view, const CodecSpec& spec, std::span<const std::byte> units,
              EncodedSegment& out) const override {
    const int count = unit_bytes(view.dtype);
    split_planes(scratch, view.dtype, units);
    scratch.encoders[0].begin(scratch.planes[0], 0, pair_window(view, spec), classes_to_encode(scratch, view));
    for (int p = 1; p < count; p++) scratch.encoders[p].begin(scratch.planes[p], spec.min_saving, std::nullopt);
    std::uint32_t used = 0;  // bit p: plane p of some block needs its tables
    for (std::uint32_t b = 0; b < view.block_count(); b++) {
      const std::size_t begin = std::size_t{b} << view.block_log2, size = view.block_units(b);
      const std::size_t block_begin = out.bytes.size();
      archive::BlockBuilder block(out.bytes, size, count);
      std::uint32_t block_used = 0;
      for (int p = 0; p < count; p++)
        block_used |= static_cast<std::uint32_t>(scratch.encoders[p].encode(begin, size, block)) << p;
      const auto block_units =
          units.subspan(begin * static_cast<std::size_t>(count), size * static_cast<std::size_t>(count));
      if (repeats_often(block_units, count) && compress_well(block_units, block.plane_bytes(), scratch.frame)) {
        out.bytes.resize(block_begin);
        archive::BlockBuilder whole(out.bytes, size, count);
        whole.add_bytes(PlaneMode::kZstd, scratch.frame);
        for (int p = 1; p < count; p++) whole.add_constant(0);
        out.block_sizes.push_back(whole.finish(scratch.kernels.crc32c));
        out.plane_bytes += whole.plane_bytes();
      } else {
        used |= block_used;
        out.block_sizes.push_back(block.finish(scratch.kernels.crc32c));
        out.plane_bytes += block.plane_bytes();
      }
    }
    put_tables(scratch, used, out);
  }

  [[nodiscard]] std::string decode(Scratch& scratch, const SegmentView& view, std::uint32_t block_index,
                                   const archive::BlockView& block, std::span<std::byte> units) const override {
    const int count = unit_bytes(view.dtype);
    if (block.plane(0).mode == PlaneMode::kZstd) {
      for (int p = 1; p < count; p++)
        if (block.plane(p).mode != PlaneMode::kConstant || block.plane(p).constant != 0)
          return "a plane that its zstd frame stands for is not empty";
      return archive::read_zstd_frame(block.plane(0).bytes, units);
    }
    const std::size_t n = units.size() / static_cast<std::size_t>(count);
    const auto classes = classes_to_decode(scratch, view, block_index, n, block.plane(0));
    std::array<const std::uint8_t*, 8> planes{};
    for (int p = 0; p < count; p++) {
      scratch.planes[p].resize(n);
      std::string fault = scratch.decoders[p].decode(block.plane(p), n, scratch.planes[p].data(), planes[p], classes);
      if (!fault.empty()) return fault;
    }
    scratch.kernels.merge(planes.data(), n, count, rotates(view.dtype), units.data());
    return "";
  }

 private:
  // Whether zstd makes the block an eighth smaller than its planes are, which is what its slower decoding has to be worth.
  // The stronger level is slow, so it runs only where the weak one has shown that it will pay.
  static bool compress_well(std::span<const std::byte> units, std::uint64_t plane_bytes,
                            std::vector<std::byte>& frame) {
    const std::uint64_t limit = plane_bytes - plane_bytes / 8;
    return archive::write_zstd_frame(units, kTrialLevel, frame) < limit &&
           archive::write_zstd_frame(units, kFinalLevel, frame) < limit;
  }
};

}  // namespace

void split_planes(Scratch& scratch, DType dtype, std::span<const std::byte> units) {
  const int count = unit_bytes(dtype);
  const std::size_t n = units.size() / static_cast<std::size_t>(count);
  std::array<std::uint8_t*, 8> planes{};
  for (int p = 0; p < count; p++) {
    scratch.planes[p].resize(n);
    planes[p] = scratch.planes[p].data();
  }
  scratch.kernels.split(units.data(), n, count, rotates(dtype), planes.data());
}

// One word in 16 is looked at, chosen by its hash, so that a
// repeat is seen at any distance. Words are long enough to be rare by chance: 4 bytes for 4-byte units, else 8.
bool repeats_often(std::span<const std::byte> bytes, int unit_size) noexcept {
  const std::size_t step = unit_size == 4 ? 4 : 8;
  std::array<std::uint64_t, 4096> seen{};
  std::uint32_t sampled = 0, repeated = 0;
  for (std::size_t at = 0; at + step <= bytes.size(); at += step) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, step);
    const std::uint64_t hash = (word + 1) * 0x9E3779B97F4A7C15u;
    if ((hash >> 60) != 0) continue;
    std::uint64_t& slot = seen[hash >> 48];
    sampled++;
    repeated += slot == hash ? 1 : 0;
    slot = hash;
  }
  return repeated > sampled / 16;
}

const CpuCodec& lossless_codec() noexcept {
  static const LosslessCodec codec;
  return codec;
}

}  // namespace weft::cpu
