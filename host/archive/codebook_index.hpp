// What the index says of codebooks: the list that streams share, and which of them a stream uses.
#pragma once

#include "archive/numbers.hpp"
#include "weft/archive.hpp"

namespace weft::archive {

inline constexpr std::uint64_t kMaxScalarEntries = 4096;
inline constexpr std::uint64_t kMaxVectorEntries = 65536;
inline constexpr int kMaxDimensionLog2 = 3, kMaxDimension = 1 << kMaxDimensionLog2;

// Types that a codebook's values may have.
[[nodiscard]] constexpr bool is_centroid_type(DType dtype) noexcept {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32;
}

// Sets what a stream knows of its codebooks without naming it: dimension and bytes of an index.
void adopt_codebooks(std::span<const Codebook> codebooks, CodebookStream& stream);

void put_codebooks(NumberWriter& out, const std::vector<Codebook>& codebooks);
void put_codebook_stream(NumberWriter& out, const CodebookStream& stream);

// The readers check everything.
void read_codebooks(NumberReader& in, std::vector<Codebook>& codebooks);
void read_codebook_stream(NumberReader& in, std::span<const Codebook> codebooks, StreamRecord& stream);

}  // namespace weft::archive
