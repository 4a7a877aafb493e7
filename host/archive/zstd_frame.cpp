#include "archive/zstd_frame.hpp"

#include <zstd.h>

#include <memory>

#include "weft/error.hpp"

namespace weft::archive {

std::size_t write_zstd_frame(std::span<const std::byte> bytes, int level, std::vector<std::byte>& frame) {
  frame.resize(ZSTD_compressBound(bytes.size()));
  const std::size_t size = ZSTD_compress(frame.data(), frame.size(), bytes.data(), bytes.size(), level);
  if (ZSTD_isError(size) != 0) throw Error(ErrorKind::kInternal, std::string("zstd: ") + ZSTD_getErrorName(size));
  frame.resize(size);
  return size;
}

std::size_t write_zstd_frame(std::span<const std::span<const std::byte>> parts, int level,
                             std::vector<std::byte>& frame) {
  const auto check = [](std::size_t result) {
    if (ZSTD_isError(result) != 0) throw Error(ErrorKind::kInternal, std::string("zstd: ") + ZSTD_getErrorName(result));
    return result;
  };
  std::size_t total = 0;
  for (const auto part : parts) total += part.size();
  frame.resize(ZSTD_compressBound(total) + 3 * parts.size());  // and a block's header for each part
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  check(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level));
  check(ZSTD_CCtx_setPledgedSrcSize(context.get(), total));
  ZSTD_outBuffer out{frame.data(), frame.size(), 0};
  for (std::size_t p = 0; p < parts.size(); p++) {
    ZSTD_inBuffer in{parts[p].data(), parts[p].size(), 0};
    const ZSTD_EndDirective end = p + 1 == parts.size() ? ZSTD_e_end : ZSTD_e_flush;
    if (check(ZSTD_compressStream2(context.get(), &out, &in, end)) != 0)
      throw Error(ErrorKind::kInternal, "zstd: a frame is larger than its bound");
  }
  frame.resize(out.pos);
  return out.pos;
}

std::string read_zstd_frame(std::span<const std::byte> frame, std::span<std::byte> out) {
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size())
    return "its zstd frame is damaged or not the only one";
  const std::size_t size = ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size());
  return size == out.size() ? "" : "its zstd frame does not give the bytes it should";
}

}  // namespace weft::archive
