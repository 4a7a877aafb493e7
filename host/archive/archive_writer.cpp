#include "archive/archive_writer.hpp"

#include <array>

#include "archive/block.hpp"
#include "archive/framing.hpp"
#include "archive/zstd_frame.hpp"
#include "backends/cpu/kernels.hpp"
#include "weft/error.hpp"

namespace weft::archive {
namespace {

constexpr int kIndexLevel = 19;

}  // namespace

std::uint64_t ArchiveWriter::reserve(std::uint64_t size, std::uint64_t first_units) noexcept {
  const std::uint64_t offset = align_up(end_, block_alignment(first_units));
  end_ = offset + size;
  return offset;
}

StoredIndex store_index(const Index& index) {
  StoredIndex stored;
  std::vector<std::byte> raw = serialize_index(index);
  stored.raw_size = raw.size();
  std::vector<std::byte> frame;
  const std::size_t plain = raw.size() - coded_tail(raw);
  const std::array<std::span<const std::byte>, 2> parts{std::span(raw).first(plain), std::span(raw).subspan(plain)};
  const std::size_t size = write_zstd_frame(std::span(parts).first(plain < raw.size() ? 2 : 1), kIndexLevel, frame);
  stored.compressed = size < raw.size() && raw.size() <= size * kMaxIndexRatio + kIndexSlack;
  stored.bytes = stored.compressed ? std::move(frame) : std::move(raw);
  return stored;
}

std::uint64_t ArchiveWriter::finish(Index& index, std::uint64_t& index_bytes) {
  std::uint64_t end = 0;
  if (!place_blocks(index, UINT64_MAX, end) || end != end_)
    throw Error(ErrorKind::kInternal, "the blocks are not where the index says");
  const StoredIndex stored = store_index(index);
  Footer footer;
  footer.index_offset = end_;
  footer.index_stored = stored.bytes.size();
  footer.index_raw = stored.raw_size;
  footer.compressed = stored.compressed;
  footer.index_crc =
      cpu::active_kernels().crc32c(reinterpret_cast<const std::uint8_t*>(stored.bytes.data()), stored.bytes.size());
  file_.write_at(0, make_header());
  file_.write_at(end_, stored.bytes);
  file_.write_at(end_ + stored.bytes.size(), make_footer(footer));
  index_bytes = stored.bytes.size();
  return end_ + stored.bytes.size() + kFooterBytes;
}

}  // namespace weft::archive
