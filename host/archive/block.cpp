#include "archive/block.hpp"

#include <algorithm>

#include "archive/bytes.hpp"
#include "weft/error.hpp"

namespace weft::archive {

BlockBuilder::BlockBuilder(std::vector<std::byte>& out, std::uint64_t units, int planes)
    : out_(out),
      begin_(align_up(out.size(), block_alignment(units))),
      alignment_(block_alignment(units)),
      planes_(planes) {
  out_.resize(begin_ + head_bytes(planes));
}

void BlockBuilder::put_descriptor(PlaneMode mode, int lanes_log2, std::uint32_t size) {
  if (size > kMaxPlaneBytes) throw Error(ErrorKind::kInternal, "a plane is larger than a descriptor can say");
  const auto descriptor = static_cast<std::uint32_t>(mode) | static_cast<std::uint32_t>(lanes_log2) << 2 | size << 8;
  store_le(out_.data() + begin_ + 4 + 4 * static_cast<std::size_t>(added_), descriptor);
  added_++;
}

void BlockBuilder::add_bytes(PlaneMode mode, std::span<const std::byte> bytes, int lanes_log2) {
  put_descriptor(mode, lanes_log2, static_cast<std::uint32_t>(bytes.size()));
  out_.resize(begin_ + align_up(out_.size() - begin_, alignment_));
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  plane_bytes_ += bytes.size();
}

void BlockBuilder::add_constant(std::uint8_t symbol) {
  put_descriptor(PlaneMode::kConstant, 0, symbol);
  out_.resize(begin_ + align_up(out_.size() - begin_, alignment_));
}

std::uint32_t BlockBuilder::finish(ChecksumFunction checksum) {
  if (added_ != planes_) throw Error(ErrorKind::kInternal, "a block was finished without all of its planes");
  const std::size_t size = out_.size() - begin_;
  const auto* payload = reinterpret_cast<const std::uint8_t*>(out_.data() + begin_ + 4);
  store_le(out_.data() + begin_, checksum(payload, size - 4));
  return static_cast<std::uint32_t>(size);
}

std::string BlockView::parse(std::span<const std::byte> block, std::uint64_t units, int planes,
                             ChecksumFunction checksum) {
  if (block.size() < head_bytes(planes)) return "it is shorter than its plane descriptors";
  const auto* payload = reinterpret_cast<const std::uint8_t*>(block.data() + 4);
  if (load_le<std::uint32_t>(block.data()) != checksum(payload, block.size() - 4)) return "its checksum is wrong";
  return parse_planes(block, units, planes);
}

std::string BlockView::parse_planes(std::span<const std::byte> block, std::uint64_t units, int planes) {
  if (block.size() < head_bytes(planes)) return "it is shorter than its plane descriptors";
  const std::size_t alignment = block_alignment(units);
  std::size_t at = head_bytes(planes);
  for (int i = 0; i < planes; i++) {
    const auto descriptor = load_le<std::uint32_t>(block.data() + 4 + 4 * static_cast<std::size_t>(i));
    PlaneView& plane = planes_[static_cast<std::size_t>(i)];
    plane.mode = static_cast<PlaneMode>(descriptor & 3);
    plane.lanes_log2 = static_cast<int>(descriptor >> 2 & 7);
    const std::uint32_t size = descriptor >> 8;
    if ((descriptor >> 5 & 7) != 0) return "a reserved bit of a plane descriptor is set";
    if (plane.lanes_log2 > (plane.mode == PlaneMode::kRans ? 5 : 0))
      return "a plane descriptor has an invalid lane count";
    const std::size_t begin = std::min(align_up(at, alignment), block.size());
    for (; at < begin; at++)
      if (block[at] != std::byte{0}) return "the bytes between its planes are not zero";
    at = align_up(at, alignment);
    if (plane.mode == PlaneMode::kConstant) {
      if (size > 255) return "a constant plane has an invalid symbol";
      plane.constant = static_cast<std::uint8_t>(size);
      plane.bytes = {};
    } else {
      if (at > block.size() || size > block.size() - at) return "a plane runs past the end of the block";
      plane.bytes = block.subspan(at, size);
      at += size;
    }
  }
  return at == block.size() ? "" : "it is longer than its planes";
}

}  // namespace weft::archive
