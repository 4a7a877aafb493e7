// From indices to weights where one table look-up of a symbol is not all it takes (FORMAT.md 3.3, codec 4): codebooks of
// vectors, of groups of channels, or of over 256 entries.
//
// * The planes of indices have been decoded to bytes before; this is the second step, and exceptions are a third one.
// * Threads take units, not vectors: neighbours read and write neighbouring addresses whatever the dimension.
#pragma once

#include "weft/core/dequantize.hpp"
#include "weft/core/rans_params.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::core {

struct LookUpBook {
  const float* values;
  std::uint32_t entries;
};

struct LookUpStream {
  const LookUpBook* books;  // one for each group of channels
  ChannelGroups groups;
  std::uint32_t dimension_log2;
};

struct LookUpJob {
  const LookUpStream* stream;
  const std::uint8_t* high;  // a byte for each vector; null: constant
  const std::uint8_t* low;
  const std::uint8_t* exceptions;
  std::uint64_t out;            // offset from where all jobs of a launch write
  std::uint64_t first_element;  // of the stream; a vector begins there
  std::uint32_t n;              // units
  std::uint32_t exception_count;
  std::uint8_t high_constant, low_constant;
};

// Thread `thread` of `threads` does its share of a block's units. Returns whether all of their indices have an entry; units of
// those without are left as they are. Float is FloatUnit of the element type.
template <class Float>
WEFT_HD bool look_up_units(const LookUpJob& job, std::uint8_t* outputs, std::uint32_t thread, std::uint32_t threads) {
  using Unit = typename Float::Unit;
  const LookUpStream& stream = *job.stream;
  const std::uint32_t log2 = stream.dimension_log2, within = (1u << log2) - 1;
  std::uint8_t* out = outputs + job.out;
  LookUpBook book = stream.books[0];
  const ChannelPosition position = stream.groups.position(job.first_element);
  const bool is_whole = is_aligned(out, sizeof(Unit));
  bool valid = true;
  for (std::uint32_t unit = thread; unit < job.n; unit += threads) {
    const std::uint32_t vector = unit >> log2;
    const std::uint32_t high = job.high != nullptr ? job.high[vector] : job.high_constant;
    const std::uint32_t index = high << 8 | (job.low != nullptr ? job.low[vector] : job.low_constant);
    if (stream.groups.group != 0) book = stream.books[stream.groups.group_at(position, vector << log2)];
    if (index >= book.entries) {
      valid = false;
      continue;
    }
    const float value = book.values[(std::size_t{index} << log2) + (unit & within)];
    const Unit bits = Float::widen(Float::narrow(value));
    std::uint8_t* const to = out + std::size_t{unit} * sizeof(Unit);
    if (is_whole)
      store_aligned(to, bits);
    else
      store_bytewise(to, bits);
  }
  return valid;
}

}  // namespace weft::core
