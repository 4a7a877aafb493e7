#include "io/rename.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "io/file_handle.hpp"

namespace weft::io {

int rename_over(const std::filesystem::path& from, const std::filesystem::path& to) noexcept {
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

int rename_new(const std::filesystem::path& from, const std::filesystem::path& to) noexcept {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  return rename_new_by_link(from, to);
}

int rename_new_by_link(const std::filesystem::path& from, const std::filesystem::path& to) noexcept {
  if (::link(from.c_str(), to.c_str()) == 0) {
    ::unlink(from.c_str());
    return 0;
  }
  if (errno == EEXIST) return EEXIST;
  // Neither way exists here (FAT, some network file systems): all that is left is to look first.
  struct stat status {};
  if (::lstat(to.c_str(), &status) == 0) return EEXIST;
  return rename_over(from, to);
}

void flush_folder(const std::filesystem::path& folder) {
  const Descriptor descriptor = open_descriptor(folder, O_RDONLY | O_DIRECTORY);
  if (descriptor.get() < 0) return;
  int result = 0;
  do {
    result = ::fsync(descriptor.get());
  } while (result != 0 && errno == EINTR);
  if (result != 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT))
    throw_errno(ErrorKind::kIo, "flush the folder", folder, errno);
}

}  // namespace weft::io
