// A file descriptor that closes itself, and one that is given up while too many files are open.
//
// A checkpoint may have more shards than the process may have open files. So a FileHandle keeps its descriptor only
// while fewer than half of the permitted ones are taken; beyond that it opens the file for each use, which costs
// microseconds where a use reads or writes megabytes.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <utility>

#include "weft/error.hpp"

namespace weft::io {

// "cannot ACTION PATH: what the operating system says".
[[noreturn]] void throw_errno(ErrorKind kind, const char* action, const std::filesystem::path& path, int error);

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  // Returns 0 or the errno of a failed close, which may report a write that went wrong.
  int close() noexcept;

 private:
  int fd_;
};

// open(2), repeated when a signal interrupts it. The result is -1 and errno set when it fails.
[[nodiscard]] Descriptor open_descriptor(const std::filesystem::path& path, int flags, mode_t mode = 0) noexcept;

class FileHandle {
 public:
  // Takes over a descriptor of `path`; `flags` are for opening it again.
  FileHandle(Descriptor descriptor, std::filesystem::path path, int flags);
  FileHandle(FileHandle&& other) noexcept;
  FileHandle& operator=(FileHandle&& other) noexcept;
  ~FileHandle();

  class Use {
   public:
    [[nodiscard]] int fd() const noexcept { return fd_; }

   private:
    friend class FileHandle;
    explicit Use(int fd) noexcept : fd_(fd) {}
    explicit Use(Descriptor opened) noexcept : opened_(std::move(opened)), fd_(opened_.get()) {}
    Descriptor opened_;
    int fd_;
  };
  // Valid while the handle is. Thread-safe. Throws Error(kIo), or Error(kInput) when another file has taken the path.
  [[nodiscard]] Use use() const;

  // Closes the descriptor for good; returns 0 or an errno.
  int close() noexcept;

 private:
  Descriptor kept_;
  std::filesystem::path path_;
  int flags_;
  dev_t device_;
  ino_t inode_;
};

}  // namespace weft::io
