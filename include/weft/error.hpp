// The one error type of the library.
//
// Every failure that a caller can see is a weft::Error: a kind, from which the exit code follows, and a sentence that
// names the file, tensor and block concerned, what was expected and found, and what to do. The codec core
// (include/weft/core) never throws: it returns a status that its caller turns into an Error with the names that only
// the caller knows.
#pragma once

#include <stdexcept>
#include <string>

namespace weft {

enum class ErrorKind {
  kUsage,        // command line: unknown option, refused overwrite
  kConfig,       // config file or --set
  kIo,           // operating system: cannot open, disk full
  kInput,        // a source network violates its format
  kArchive,      // an archive is corrupt, truncated or of an unknown version
  kVerify,       // a comparison failed
  kUnsupported,  // valid, but this build cannot do it
  kMemory,       // a memory limit is too small
  kInterrupted,  // SIGINT or SIGTERM
  kInternal,     // a defect of weft
  kDevice,       // a GPU failed
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

// 1 run-time error, 2 usage or config, 3 corrupt input or failed verification (README, "Exit codes"). The program exits
// with 128 + the signal's number where one ended the run.
[[nodiscard]] constexpr int exit_code(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kUsage:
    case ErrorKind::kConfig:
      return 2;
    case ErrorKind::kInput:
    case ErrorKind::kArchive:
    case ErrorKind::kVerify:
      return 3;
    default:
      return 1;
  }
}

}  // namespace weft
