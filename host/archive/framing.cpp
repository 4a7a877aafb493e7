#include "archive/framing.hpp"

#include <fmt/format.h>

#include <cstring>

#include "archive/bytes.hpp"
#include "backends/cpu/kernels.hpp"
#include "weft/error.hpp"

namespace weft::archive {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic = {0x89, 'W', 'E', 'F', 'T', 0x0D, 0x0A, 0x1A};
constexpr std::array<char, 4> kEndMagic = {'W', 'E', 'F', 'T'};

std::uint32_t crc(std::span<const std::byte> bytes) {
  return cpu::active_kernels().crc32c(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

void require(bool ok, const std::string& what) {
  if (!ok) throw Error(ErrorKind::kArchive, what);
}

}  // namespace

std::array<std::byte, kHeaderBytes> make_header() {
  std::array<std::byte, kHeaderBytes> header{};
  std::memcpy(header.data(), kMagic.data(), kMagic.size());
  header[8] = static_cast<std::byte>(kFormatMajor);
  header[9] = static_cast<std::byte>(kFormatMinor);
  store_le(header.data() + 12, crc(std::span(header).first(12)));
  return header;
}

std::array<std::byte, kFooterBytes> make_footer(const Footer& footer) {
  std::array<std::byte, kFooterBytes> bytes{};
  store_le(bytes.data(), footer.index_offset);
  store_le(bytes.data() + 8, footer.text_bytes);
  store_le(bytes.data() + 12, footer.index_crc);
  store_le(bytes.data() + 16, crc(std::span(bytes).first(16)));
  std::memcpy(bytes.data() + 20, kEndMagic.data(), kEndMagic.size());
  return bytes;
}

void check_header(std::span<const std::byte, kHeaderBytes> bytes) {
  require(std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0,
          "it is not a weft archive: the first bytes are not its magic number");
  require(load_le<std::uint32_t>(bytes.data() + 12) == crc(bytes.first(12)), "the checksum of the header is wrong");
  const int major = static_cast<int>(bytes[8]), minor = static_cast<int>(bytes[9]);
  require(major == kFormatMajor && minor == kFormatMinor,
          fmt::format("it has format version {}.{}, this program reads {}.{}: use the version of weft that wrote it",
                      major, minor, kFormatMajor, kFormatMinor));
  require(load_le<std::uint16_t>(bytes.data() + 10) == 0,
          "a reserved bit of the header is set: a newer weft is needed");
}

Footer parse_footer(std::span<const std::byte, kFooterBytes> bytes, std::uint64_t file_bytes) {
  require(std::memcmp(bytes.data() + 20, kEndMagic.data(), kEndMagic.size()) == 0,
          "it is truncated: it does not end with a footer");
  require(load_le<std::uint32_t>(bytes.data() + 16) == crc(bytes.first(16)), "the checksum of the footer is wrong");
  Footer footer;
  footer.index_offset = load_le<std::uint64_t>(bytes.data());
  footer.text_bytes = load_le<std::uint32_t>(bytes.data() + 8);
  footer.index_crc = load_le<std::uint32_t>(bytes.data() + 12);
  const std::uint64_t body = file_bytes - kFooterBytes;
  require(footer.index_offset >= kHeaderBytes && footer.index_offset <= body &&
              footer.text_bytes <= body - footer.index_offset,
          "the footer does not say where the index is");
  return footer;
}

}  // namespace weft::archive
