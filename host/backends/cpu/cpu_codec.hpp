// One codec on the CPU: how a segment's units become planes and back.
//
// To add a codec: one file that implements this, one line in segment_coder.cpp, its parameters in the config's field table
// and its paragraph in FORMAT.md.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "archive/block.hpp"
#include "backends/backend.hpp"
#include "backends/cpu/plane_coder.hpp"
#include "backends/cpu/trellis_block.hpp"

namespace weft::cpu {

// What a coder keeps from call to call: memory, and the tables it built last.
struct Scratch {
  explicit Scratch(const Kernels& k)
      : kernels(k), encoders(per_plane<PlaneEncoder>(k)), decoders(per_plane<PlaneDecoder>(k)) {}
  const Kernels& kernels;
  std::array<PlaneEncoder, 8> encoders;
  std::array<PlaneDecoder, 8> decoders;
  std::array<std::vector<std::uint8_t>, 8> planes;
  std::vector<std::uint8_t> classes;
  std::vector<float> values;
  std::vector<std::int32_t> fixed;
  std::vector<std::byte> frame;
  TrellisWork trellis;

 private:
  template <class T>
  static std::array<T, 8> per_plane(const Kernels& k) {
    return {T(k), T(k), T(k), T(k), T(k), T(k), T(k), T(k)};
  }
};

class CpuCodec {
 public:
  virtual ~CpuCodec() = default;
  [[nodiscard]] virtual int planes(const SegmentView& view) const = 0;
  virtual void encode(Scratch& scratch, const SegmentView& view, const CodecSpec& spec,
                      std::span<const std::byte> units, EncodedSegment& out) const = 0;
  // Once before the blocks of a segment: tables and the like.
  virtual void prepare(Scratch& scratch, const SegmentView& view) const;
  // Decodes one block to `units`; returns an empty string or what is wrong with it.
  [[nodiscard]] virtual std::string decode(Scratch& scratch, const SegmentView& view, std::uint32_t block,
                                           const archive::BlockView& planes, std::span<std::byte> units) const = 0;
};

// The classes of a segment's units, if its stream has scales. Borrows from the scratch memory.
[[nodiscard]] std::optional<UnitClasses> classes_to_encode(Scratch& scratch, const SegmentView& view);
// The classes of n units of a block, if this is a plane 0 that is coded by them.
[[nodiscard]] std::span<const std::uint8_t> classes_to_decode(Scratch& scratch, const SegmentView& view,
                                                              std::uint32_t block, std::uint64_t n,
                                                              const archive::PlaneView& plane);
// Notes the tables of the encoders of those planes whose bit is set.
void put_tables(const Scratch& scratch, std::uint32_t planes, EncodedSegment& out);

// Units to the byte planes of codec lossless.
void split_planes(Scratch& scratch, DType dtype, std::span<const std::byte> units);
// Whether lossless coding tries zstd on a block of these units: many of their words occur more than once.
[[nodiscard]] bool repeats_often(std::span<const std::byte> units, int unit_size) noexcept;

// A coder on this kernel set; make_cpu_backend() uses the best one.
[[nodiscard]] std::unique_ptr<SegmentCoder> make_segment_coder(const Kernels& kernels);

[[nodiscard]] const CpuCodec& raw_codec() noexcept;
[[nodiscard]] const CpuCodec& lossless_codec() noexcept;
[[nodiscard]] const CpuCodec& uniform_codec() noexcept;
[[nodiscard]] const CpuCodec& asset_codec() noexcept;
[[nodiscard]] const CpuCodec& codebook_codec() noexcept;
[[nodiscard]] const CpuCodec& trellis_codec() noexcept;

}  // namespace weft::cpu
