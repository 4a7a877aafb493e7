// Thin kernels: one per template of the core. Each finds its job, calls the core and stores what it answers.
//
// Read me first:
// * Every pointer is device memory. A launch is asynchronous on its stream, allocates nothing and does not synchronise;
//   it returns the launch's error. A count of zero launches nothing.
// * The callers check sizes and offsets before they launch; the kernels then touch only what a job names, whatever the
//   bytes there are.
#pragma once

#include <cuda_runtime_api.h>

#include "weft/core/rans_encode.hpp"

namespace weft::cuda {

struct EncodeJob {  // core::rans_encode
  const std::uint8_t* symbols;
  std::uint32_t n;
  int lanes_log2;
  const core::EncodeTable* table;
  std::uint16_t* end;
  std::uint32_t word_count;  // answer
};

struct DecodeJob {  // core::rans_decode
  const std::uint16_t* words;
  std::uint32_t word_count;
  int lanes_log2;
  const std::uint32_t* table;
  std::uint32_t n;
  std::uint8_t* out;
  core::Status status;  // answer
};

struct ChecksumJob {  // core::crc32c
  const std::uint8_t* data;
  std::uint64_t n;
  std::uint32_t crc;  // answer
};

struct TableJob {  // core::normalise, then core::build_encode_table and core::build_decode_table
  const std::uint64_t* counts;
  std::uint16_t* frequencies;
  core::EncodeTable* encode;
  std::uint32_t* decode;
  int distinct;  // answer; with 0 only the frequencies are written
};

cudaError_t rans_encode(EncodeJob* jobs, std::uint32_t count, cudaStream_t stream);
cudaError_t rans_decode(DecodeJob* jobs, std::uint32_t count, cudaStream_t stream);
cudaError_t crc32c(ChecksumJob* jobs, std::uint32_t count, cudaStream_t stream);
cudaError_t build_tables(TableJob* jobs, std::uint32_t count, cudaStream_t stream);

// n units <-> sizeof(Unit) planes, which lie one after another: plane k begins at planes + k * n. Rotate: floats, whose
// sign goes to the lowest bit. Unit is std::uint8_t, 16_t, 32_t or 64_t.
template <class Unit>
cudaError_t split_planes(const Unit* units, std::uint64_t n, bool rotate, std::uint8_t* planes, cudaStream_t stream);
template <class Unit>
cudaError_t merge_planes(const std::uint8_t* planes, std::uint64_t n, bool rotate, Unit* units, cudaStream_t stream);

// fine[i] = fine_level(level_by_threshold(fixed[i])). `upper` is the table of thresholds from level `lowest` on; the
// corrections are three, in device memory too.
cudaError_t quantize(const std::int32_t* fixed, std::uint64_t n, const std::int32_t* upper, std::int32_t lowest,
                     const std::int8_t* corrections, std::int32_t* fine, cudaStream_t stream);

// float32 bit patterns <-> 16-bit floats.
enum class Half { kBF16, kF16 };
cudaError_t half_to_float(Half type, const std::uint16_t* half, std::uint64_t n, std::uint32_t* bits,
                          cudaStream_t stream);
cudaError_t float_to_half(Half type, const std::uint32_t* bits, std::uint64_t n, std::uint16_t* half,
                          cudaStream_t stream);

}  // namespace weft::cuda
