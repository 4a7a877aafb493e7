#include <fmt/format.h>

#include <cstring>

#include "archive/bytes.hpp"
#include "archive/framing.hpp"
#include "archive/index.hpp"
#include "backends/cpu/kernels.hpp"
#include "io/file.hpp"
#include "weft/error.hpp"

namespace weft {

struct Archive::Source {
  io::ReadFile file;
};

Archive::Archive() = default;
Archive::Archive(Archive&&) noexcept = default;
Archive& Archive::operator=(Archive&&) noexcept = default;
Archive::~Archive() = default;

Archive Archive::open(const std::filesystem::path& path) {
  Archive result;
  result.path_ = path;
  result.source_ = std::make_unique<Source>(Source{io::ReadFile(path)});
  result.file_bytes_ = result.source_->file.size();
  try {
    std::byte header[archive::kHeaderBytes], footer_bytes[archive::kFooterBytes];
    if (result.file_bytes_ < archive::kHeaderBytes)
      throw Error(ErrorKind::kArchive, "it is not a weft archive: too short");
    result.read(0, header);
    archive::check_header(header);
    if (result.file_bytes_ < archive::kHeaderBytes + archive::kFooterBytes)
      throw Error(ErrorKind::kArchive, "it is truncated: there is no footer");
    result.read(result.file_bytes_ - archive::kFooterBytes, footer_bytes);
    const archive::Footer footer = archive::parse_footer(footer_bytes, result.file_bytes_);
    std::vector<std::byte> stored(result.file_bytes_ - archive::kFooterBytes - footer.index_offset);
    result.read(footer.index_offset, stored);
    const std::uint32_t crc =
        cpu::active_kernels().crc32c(reinterpret_cast<const std::uint8_t*>(stored.data()), stored.size());
    if (crc != footer.index_crc) throw Error(ErrorKind::kArchive, "the checksum of the index is wrong");
    result.index_bytes_ = stored.size();
    result.index_ = archive::parse_index(stored, footer.text_bytes, footer.index_offset);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kIo) throw;
    throw Error(ErrorKind::kArchive, fmt::format("{}: {}", path.string(), error.what()));
  }
  return result;
}

void Archive::read(std::uint64_t offset, std::span<std::byte> out) const { source_->file.read_at(offset, out); }

}  // namespace weft
