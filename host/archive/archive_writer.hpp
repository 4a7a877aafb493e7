// Writing an archive: places for blocks as they come, index and footer at the end.
//
// reserve() is called in the order of the segments, by one thread at a time; the bytes can then be written by any
// thread, because their place is known.
#pragma once

#include <cstdint>
#include <span>

#include "archive/index.hpp"
#include "io/file.hpp"

namespace weft::archive {

class ArchiveWriter {
 public:
  explicit ArchiveWriter(io::AtomicFile& file) : file_(file) {}

  // A place for a segment's blocks (`size` bytes, laid out as BlockBuilder does, the first of `first_units` units).
  [[nodiscard]] std::uint64_t reserve(std::uint64_t size, CodecId codec, std::uint64_t first_units) noexcept;
  // Thread-safe for disjoint places. Throws Error(kIo).
  void write(std::uint64_t offset, std::span<const std::byte> bytes) { file_.write_at(offset, bytes); }
  // Writes header, index and footer; the file is still to be committed. Returns its size; `index_bytes` receives that of
  // the index.
  std::uint64_t finish(Index& index, std::uint64_t& index_bytes);

 private:
  io::AtomicFile& file_;
  std::uint64_t end_ = kHeaderBytes;
};

}  // namespace weft::archive
