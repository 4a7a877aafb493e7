#include "archive/zstd_frame.hpp"

#include <zstd.h>

#include "archive/bytes.hpp"
#include "weft/error.hpp"

namespace weft::archive {

std::size_t write_zstd_frame(std::span<const std::byte> bytes, int level, std::vector<std::byte>& frame) {
  frame.resize(ZSTD_compressBound(bytes.size()));
  const std::size_t size = ZSTD_compress(frame.data(), frame.size(), bytes.data(), bytes.size(), level);
  if (ZSTD_isError(size) != 0) throw Error(ErrorKind::kInternal, std::string("zstd: ") + ZSTD_getErrorName(size));
  frame.resize(size);
  return size;
}

std::string read_zstd_frame(std::span<const std::byte> frame, std::span<std::byte> out) {
  constexpr std::uint32_t kMagic = ZSTD_MAGICNUMBER;  // others are skipped, or of old versions
  if (frame.size() < sizeof kMagic || load_le<std::uint32_t>(frame.data()) != kMagic ||
      ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size())
    return "its zstd frame is damaged or not the only one";
  const std::size_t size = ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size());
  return size == out.size() ? "" : "its zstd frame does not give the bytes it should";
}

}  // namespace weft::archive
