// What the index says of codebooks: the list that streams share, and which of them a stream uses.
#pragma once

#include "archive/bytes.hpp"
#include "weft/archive.hpp"

namespace weft::archive {

inline constexpr std::uint64_t kMaxScalarEntries = 4096;
inline constexpr std::uint64_t kMaxVectorEntries = 65536;
inline constexpr int kMaxDimension = 8;

// Types that a codebook's values may have.
[[nodiscard]] constexpr bool is_centroid_type(DType dtype) noexcept {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32;
}

// Sets what a stream knows of its codebooks without naming it: dimension and bytes of an index.
void adopt_codebooks(std::span<const Codebook> codebooks, CodebookStream& stream);

void put_codebooks(ByteWriter& out, const std::vector<Codebook>& codebooks);
void put_codebook_stream(ByteWriter& out, const CodebookStream& stream);

// The readers check everything.
void read_codebooks(ByteReader& in, std::vector<Codebook>& codebooks);
void read_codebook_stream(ByteReader& in, std::span<const Codebook> codebooks, StreamRecord& stream);

}  // namespace weft::archive
