// Files as weft uses them: positional reads by many threads, and output that appears whole or not at all.
//
// * An output lives under a temporary name in its target folder until commit(): flush, rename, flush the folder.
//   Whatever ends the process before that leaves the old file, or none.
// * Because output never goes to an open file, reading from a file that is being replaced is safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "io/file_handle.hpp"

namespace weft::io {

// A regular file that is open for reading.
class ReadFile {
 public:
  // Throws Error(kIo) when it cannot be opened or is not a regular file (a folder, a pipe).
  explicit ReadFile(const std::filesystem::path& path);

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }  // when it was opened
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  // Copies [offset, offset + out.size()). Thread-safe. Throws Error(kIo), or Error(kInput) when the file has shrunk.
  void read_at(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  std::uint64_t size_ = 0;
  FileHandle handle_;
};

// Reads a whole small file; a pipe will do. Throws Error(kIo), or Error(kInput) when it has more than `limit` bytes.
[[nodiscard]] std::string read_text(const std::filesystem::path& path, std::uint64_t limit);

enum class TargetKind { kEither, kFile, kFolder };

// Throws Error(kUsage) when `target` exists and may not be overwritten, or cannot be created where it is wanted; Error(kIo)
// where that is not permitted.
// Cheap: call it before hours of work. A folder with nothing in it may always be filled.
void check_target(const std::filesystem::path& target, bool overwrite, TargetKind kind = TargetKind::kEither);

// What a new file's permissions are where nothing else is known: with what the umask takes from them, as always.
inline constexpr mode_t kAnybody = 0666;
// Those of kAnybody that all of the files and folders give; what does not exist gives all. What is made of private files
// shall be private.
[[nodiscard]] mode_t common_permissions(std::span<const std::filesystem::path> paths) noexcept;

// A file under construction. Keeps the mode bits of a file that it replaces; a new one gets `mode`. A symbolic link stays:
// what it points to is replaced or created.
class AtomicFile {
 public:
  // Creates the temporary file. Throws Error(kUsage) as check_target does, Error(kIo).
  AtomicFile(const std::filesystem::path& target, bool overwrite, mode_t mode = kAnybody);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();  // without commit(): removes the temporary file

  // Thread-safe for disjoint ranges. Throws Error(kIo), such as for a full disk.
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  // Throws Error(kIo), or Error(kUsage) when something has appeared under the name that may not be overwritten.
  void commit();

 private:
  friend class AtomicFolder;
  AtomicFile(const std::filesystem::path& target, bool overwrite, mode_t mode, std::filesystem::path shown);

  std::filesystem::path target_, shown_, temporary_;  // shown_: the target's name in messages
  bool overwrite_;
  std::optional<mode_t> mode_at_last_;  // if the finished file shall not be writable: until then it must be
  std::optional<FileHandle> handle_;
};

// A small file, whole or not at all. Throws as AtomicFile does.
void write_text(const std::filesystem::path& path, std::string_view text, bool overwrite);

// A folder under construction. A target that does not exist, or is an empty folder, appears whole by one rename. Into a
// folder that has files (overwrite) each new file is renamed by itself, and files that are not replaced stay; so it is
// with an empty folder that cannot be replaced (a mount point, the working folder, one in a read-only parent).
class AtomicFolder {
 public:
  // New files get `mode`; who may read them may list a new folder.
  AtomicFolder(std::filesystem::path target, bool overwrite, mode_t mode = kAnybody);
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;
  ~AtomicFolder();

  // Opens a file of the folder for writing: `name` has no separators. The AtomicFolder owns it.
  AtomicFile& add_file(const std::string& name);
  // Commits all files, then the folder.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft::io
