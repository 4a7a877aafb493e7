// How large the measured workloads are: far beyond any cache, or, to see whether all of it runs, as small as makes sense.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::bench {

struct Sizes {
  std::size_t distinct = 8;    // segments that differ
  std::size_t segments = 256;  // in one launch: 2^28 weights
  std::size_t many = 1024;     // 2^30 weights: blocks enough that the last ones to finish do not count
  std::size_t searched = 64;   // 2^26 weights: the search of 256 states is long, and takes 32 bytes a weight
  std::uint64_t segment_units = 1u << 20;
  std::size_t drawn = std::size_t{1} << 24, copies = 16;  // of clustering: 2^28 weights, no two copies alike
  std::size_t vectors = std::size_t{1} << 24;
  std::size_t checked = 4096;  // vectors, against the CPU
  std::size_t copied = std::size_t{1} << 30;
  std::uint64_t row_units = std::uint64_t{1} << 28;  // of rows that are measured
  std::size_t scrubbed = std::size_t{1} << 29;       // written before each run
  int warm_ups = 2, runs = 11;
  double warm_up_seconds = 0.15;  // at least: an idle GPU's clock takes its time
};
inline constexpr Sizes kRehearsal{
    2, 2, 3, 2, 1u << 13, std::size_t{1} << 14, 2, std::size_t{1} << 12, 64, 1u << 20, 1u << 19, 1u << 12, 0, 2, 0};

// Set once, before anything is measured.
inline Sizes sizes;

}  // namespace weft::bench
