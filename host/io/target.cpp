#include "io/target.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

namespace weft::io {
namespace {

constexpr int kMaxLinks = 40;  // as Linux allows
constexpr std::size_t kMaxNameBytes = 255;

[[noreturn]] void refuse(const std::filesystem::path& target, const std::string& why,
                         ErrorKind kind = ErrorKind::kUsage) {
  throw Error(kind, fmt::format("cannot write {}: {}", target.string(), why));
}

// What the system says against a place: a mistake, unless it is a matter of permission.
[[noreturn]] void refuse_as_system_says(const std::filesystem::path& target, const std::string& where) {
  const int error = errno;
  const bool is_forbidden = error == EACCES || error == EPERM || error == EROFS;
  refuse(target, where + std::generic_category().message(error), is_forbidden ? ErrorKind::kIo : ErrorKind::kUsage);
}

// Follows links by hand, because what the last one points to need not exist.
std::filesystem::path follow_links(std::filesystem::path path, const std::filesystem::path& target) {
  std::error_code error;
  for (int i = 0; i < kMaxLinks; i++) {
    if (!std::filesystem::is_symlink(path, error)) return path;
    path = folder_of(path) / std::filesystem::read_symlink(path, error);
    if (error) refuse(target, error.message());
  }
  refuse(target, "it is a symbolic link that leads to too many others");
}

void check_folder_writable(const std::filesystem::path& folder, const std::filesystem::path& target) {
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    refuse_as_system_says(target, fmt::format("no files can be created in the folder {}: ", folder.string()));
}

void check_parent(const std::filesystem::path& parent, const std::filesystem::path& target) {
  struct stat status {};
  if (::stat(parent.c_str(), &status) != 0) {
    if (errno == ENOENT) refuse(target, fmt::format("the folder {} does not exist; create it first", parent.string()));
    refuse_as_system_says(target, parent.string() + ": ");
  }
  if (!S_ISDIR(status.st_mode)) refuse(target, fmt::format("{} is not a folder", parent.string()));
  check_folder_writable(parent, target);
}

// What a process number belongs to: another machine or container may have the same number for a run that lives.
std::uint32_t place_of_processes() {
  static const std::uint32_t place = [] {
    std::error_code ignored;
    std::string text = std::filesystem::read_symlink("/proc/self/ns/pid", ignored).string();
    for (const char* file : {"/etc/machine-id", "/proc/sys/kernel/hostname"}) {
      std::string line;
      std::getline(std::ifstream(file), line);
      text += '\n' + line;
    }
    std::uint32_t hash = 2166136261u;  // FNV-1a
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    return hash;
  }();
  return place;
}

constexpr std::string_view kEnding = ".tmp";
constexpr std::size_t kNumbers = 40;  // bytes at most of a process and a count

// Of the names of a target's temporary files.
std::string beginning_of(const std::filesystem::path& target) {
  const std::string mark = fmt::format(".weft-{:08x}-", place_of_processes());
  std::string name = target.filename().string();
  const std::size_t most = kMaxNameBytes - 1 - mark.size() - kNumbers - kEnding.size();
  if (name.size() > most) name.resize(most);
  return fmt::format(".{}{}", name, mark);
}

}  // namespace

mode_t common_permissions(std::span<const std::filesystem::path> paths) noexcept {
  mode_t mode = kAnybody;
  struct stat status {};
  for (const std::filesystem::path& path : paths)
    if (::stat(path.c_str(), &status) == 0) mode &= status.st_mode;
  return mode;
}

Target examine_target(const std::filesystem::path& target, bool overwrite, TargetKind kind) {
  if (target.empty()) throw Error(ErrorKind::kUsage, "the name of the output is empty");
  Target result;
  result.path = target;
  if (!target.has_filename()) {
    if (kind == TargetKind::kFile) refuse(target, "the name is a folder's, but the output is one file");
    result.path = target.has_relative_path() ? target.parent_path() : target;
  }
  struct stat status {};
  // Before links are followed by hand: what some of /dev and /proc lead to has no name.
  if (::stat(result.path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
    refuse(target, "it is a device, pipe or socket, and weft only writes regular files");
  result.path = follow_links(result.path, target);

  if (::stat(result.path.c_str(), &status) != 0) {
    if (errno != ENOENT) refuse_as_system_says(target, "");
    check_parent(folder_of(result.path), target);
    return result;
  }
  result.exists = true;
  result.mode = status.st_mode & 0777;
  result.is_folder = S_ISDIR(status.st_mode);
  if (result.is_folder) {
    if (kind == TargetKind::kFile) refuse(target, "it is a folder, but the output is one file");
    std::error_code error;
    const bool empty = std::filesystem::is_empty(result.path, error);
    if (error) refuse(target, error.message());
    if (!empty && !overwrite)
      refuse(target, "the folder has files in it; name another one, or use -f to add to it and replace files");
    check_folder_writable(result.path, target);
    return result;
  }
  if (kind == TargetKind::kFolder) refuse(target, "it is a file, but the output is a folder");
  if (!overwrite) refuse_existing(target);
  check_parent(folder_of(result.path), target);
  return result;
}

void refuse_existing(const std::filesystem::path& target) {
  refuse(target, "it exists already; name another file, or use -f to replace it");
}

void check_target(const std::filesystem::path& target, bool overwrite, TargetKind kind) {
  static_cast<void>(examine_target(target, overwrite, kind));
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

std::filesystem::path temporary_name(const std::filesystem::path& target) {
  static std::atomic<std::uint64_t> counter{0};
  return folder_of(target) / fmt::format("{}{}-{}{}", beginning_of(target), ::getpid(), counter.fetch_add(1), kEnding);
}

void remove_leftovers(const std::filesystem::path& target) noexcept {
  try {
    const std::string beginning = beginning_of(target);
    std::error_code ignored;
    for (std::filesystem::directory_iterator entry(folder_of(target), ignored), end; !ignored && entry != end;
         entry.increment(ignored)) {
      const std::string name = entry->path().filename().string();
      if (!name.starts_with(beginning) || !name.ends_with(kEnding)) continue;
      pid_t maker = 0;
      const auto [rest, error] = std::from_chars(name.data() + beginning.size(), name.data() + name.size(), maker);
      std::error_code failed;
      if (error == std::errc() && *rest == '-' && maker > 0 && ::kill(maker, 0) != 0 && errno == ESRCH)
        std::filesystem::remove_all(entry->path(), failed);
    }
  } catch (const std::exception&) {
    // They are in nobody's way.
  }
}

}  // namespace weft::io
