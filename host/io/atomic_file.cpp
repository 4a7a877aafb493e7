#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "io/file.hpp"
#include "io/rename.hpp"
#include "io/target.hpp"

namespace weft::io {
namespace {

constexpr off_t kWorthStarting = 1 << 18;  // bytes; smaller writes are left to the system

Descriptor create_temporary(const Target& target, std::filesystem::path& temporary, mode_t mode,
                            const std::filesystem::path& shown) {
  // A replaced file may be private, so its successor is too until it has the same permissions. And a file may be opened
  // again to write it.
  const mode_t first = target.exists ? 0600 : mode | S_IWUSR;
  for (;;) {
    temporary = temporary_name(target.path);
    Descriptor descriptor = open_descriptor(temporary, O_WRONLY | O_CREAT | O_EXCL, first);
    if (descriptor.get() >= 0) return descriptor;
    // A leftover of a process that had our number.
    if (errno != EEXIST) throw_errno(ErrorKind::kIo, "write", shown, errno);
  }
}

mode_t mode_of(const Descriptor& descriptor, const std::filesystem::path& shown) {
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) throw_errno(ErrorKind::kIo, "examine", shown, errno);
  return status.st_mode & 07777;
}

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& target, bool overwrite, mode_t mode)
    : AtomicFile(target, overwrite, mode, target) {}

AtomicFile::AtomicFile(const std::filesystem::path& target, bool overwrite, mode_t mode, std::filesystem::path shown)
    : shown_(std::move(shown)), overwrite_(overwrite) {
  const Target examined = examine_target(target, overwrite, TargetKind::kFile);
  target_ = examined.path;
  remove_leftovers(target_);
  Descriptor descriptor = create_temporary(examined, temporary_, mode, shown_);
  try {
    if (examined.exists && ::fchmod(descriptor.get(), examined.mode) != 0)
      throw_errno(ErrorKind::kIo, "set the permissions of", shown_, errno);
    if (!examined.exists && (mode & S_IWUSR) == 0) mode_at_last_ = mode_of(descriptor, shown_) & ~S_IWUSR;
    handle_.emplace(std::move(descriptor), temporary_, O_WRONLY);
  } catch (...) {
    ::unlink(temporary_.c_str());
    throw;
  }
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  const FileHandle::Use use = handle_->use();
  const auto begin = static_cast<off_t>(offset);
  const auto size = static_cast<off_t>(bytes.size());
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(use.fd(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_errno(ErrorKind::kIo, "write", shown_, errno);
    }
    if (n == 0) throw_errno(ErrorKind::kIo, "write", shown_, ENOSPC);
    offset += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
#if defined(__linux__)
  // Only a hint: the disk starts now, while others still decode, and commit() has less to wait for.
  if (size >= kWorthStarting) (void)::sync_file_range(use.fd(), begin, size, SYNC_FILE_RANGE_WRITE);
#endif
}

void AtomicFile::commit() {
  {
    const FileHandle::Use use = handle_->use();
    int result = 0;
    do {
      result = ::fsync(use.fd());
    } while (result != 0 && errno == EINTR);
    if (result != 0) throw_errno(ErrorKind::kIo, "write", shown_, errno);
    if (mode_at_last_ && ::fchmod(use.fd(), *mode_at_last_) != 0)
      throw_errno(ErrorKind::kIo, "set the permissions of", shown_, errno);
  }
  if (const int error = handle_->close(); error != 0) throw_errno(ErrorKind::kIo, "write", shown_, error);
  const int error = overwrite_ ? rename_over(temporary_, target_) : rename_new(temporary_, target_);
  if (error == EEXIST) refuse_existing(shown_);
  if (error != 0) throw_errno(ErrorKind::kIo, "write", shown_, error);
  temporary_.clear();
  flush_folder(folder_of(target_));
}

void write_text(const std::filesystem::path& path, std::string_view text, bool overwrite) {
  AtomicFile file(path, overwrite);
  file.write_at(0, std::as_bytes(std::span(text)));
  file.commit();
}

}  // namespace weft::io
