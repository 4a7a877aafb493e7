#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "io/file.hpp"

namespace weft::io {
namespace {

FileHandle open_regular(const std::filesystem::path& path, std::uint64_t& size) {
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  Descriptor descriptor = open_descriptor(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (descriptor.get() < 0) throw_errno(ErrorKind::kIo, "open", path, errno);
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) throw_errno(ErrorKind::kIo, "examine", path, errno);
  if (!S_ISREG(status.st_mode))
    throw Error(ErrorKind::kIo, fmt::format("cannot read {}: it is {}, not a regular file", path.string(),
                                            S_ISDIR(status.st_mode) ? "a folder" : "a pipe or device"));
  size = static_cast<std::uint64_t>(status.st_size);
  return {std::move(descriptor), path, O_RDONLY};
}

}  // namespace

ReadFile::ReadFile(const std::filesystem::path& path) : path_(path), handle_(open_regular(path, size_)) {}

void ReadFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  const FileHandle::Use use = handle_.use();
  while (!out.empty()) {
    const ssize_t n = ::pread(use.fd(), out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_errno(ErrorKind::kIo, "read", path_, errno);
    }
    if (n == 0)
      throw Error(ErrorKind::kInput,
                  fmt::format("{} ends at byte {}, but had {} bytes when it was opened: it was cut while it was read",
                              path_.string(), offset, size_));
    offset += static_cast<std::uint64_t>(n);
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

std::string read_text(const std::filesystem::path& path, std::uint64_t limit) {
  const Descriptor descriptor = open_descriptor(path, O_RDONLY | O_NOCTTY);
  if (descriptor.get() < 0) throw_errno(ErrorKind::kIo, "open", path, errno);
  std::string text;
  std::size_t filled = 0;
  for (;;) {
    if (filled == text.size()) text.resize(std::max<std::size_t>(4096, text.size() * 2));
    const ssize_t n = ::read(descriptor.get(), text.data() + filled, text.size() - filled);
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_errno(ErrorKind::kIo, "read", path, errno);
    }
    if (n == 0) break;
    filled += static_cast<std::size_t>(n);
    if (filled > limit)
      throw Error(ErrorKind::kInput, fmt::format("{} has more than {} bytes, which is the limit for this kind of file",
                                                 path.string(), limit));
  }
  text.resize(filled);
  return text;
}

}  // namespace weft::io
