#include "cli/console.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "weft/error.hpp"

namespace weft::cli {
namespace {

constexpr std::size_t kUsualColumns = 80;  // of a terminal that does not say

}  // namespace

void reserve_standard_descriptors() {
  for (int fd = 0; fd <= 2;) {
    // open() takes the lowest free number; the first one above 2 means that all three are taken.
    fd = ::open("/dev/null", O_RDWR);
    if (fd < 0) return;
    if (fd > 2) ::close(fd);
  }
}

std::size_t columns_of(int descriptor) noexcept {
  winsize size{};
  if (::isatty(descriptor) != 1) return 0;
  return ::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 ? kUsualColumns : size.ws_col;
}

void put_data(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
  throw Error(ErrorKind::kIo, std::string("cannot write to standard output: ") + std::strerror(errno));
}

// Paths of the operating system need not be UTF-8.
void put_json(const nlohmann::ordered_json& json) {
  put_data(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n');
}

void put_text(std::string_view text) noexcept {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace weft::cli
