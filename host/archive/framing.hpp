// Header and footer of an archive (FORMAT.md 1).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "archive/index.hpp"

namespace weft::archive {

struct Footer {
  std::uint64_t index_offset = 0;
  std::uint32_t text_bytes = 0, index_crc = 0;  // of the index
};

[[nodiscard]] std::array<std::byte, kHeaderBytes> make_header();
[[nodiscard]] std::array<std::byte, kFooterBytes> make_footer(const Footer& footer);

// Throw Error(kArchive) that says what is wrong: not an archive, another version, a reserved bit, a checksum.
void check_header(std::span<const std::byte, kHeaderBytes> bytes);
[[nodiscard]] Footer parse_footer(std::span<const std::byte, kFooterBytes> bytes, std::uint64_t file_bytes);

}  // namespace weft::archive
