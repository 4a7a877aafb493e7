// The index of an archive as bytes (FORMAT.md 2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "weft/archive.hpp"

namespace weft::archive {

inline constexpr std::uint64_t kHeaderBytes = 16;
inline constexpr std::uint64_t kFooterBytes = 24;
inline constexpr int kMinBlockLog2 = 10;
inline constexpr int kMaxBlockLog2 = 18;
inline constexpr int kMaxAssetBlockLog2 = 20;
inline constexpr int kMaxSegmentLog2 = 24;
inline constexpr std::uint64_t kMaxRank = 32;
inline constexpr std::uint64_t kMaxNameBytes = 255;    // of a file
inline constexpr std::uint64_t kMaxTextRatio = 64;     // decompressed size <= this * stored size + kTextSlack
inline constexpr std::uint64_t kTextSlack = 1u << 24;  // headers may be padded, or say the same again and again

[[nodiscard]] constexpr std::uint64_t blocks_in(std::uint64_t units, int block_log2) noexcept {
  return (units >> block_log2) + ((units & ((std::uint64_t{1} << block_log2) - 1)) != 0 ? 1 : 0);
}

// Codecs whose segments say how far reconstruction lies inside of the levels.
[[nodiscard]] constexpr bool has_corrections(CodecId codec) noexcept {
  return codec == CodecId::kUniform || codec == CodecId::kTrellis;
}

// Codecs whose streams may have scales: the classes of units then choose frequency tables.
[[nodiscard]] constexpr bool may_have_classes(CodecId codec) noexcept {
  return codec == CodecId::kLossless || codec == CodecId::kCodebook;
}

// Appends the segments and blocks that the stream's units, block_log2 and segment_log2 call for: sizes, tables and
// corrections are left to be filled in.
void lay_out_stream(Index& index, StreamRecord& stream);
// Of all blocks of a stream.
[[nodiscard]] std::uint64_t block_bytes(const Index& index, const StreamRecord& stream);

// Byte planes of a stream that may have frequency tables.
[[nodiscard]] int coded_planes(const StreamRecord& stream) noexcept;

// Gives every block its place in the file and returns the end of the last one. False when the blocks of a hostile index
// run past `limit`.
[[nodiscard]] bool place_blocks(Index& index, std::uint64_t limit, std::uint64_t& end) noexcept;

// The index as it is stored: its texts, as a zstd frame where that is smaller and does not expand too far, and its numbers.
// Everything but block offsets, which follow from the sizes.
struct StoredIndex {
  std::vector<std::byte> bytes;
  std::uint32_t text_bytes = 0;  // of these, the texts
};
[[nodiscard]] StoredIndex store_index(const Index& index);

// Parses and checks an index; `payload_end` is the offset at which the last block must end. Throws Error(kArchive).
[[nodiscard]] Index parse_index(std::span<const std::byte> bytes, std::uint32_t text_bytes, std::uint64_t payload_end);

// Why a name cannot be a file's name inside an archive; empty if it can.
[[nodiscard]] std::string file_name_fault(std::string_view name);

}  // namespace weft::archive
