#include "io/file_handle.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>

namespace weft::io {
namespace {

std::atomic<rlim_t> kept_descriptors{0};

bool take_slot() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  if (kept_descriptors.fetch_add(1) < limit.rlim_cur / 2) return true;
  kept_descriptors.fetch_sub(1);
  return false;
}

}  // namespace

void throw_errno(ErrorKind kind, const char* action, const std::filesystem::path& path, int error) {
  throw Error(kind, fmt::format("cannot {} {}: {}", action, path.string(), std::generic_category().message(error)));
}

int Descriptor::close() noexcept {
  if (fd_ < 0) return 0;
  // Linux releases the descriptor even when a signal interrupts close(2).
  const int result = ::close(std::exchange(fd_, -1));
  return result == 0 || errno == EINTR ? 0 : errno;
}

Descriptor open_descriptor(const std::filesystem::path& path, int flags, mode_t mode) noexcept {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}

FileHandle::FileHandle(Descriptor descriptor, std::filesystem::path path, int flags)
    : path_(std::move(path)), flags_(flags) {
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) throw_errno(ErrorKind::kIo, "examine", path_, errno);
  device_ = status.st_dev;
  inode_ = status.st_ino;
  if (take_slot()) {
    kept_ = std::move(descriptor);
  } else if (const int error = descriptor.close(); error != 0) {
    throw_errno(ErrorKind::kIo, "close", path_, error);
  }
}

FileHandle::FileHandle(FileHandle&& other) noexcept = default;
FileHandle& FileHandle::operator=(FileHandle&& other) noexcept = default;
FileHandle::~FileHandle() { close(); }

FileHandle::Use FileHandle::use() const {
  if (kept_.get() >= 0) return Use(kept_.get());
  Descriptor opened = open_descriptor(path_, flags_);
  if (opened.get() < 0) throw_errno(ErrorKind::kIo, "open", path_, errno);
  struct stat status {};
  if (::fstat(opened.get(), &status) != 0) throw_errno(ErrorKind::kIo, "examine", path_, errno);
  if (status.st_dev != device_ || status.st_ino != inode_)
    throw Error(ErrorKind::kInput, fmt::format("{} was replaced by another file while it was in use", path_.string()));
  return Use(std::move(opened));
}

int FileHandle::close() noexcept {
  if (kept_.get() < 0) return 0;
  kept_descriptors.fetch_sub(1);
  return kept_.close();
}

}  // namespace weft::io
