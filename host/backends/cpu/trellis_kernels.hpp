// The inner loops of codec trellis, one set per Warp model (core/trellis_search.hpp, core/trellis_code.hpp).
#pragma once

#include <cstdint>

#include "weft/core/rans_encode.hpp"
#include "weft/core/trellis_code.hpp"

namespace weft::cpu {

struct TrellisMode {
  int states_log2 = 3;
  bool keeps_zero = false;
  bool predicts = false;
};

// For blocks of at most `width` lanes, and arrays that are woven with it.
struct TrellisKernels {
  std::uint32_t width;
  void (*search)(TrellisMode mode, const core::Weave& weave, const core::SearchInput& in,
                 const core::SearchScratch& scratch, std::uint8_t* path);
  void (*follow)(TrellisMode mode, const core::Weave& weave, const core::SearchInput& in, const std::uint8_t* path,
                 std::uint32_t* entries, std::uint16_t* levels);
  std::uint32_t (*encode)(const core::Weave& weave, const std::uint32_t* entries, const core::EncodeTable* tables,
                          std::uint16_t* end);
  core::Status (*decode)(TrellisMode mode, const core::Weave& weave, const core::Predictor& predictor,
                         const std::uint32_t* places, const std::uint8_t* classes, const std::uint16_t* words,
                         std::uint32_t word_count, const std::uint32_t* tables, std::uint16_t* levels);
};

// The narrowest that there are for so many lanes: a small tensor's blocks have few.
[[nodiscard]] const TrellisKernels& portable_trellis_kernels(std::uint32_t lanes) noexcept;
[[nodiscard]] const TrellisKernels& avx2_trellis_kernels(
    std::uint32_t lanes) noexcept;  // only where avx2_kernels() is not null

}  // namespace weft::cpu
