// The layout of a block (FORMAT.md 3): checksum, plane descriptors, planes.
//
// BlockBuilder writes one of any codec but trellis, whose blocks have a shorter head; BlockView reads one. A BlockView checks
// the block's shape (sizes, modes, reserved bits, zero padding) before it hands out a plane; what a plane means is the codec's
// business.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "weft/config.hpp"

namespace weft::archive {

inline constexpr int kMaxPlanes = 8;
inline constexpr std::uint32_t kMaxPlaneBytes = (1u << 24) - 1;

using ChecksumFunction = std::uint32_t (*)(const std::uint8_t* data, std::size_t n);

enum class PlaneMode : std::uint8_t { kRaw = 0, kConstant = 1, kRans = 2, kZstd = 3 };

// Large blocks are aligned for vector loads. Small ones are not worth the padding, nor are those of codec trellis, whose
// words are taken in twos anyway.
[[nodiscard]] constexpr std::size_t block_alignment(CodecId codec, std::uint64_t units) noexcept {
  return units >= 16384 && codec != CodecId::kTrellis ? 16 : 2;
}
[[nodiscard]] constexpr std::uint64_t align_up(std::uint64_t x, std::uint64_t a) noexcept {
  return (x + a - 1) / a * a;
}

inline constexpr std::size_t kFewestBlockBytes = 6;  // of a block of codec trellis with nothing in it

// The checksum and the plane descriptors, of all codecs but trellis.
[[nodiscard]] constexpr std::size_t head_bytes(int planes) noexcept { return 4 + 4 * static_cast<std::size_t>(planes); }

// Appends one block to a byte vector, aligned as it will be in the file: construct, add the planes in order, finish.
class BlockBuilder {
 public:
  BlockBuilder(std::vector<std::byte>& out, std::uint64_t units, int planes);

  void add_bytes(PlaneMode mode, std::span<const std::byte> bytes, int lanes_log2 = 0);
  void add_constant(std::uint8_t symbol);
  // Writes descriptors and checksum; returns the block's size.
  std::uint32_t finish(ChecksumFunction checksum);
  // Bytes of planes, without descriptors and padding.
  [[nodiscard]] std::uint64_t plane_bytes() const noexcept { return plane_bytes_; }

 private:
  void put_descriptor(PlaneMode mode, int lanes_log2, std::uint32_t size);
  std::vector<std::byte>& out_;
  std::size_t alignment_, begin_;
  int planes_, added_ = 0;
  std::uint64_t plane_bytes_ = 0;
};

// The same for a block of codec trellis: of coded words and far weights, or of units as they are. Return its size.
std::uint32_t put_trellis_block(std::vector<std::byte>& out, int lanes_log2, std::span<const std::byte> words,
                                std::span<const std::byte> far, ChecksumFunction checksum);
std::uint32_t put_raw_trellis_block(std::vector<std::byte>& out, std::span<const std::byte> units,
                                    ChecksumFunction checksum);

// What has to be known of a block to read it.
struct BlockForm {
  CodecId codec;
  std::uint64_t units;
  int planes;
};

struct PlaneView {
  PlaneMode mode = PlaneMode::kRaw;
  int lanes_log2 = 0;
  std::uint8_t constant = 0;
  std::span<const std::byte> bytes;
};

class BlockView {
 public:
  // Parses a block. Returns an empty string, or what is wrong with it.
  [[nodiscard]] std::string parse(std::span<const std::byte> block, const BlockForm& form, ChecksumFunction checksum);
  // The same without looking at the checksum, for whoever checks it elsewhere.
  [[nodiscard]] std::string parse_planes(std::span<const std::byte> block, const BlockForm& form);
  [[nodiscard]] const PlaneView& plane(int i) const { return planes_[static_cast<std::size_t>(i)]; }

 private:
  [[nodiscard]] std::string parse_trellis(std::span<const std::byte> block);

  std::array<PlaneView, kMaxPlanes> planes_;
};

}  // namespace weft::archive
