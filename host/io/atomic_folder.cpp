#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "io/file.hpp"
#include "io/rename.hpp"
#include "io/target.hpp"

namespace weft::io {

struct AtomicFolder::State {
  std::filesystem::path shown;    // as the caller named it
  std::filesystem::path target;   // links followed
  std::filesystem::path staging;  // empty: files go straight into the target
  bool overwrite = false;
  mode_t mode = kAnybody;
  std::vector<std::unique_ptr<AtomicFile>> files;

  ~State() {
    files.clear();
    if (staging.empty()) return;
    std::error_code ignored;
    std::filesystem::remove_all(staging, ignored);
  }
};

namespace {

// A rename would fail on a mount point, and take the working folder away from under the user's shell.
bool must_stay(const std::filesystem::path& folder) {
  struct statx own {
  }, working{};
  const auto examine = [](const char* path, struct statx& status) {
    return ::statx(AT_FDCWD, path, 0, STATX_INO, &status) == 0;
  };
  if (!examine(folder.c_str(), own) || !examine(".", working)) return true;
  const bool is_working = own.stx_ino == working.stx_ino && own.stx_dev_major == working.stx_dev_major &&
                          own.stx_dev_minor == working.stx_dev_minor;
  return is_working || (own.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

// Empty when the parent folder takes no new entries, but the target is there and may be filled.
std::filesystem::path create_staging(const Target& target, mode_t mode, const std::filesystem::path& shown) {
  // Who may read a file may search its folder, and its owner may fill it.
  const mode_t first = target.exists ? 0700 : mode | (mode & 0444) >> 2 | 0700;
  remove_leftovers(target.path);
  for (;;) {
    std::filesystem::path staging = temporary_name(target.path);
    if (::mkdir(staging.c_str(), first) == 0) {
      if (!target.exists || ::chmod(staging.c_str(), target.mode) == 0) return staging;
      const int error = errno;
      ::rmdir(staging.c_str());
      throw_errno(ErrorKind::kIo, "set the permissions of", shown, error);
    }
    if (errno == EEXIST) continue;
    if (target.exists) return {};
    throw_errno(ErrorKind::kIo, "create the folder", shown, errno);
  }
}

}  // namespace

AtomicFolder::AtomicFolder(std::filesystem::path target, bool overwrite, mode_t mode)
    : state_(std::make_unique<State>()) {
  const Target examined = examine_target(target, overwrite, TargetKind::kFolder);
  state_->shown = std::move(target);
  state_->target = examined.path;
  state_->overwrite = overwrite;
  state_->mode = mode;
  std::error_code error;
  const bool has_files = examined.exists && !std::filesystem::is_empty(examined.path, error);
  if (error) throw_errno(ErrorKind::kIo, "list", state_->shown, error.value());
  const bool in_place = has_files || (examined.exists && must_stay(examined.path));
  if (!in_place) state_->staging = create_staging(examined, mode, state_->shown);
}

AtomicFolder::~AtomicFolder() = default;

AtomicFile& AtomicFolder::add_file(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find_first_of(std::string_view("/\0", 2)) != name.npos)
    throw Error(ErrorKind::kInternal, fmt::format("{}: not the name of a file: \"{}\"", state_->shown.string(), name));
  const bool in_place = state_->staging.empty();
  const std::filesystem::path path = (in_place ? state_->target : state_->staging) / name;
  state_->files.emplace_back(new AtomicFile(path, in_place && state_->overwrite, state_->mode, state_->shown / name));
  return *state_->files.back();
}

void AtomicFolder::commit() {
  for (const auto& file : state_->files) file->commit();
  if (state_->staging.empty()) return;
  // rename(2) replaces a folder only while it is empty, so this cannot destroy anything.
  const int error = rename_over(state_->staging, state_->target);
  if (error == EEXIST || error == ENOTEMPTY || error == ENOTDIR)
    throw Error(ErrorKind::kUsage, fmt::format("cannot write {}: something else has been written there meanwhile",
                                               state_->shown.string()));
  if (error != 0) throw_errno(ErrorKind::kIo, "create the folder", state_->shown, error);
  state_->staging.clear();
  flush_folder(folder_of(state_->target));
}

}  // namespace weft::io
