// The layout of a block (FORMAT.md 3): checksum, plane descriptors, planes.
//
// BlockBuilder writes one, BlockView reads one. A BlockView checks the block's shape (sizes, modes, reserved bits,
// zero padding) before it hands out a plane; what a plane means is the codec's business.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace weft::archive {

inline constexpr int kMaxPlanes = 8;
inline constexpr std::uint32_t kMaxPlaneBytes = (1u << 24) - 1;

using ChecksumFunction = std::uint32_t (*)(const std::uint8_t* data, std::size_t n);

enum class PlaneMode : std::uint8_t { kRaw = 0, kConstant = 1, kRans = 2, kZstd = 3 };

// Large blocks are aligned for vector loads; small ones are not worth the padding.
[[nodiscard]] constexpr std::size_t block_alignment(std::uint64_t units) noexcept { return units >= 16384 ? 16 : 2; }
[[nodiscard]] constexpr std::uint64_t align_up(std::uint64_t x, std::uint64_t a) noexcept {
  return (x + a - 1) / a * a;
}

// The checksum and the plane descriptors.
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
  std::size_t begin_;
  std::size_t alignment_;
  int planes_, added_ = 0;
  std::uint64_t plane_bytes_ = 0;
};

struct PlaneView {
  PlaneMode mode = PlaneMode::kRaw;
  int lanes_log2 = 0;
  std::uint8_t constant = 0;
  std::span<const std::byte> bytes;
};

class BlockView {
 public:
  // Parses a block with `units` units and `planes` planes. Returns an empty string, or what is wrong with it.
  [[nodiscard]] std::string parse(std::span<const std::byte> block, std::uint64_t units, int planes,
                                  ChecksumFunction checksum);
  // The same without looking at the checksum, for whoever checks it elsewhere.
  [[nodiscard]] std::string parse_planes(std::span<const std::byte> block, std::uint64_t units, int planes);
  [[nodiscard]] const PlaneView& plane(int i) const { return planes_[static_cast<std::size_t>(i)]; }

 private:
  std::array<PlaneView, kMaxPlanes> planes_;
};

}  // namespace weft::archive
