// Zstd frames: of the index's texts, of assets, and of tensor blocks whose values repeat.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace weft::archive {

// Compresses to `frame`, which is overwritten; returns its size.
std::size_t write_zstd_frame(std::span<const std::byte> bytes, int level, std::vector<std::byte>& frame);

// Decompresses a frame that must give exactly out.size() bytes; returns an empty string or what is wrong.
[[nodiscard]] std::string read_zstd_frame(std::span<const std::byte> frame, std::span<std::byte> out);

}  // namespace weft::archive
