// Files as weft uses them: positional reads by many threads, and output that appears whole or not at all.
//
// * An output lives under a temporary name in its target folder until commit(): flush, rename, flush the folder.
//   Whatever ends the process before that leaves the old file, or none.
// * Because output never goes to an open file, reading from a file that is being replaced is safe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace weft::io {

// A regular file that is open for reading.
class ReadFile {
 public:
  // Throws Error(kIo) when it cannot be opened or is not a regular file (a folder, a pipe).
  explicit ReadFile(const std::filesystem::path& path);
  ReadFile(ReadFile&&) noexcept;
  ReadFile& operator=(ReadFile&&) noexcept;
  ~ReadFile();

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }  // when it was opened
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  // Copies [offset, offset + out.size()). Thread-safe. Throws Error(kIo), or Error(kInput) when the file has shrunk.
  void read_at(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

// Reads a whole small file. Throws Error(kIo), or Error(kInput) when it has more than `limit` bytes.
[[nodiscard]] std::string read_text(const std::filesystem::path& path, std::uint64_t limit);

// Throws Error(kUsage) when `target` exists and may not be overwritten, or cannot be created where it is wanted.
// Cheap: call it before hours of work.
void check_target(const std::filesystem::path& target, bool overwrite);

// A file under construction. Keeps the mode bits of a file that it replaces.
class AtomicFile {
 public:
  // Creates the temporary file. Throws Error(kUsage) as check_target does, Error(kIo).
  AtomicFile(std::filesystem::path target, bool overwrite);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();  // without commit(): removes the temporary file

  // Thread-safe for disjoint ranges. Throws Error(kIo), such as for a full disk.
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  void commit();

 private:
  std::filesystem::path target_, temporary_;
  int fd_ = -1;
  bool overwrite_ = false;
};

// A folder under construction. A target that does not exist, or is an empty folder, appears whole by one rename. Into a
// folder that has files (overwrite) each new file is renamed by itself, and files that are not replaced stay.
class AtomicFolder {
 public:
  AtomicFolder(std::filesystem::path target, bool overwrite);
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
