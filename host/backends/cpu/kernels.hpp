// The inner loops of the CPU backend, one set per Warp model, chosen at run time.
//
// Every set gives the same bytes. `active()` is the best one this processor has; the environment variable WEFT_CPU
// (portable | avx2) forces one, which the tests and a doubtful user need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "backends/cpu/trellis_kernels.hpp"
#include "weft/core/pairs.hpp"
#include "weft/core/row_squares.hpp"
#include "weft/dtype.hpp"

namespace weft::cpu {

using Planes = std::uint8_t* const*;
using ConstPlanes = const std::uint8_t* const*;

// Over the values whose level has the size 1, 2, and 3 or more.
struct InwardSums {
  std::int64_t inward[3] = {};  // of |level| - |value|, in 1/1024 cells
  std::int64_t count[3] = {};
};

// Over pairs of values, every 16th in one sum: what is not finite before counts in none.
struct PairSums {
  static constexpr std::size_t kParts = 16;
  double squared_error[kParts], squares[kParts], largest_error[kParts];
  bool all_finite;
};

struct Kernels {
  std::string_view name;

  // core::rans_encode and core::rans_decode.
  std::uint32_t (*rans_encode)(const std::uint8_t* symbols, std::uint32_t n, int lanes_log2,
                               const core::EncodeTable& table, std::uint16_t* end);
  core::Status (*rans_decode)(const std::uint16_t* words, std::uint32_t word_count, int lanes_log2,
                              const std::uint32_t* table, std::uint32_t n, std::uint8_t* out);
  // The same with a table for each symbol, which `numbers` numbers; decoding's have 4096 words each.
  std::uint32_t (*rans_encode_by_class)(const std::uint8_t* symbols, const std::uint8_t* numbers, std::uint32_t n,
                                        int lanes_log2, const core::EncodeTable* tables, std::uint16_t* end);
  core::Status (*rans_decode_by_class)(const std::uint16_t* words, std::uint32_t word_count, int lanes_log2,
                                       const std::uint32_t* tables, const std::uint8_t* numbers, std::uint32_t n,
                                       std::uint8_t* out);
  // numbers[i] = number_of_class[classes[i]], of kScaleClasses classes.
  void (*number_classes)(const std::uint8_t* classes, std::size_t n, const std::uint8_t* number_of_class,
                         std::uint8_t* numbers);
  std::uint32_t (*crc32c)(const std::uint8_t* data, std::size_t n);

  // n units of 1, 2, 4 or 8 bytes <-> that many byte planes; rotate: floats, whose sign goes to the lowest bit.
  void (*split)(const std::byte* units, std::size_t n, int unit_bytes, bool rotate, Planes planes);
  void (*merge)(ConstPlanes planes, std::size_t n, int unit_bytes, bool rotate, std::byte* units);

  // Adds the counts of n bytes to counts[256].
  void (*histogram)(const std::uint8_t* data, std::size_t n, std::uint64_t* counts);

  // 2 n symbols to n pairs; symbols outside of the window are counted and replaced (core/pairs.hpp). And pairs to symbols.
  void (*pack_pairs)(const std::uint8_t* symbols, std::size_t n, const core::PairWindow& window, std::uint8_t* pairs,
                     std::uint32_t* outside);
  void (*unpack_pairs)(const std::uint8_t* pairs, std::size_t n, std::uint8_t base, std::uint8_t* symbols);

  // Quantizable units to float32 (F64 is rounded) and back (rounded to nearest even).
  void (*to_float)(DType dtype, const std::byte* units, std::size_t n, float* values);
  void (*from_float)(DType dtype, const float* values, std::size_t n, std::byte* units);

  // fixed[i] = values[i] * inverse in 1/1024, rounded to nearest even; core::kOutOfRange unless |that| < limit.
  void (*to_fixed)(const float* values, std::size_t n, float inverse, float limit, std::int32_t* fixed);

  // Fixed-point values to levels; what is out of range counts as 0. Without low bits by thresholds
  // (core::level_by_threshold), with low bits to the nearest.
  void (*quantize)(const std::int32_t* fixed, std::size_t n, const std::int32_t* thresholds, std::uint8_t* symbols);
  void (*quantize_fine)(const std::int32_t* fixed, std::size_t n, int low_bits, std::uint8_t* symbols,
                        std::uint8_t* low);
  // symbols[i] = how many of the 2^log2 - 1 ascending thresholds lie below values[i]; log2 <= 8.
  void (*search)(const float* values, std::size_t n, const float* thresholds, int log2, std::uint8_t* symbols);
  void (*search_wide)(const float* values, std::size_t n, const float* thresholds, int log2,
                      std::uint16_t* symbols);  // log2 <= 16
  // indices[i] = the entry j of the least biases[j] - vector i . entry j, of equal ones the first. n vectors and `count` > 0
  // entries of 2, 4 or 8 floats; neither is very large.
  void (*nearest)(const float* vectors, std::size_t n, int dimension, const float* entries, const float* biases,
                  std::uint32_t count, std::uint32_t* indices);
  // Adds up how far values lie inside of their levels. low may be null when low_bits is 0.
  void (*sum_inward)(const std::int32_t* fixed, std::size_t n, int low_bits, const std::uint8_t* symbols,
                     const std::uint8_t* low, InwardSums& sums);

  // The part of a row that has these values, core::kRowPart at most. weights may be null.
  void (*square_row)(const float* values, std::size_t n, const double* weights, float centre, core::RowPart& part);

  // Values that were coded, and what came back.
  void (*compare)(const float* before, const float* after, std::size_t n, PairSums& sums);
  void (*compare_wide)(const double* before, const double* after, std::size_t n, PairSums& sums);

  const TrellisKernels& (*trellis)(std::uint32_t lanes) noexcept;
};

[[nodiscard]] const Kernels& portable_kernels() noexcept;
// Null when this build or this processor has no such model.
[[nodiscard]] const Kernels* avx2_kernels() noexcept;
// All that run here, the portable one first.
[[nodiscard]] std::span<const Kernels* const> available_kernels() noexcept;
[[nodiscard]] const Kernels& active_kernels() noexcept;

}  // namespace weft::cpu
