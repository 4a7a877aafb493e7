#include "archive/framing.hpp"

#include <gtest/gtest.h>

#include "archive/bytes.hpp"
#include "backends/cpu/kernels.hpp"
#include "support/expect_error.hpp"

namespace weft::archive {
namespace {

using testing::expect_error;
using Header = std::array<std::byte, kHeaderBytes>;
using FooterBytes = std::array<std::byte, kFooterBytes>;

void seal(std::span<std::byte> bytes, std::size_t covered) {
  store_le(bytes.data() + covered,
           cpu::portable_kernels().crc32c(reinterpret_cast<const std::uint8_t*>(bytes.data()), covered));
}

// A file of 1000 bytes: 876 to the index, 100 bytes of index, 24 of footer.
constexpr std::uint64_t kFileBytes = 1000;
Footer good_footer() {
  Footer footer;
  footer.index_offset = 876;
  footer.text_bytes = 40;
  footer.index_crc = 0x12345678;
  return footer;
}

TEST(Framing, HeaderHasTheBytesOfTheFormat) {
  const Header header = make_header();
  const std::array<int, 12> expected = {0x89, 0x57, 0x45, 0x46, 0x54, 0x0D, 0x0A, 0x1A, 0, 9, 0, 0};
  for (std::size_t i = 0; i < expected.size(); i++) EXPECT_EQ(static_cast<int>(header[i]), expected[i]) << i;
  EXPECT_NO_THROW(check_header(header));
}

TEST(Framing, EveryFlippedBitOfTheHeaderIsRefused) {
  for (std::size_t bit = 0; bit < 8 * kHeaderBytes; bit++) {
    Header bad = make_header();
    bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    expect_error(ErrorKind::kArchive, {bit < 64 ? "magic" : "checksum of the header"}, [&] { check_header(bad); });
  }
}

TEST(Framing, AnotherVersionIsRefusedByNumber) {
  for (const auto& [major, minor, text] : {std::tuple{1, 0, "version 1.0"},
                                           {0, 1, "version 0.1"},
                                           {0, 2, "version 0.2"},
                                           {0, 3, "version 0.3"},
                                           {0, 4, "version 0.4"},
                                           {0, 7, "version 0.7"},
                                           {0, 8, "version 0.8"},
                                           {0, 0, "version 0.0"},
                                           {255, 255, "version 255.255"}}) {
    Header bad = make_header();
    bad[8] = static_cast<std::byte>(major);
    bad[9] = static_cast<std::byte>(minor);
    seal(bad, 12);
    expect_error(ErrorKind::kArchive, {text, "reads 0.9"}, [&] { check_header(bad); });
  }
}

TEST(Framing, ReservedBitsOfTheHeaderAreRefused) {
  for (std::size_t bit = 80; bit < 96; bit++) {
    Header bad = make_header();
    bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    seal(bad, 12);
    expect_error(ErrorKind::kArchive, {"reserved bit of the header"}, [&] { check_header(bad); });
  }
}

TEST(Framing, FooterComesBack) {
  const Footer footer = parse_footer(make_footer(good_footer()), kFileBytes);
  EXPECT_EQ(footer.index_offset, 876u);
  EXPECT_EQ(footer.text_bytes, 40u);
  EXPECT_EQ(footer.index_crc, 0x12345678u);
}

TEST(Framing, EveryFlippedBitOfTheFooterIsRefused) {
  for (std::size_t bit = 0; bit < 8 * kFooterBytes; bit++) {
    FooterBytes bad = make_footer(good_footer());
    bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    expect_error(ErrorKind::kArchive, {bit < 8 * 20 ? "checksum of the footer" : "truncated"},
                 [&] { (void)parse_footer(bad, kFileBytes); });
  }
}

void expect_lie(const std::function<void(Footer&)>& change, const std::string& part) {
  Footer footer = good_footer();
  change(footer);
  expect_error(ErrorKind::kArchive, {part}, [&] { (void)parse_footer(make_footer(footer), kFileBytes); });
}

TEST(Framing, AFooterThatLiesAboutPlacesIsRefused) {
  const std::string where = "where the index is";
  expect_lie([](Footer& f) { f.index_offset = 15; }, where);
  expect_lie([](Footer& f) { f.index_offset = 977; }, where);
  expect_lie([](Footer& f) { f.index_offset = UINT64_MAX; }, where);
  expect_lie([](Footer& f) { f.text_bytes = 101; }, where);
  expect_lie([](Footer& f) { f.text_bytes = UINT32_MAX; }, where);
  expect_lie([](Footer& f) { f.index_offset += 61; }, where);
  Footer footer = good_footer();
  footer.text_bytes = 100;
  EXPECT_EQ(parse_footer(make_footer(footer), kFileBytes).text_bytes, 100u);
}

}  // namespace
}  // namespace weft::archive
