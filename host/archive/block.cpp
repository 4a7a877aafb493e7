#include "archive/block.hpp"

#include <algorithm>

#include "archive/bytes.hpp"
#include "weft/error.hpp"

namespace weft::archive {
namespace {

constexpr std::size_t kShortHead = kFewestBlockBytes,
                      kLongHead = 8;  // of codec trellis, without far weights and with them
enum TrellisHead : std::uint8_t { kLanesMask = 7, kIsRaw = 8, kHasFar = 16 };

// Of the block that begins there and ends with the vector; returns its size.
std::uint32_t put_checksum(std::vector<std::byte>& out, std::size_t begin, ChecksumFunction checksum) {
  const std::size_t size = out.size() - begin;
  const auto* payload = reinterpret_cast<const std::uint8_t*>(out.data() + begin + 4);
  store_le(out.data() + begin, checksum(payload, size - 4));
  return static_cast<std::uint32_t>(size);
}

std::uint32_t put_trellis(std::vector<std::byte>& out, int head, std::span<const std::byte> first,
                          std::span<const std::byte> far, ChecksumFunction checksum) {
  if (far.size() > kMaxPlaneBytes) throw Error(ErrorKind::kInternal, "a plane is larger than a block's head can say");
  const std::size_t begin = align_up(out.size(), block_alignment(CodecId::kTrellis, 0));
  out.resize(begin + (far.empty() ? kShortHead : kLongHead));
  if (far.empty())
    out[begin + 4] = static_cast<std::byte>(head);
  else
    store_le(out.data() + begin + 4, static_cast<std::uint32_t>(head | kHasFar | far.size() << 8));
  out.insert(out.end(), first.begin(), first.end());
  out.insert(out.end(), far.begin(), far.end());
  return put_checksum(out, begin, checksum);
}

}  // namespace

BlockBuilder::BlockBuilder(std::vector<std::byte>& out, std::uint64_t units, int planes)
    : out_(out),
      alignment_(block_alignment(CodecId::kRaw, units)),  // as of any codec but trellis
      begin_(align_up(out.size(), alignment_)),
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
  return put_checksum(out_, begin_, checksum);
}

std::uint32_t put_trellis_block(std::vector<std::byte>& out, int lanes_log2, std::span<const std::byte> words,
                                std::span<const std::byte> far, ChecksumFunction checksum) {
  return put_trellis(out, lanes_log2, words, far, checksum);
}

std::uint32_t put_raw_trellis_block(std::vector<std::byte>& out, std::span<const std::byte> units,
                                    ChecksumFunction checksum) {
  return put_trellis(out, kIsRaw, units, {}, checksum);
}

std::string BlockView::parse(std::span<const std::byte> block, const BlockForm& form, ChecksumFunction checksum) {
  if (block.size() < kShortHead) return "it is shorter than any block";
  const auto* payload = reinterpret_cast<const std::uint8_t*>(block.data() + 4);
  if (load_le<std::uint32_t>(block.data()) != checksum(payload, block.size() - 4)) return "its checksum is wrong";
  return parse_planes(block, form);
}

std::string BlockView::parse_trellis(std::span<const std::byte> block) {
  if (block.size() < kShortHead) return "it is shorter than its head";
  const auto head = static_cast<unsigned>(block[4]);
  const bool is_raw = (head & kIsRaw) != 0, has_far = (head & kHasFar) != 0;
  if (head >= 2 * kHasFar) return "a reserved bit of its head is set";
  planes_[0].mode = is_raw ? PlaneMode::kRaw : PlaneMode::kRans;
  planes_[0].lanes_log2 = static_cast<int>(head & kLanesMask);
  planes_[1] = {};
  if (planes_[0].lanes_log2 > (is_raw ? 0 : 5)) return "its head has an invalid lane count";
  if (!has_far) {
    if (block[5] != std::byte{0}) return "a reserved byte of its head is not zero";
    planes_[0].bytes = block.subspan(kShortHead);
    return "";
  }
  if (is_raw || block.size() < kLongHead) return "its head announces far weights that cannot be there";
  const std::size_t far = load_le<std::uint32_t>(block.data() + 4) >> 8;
  if (far == 0) return "its head announces far weights of no size";
  if (far > block.size() - kLongHead) return "its far weights run past the end of the block";
  planes_[0].bytes = block.subspan(kLongHead, block.size() - kLongHead - far);
  planes_[1].bytes = block.last(far);
  return "";
}

std::string BlockView::parse_planes(std::span<const std::byte> block, const BlockForm& form) {
  if (form.codec == CodecId::kTrellis) return parse_trellis(block);
  const int planes = form.planes;
  if (block.size() < head_bytes(planes)) return "it is shorter than its plane descriptors";
  const std::size_t alignment = block_alignment(form.codec, form.units);
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
