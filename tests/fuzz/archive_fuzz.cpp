// The input is an archive. Its checksums are made right first, so that the fuzzer gets past them: header and footer, the
// index, and every block whose place the index tells.
//
// Seeds: tests/fuzz/corpus/archive.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "archive/bytes.hpp"
#include "archive/index.hpp"
#include "backends/cpu/kernels.hpp"
#include "weft/engine.hpp"
#include "weft/error.hpp"

namespace {

using namespace weft;

void put_crc(std::string& bytes, std::size_t at, std::size_t from, std::size_t size) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const std::uint32_t crc = cpu::active_kernels().crc32c(data + from, size);
  std::memcpy(bytes.data() + at, &crc, sizeof crc);
}

template <class T>
T number_at(const std::string& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

void repair_frame(std::string& bytes) {
  if (bytes.size() < archive::kHeaderBytes + archive::kFooterBytes) return;
  const std::size_t footer = bytes.size() - archive::kFooterBytes;
  put_crc(bytes, 12, 0, 12);
  const auto index = number_at<std::uint64_t>(bytes, footer);
  if (index <= footer) put_crc(bytes, footer + 12, index, footer - index);
  put_crc(bytes, footer + 16, footer, 16);
}

void repair_blocks(std::string& bytes, const Index& index) {
  for (const BlockRecord& block : index.blocks)
    if (block.size >= 4) put_crc(bytes, block.offset, block.offset + 4, block.size - 4);
}

// An anonymous file, opened by its name under /proc.
class MemoryFile {
 public:
  MemoryFile() : file_(::memfd_create("archive", MFD_CLOEXEC)) {
    if (file_ < 0) std::abort();
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(file_); }
  void write(const std::string& bytes) const {
    if (::ftruncate(file_, static_cast<off_t>(bytes.size())) != 0 ||
        ::pwrite(file_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
      std::abort();
  }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

// What is decoded for one input: a small archive may announce any number of constant blocks.
constexpr std::uint64_t kMostUnits = 1u << 22;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MemoryFile file;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  repair_frame(bytes);
  file.write(bytes);
  try {
    const Archive before = Archive::open(file.path());
    std::uint64_t units = 0;
    for (const StreamRecord& stream : before.index().streams) units += stream.units;
    if (units > kMostUnits) return 0;
    repair_blocks(bytes, before.index());
    file.write(bytes);
    RunOptions options;
    options.threads = 1;
    (void)verify(Archive::open(file.path()), nullptr, options);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kArchive) std::abort();
  }
  return 0;
}
