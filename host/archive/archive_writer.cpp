#include "archive/archive_writer.hpp"

#include "archive/block.hpp"
#include "archive/framing.hpp"
#include "backends/cpu/kernels.hpp"
#include "weft/error.hpp"

namespace weft::archive {
std::uint64_t ArchiveWriter::reserve(std::uint64_t size, CodecId codec, std::uint64_t first_units) noexcept {
  const std::uint64_t offset = align_up(end_, block_alignment(codec, first_units));
  end_ = offset + size;
  return offset;
}

std::uint64_t ArchiveWriter::finish(Index& index, std::uint64_t& index_bytes) {
  std::uint64_t end = 0;
  if (!place_blocks(index, UINT64_MAX, end) || end != end_)
    throw Error(ErrorKind::kInternal, "the blocks are not where the index says");
  const StoredIndex stored = store_index(index);
  Footer footer;
  footer.index_offset = end_;
  footer.text_bytes = stored.text_bytes;
  footer.index_crc =
      cpu::active_kernels().crc32c(reinterpret_cast<const std::uint8_t*>(stored.bytes.data()), stored.bytes.size());
  file_.write_at(0, make_header());
  file_.write_at(end_, stored.bytes);
  file_.write_at(end_ + stored.bytes.size(), make_footer(footer));
  index_bytes = stored.bytes.size();
  return end_ + stored.bytes.size() + kFooterBytes;
}

}  // namespace weft::archive
