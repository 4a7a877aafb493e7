// Decoding of a block by one warp, from its planes to finished units.
//
// Read me first:
// * Symbols of plane 0 are decoded in turns of 512 into a tile, memory that the lanes share. From there every lane takes
//   neighbouring symbols, finishes them and stores 16 bytes at once: a unit is written once, as its final type.
// * Everything but plane 0 is read as it lies in the block. Other planes that are coded are decoded to bytes first
//   (MergeUnits<std::uint8_t> into scratch memory).
// * Whoever fills in a job has checked its sizes; what the bytes say is checked here.
#pragma once

#include "weft/core/byte_planes.hpp"
#include "weft/core/dequantize.hpp"
#include "weft/core/kernel_warp.hpp"
#include "weft/core/rans_decode.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::core {

inline constexpr std::uint32_t kTileSymbols = 512;

enum class SymbolSource : std::uint8_t { kBytes, kConstant, kRans };

struct BlockJob {
  const std::uint8_t* symbols;  // plane 0, or its words
  std::uint64_t out;            // offset from where all jobs of a launch write
  const std::uint8_t* rest[7];  // MergeUnits: the other planes; null: constant
  const std::uint8_t* low;      // Dequantize: low bits
  const std::uint8_t* exceptions;
  std::uint64_t first_element;  // Dequantize: of the tensor, for channels
  std::uint32_t n;              // units
  std::uint32_t symbol_bytes;
  std::uint32_t exception_count;
  std::uint8_t rest_constant[7];
  SymbolSource source;
  std::uint8_t lanes_log2;
  std::uint8_t constant;
  std::uint8_t rotate;  // MergeUnits: floats, whose sign is the lowest bit in the planes
};

// Blocks that share a table, decoded by one thread block.
struct BlockGroup {
  const std::uint16_t* frequencies;  // 256; null: no block is coded
  const UniformParameters* uniform;  // Dequantize
  std::uint32_t first_job, job_count;
};

// Joins byte planes to units.
template <class Unit>
struct MergeUnits {
  using Output = Unit;
  static constexpr std::uint32_t kPerStore = 16 / sizeof(Unit);
  static constexpr int kPlanes = sizeof(Unit);

  WEFT_HD MergeUnits(const BlockJob& block, std::uint8_t* outputs) : job(block), out(outputs + block.out) {
    for (int k = 0; k < kPlanes - 1; k++)
      if (job.rest[k] != nullptr && !is_aligned(job.rest[k], kPerStore)) aligned = false;
  }
  // Unit i of the block, whose symbol is this.
  WEFT_HD Unit one(std::uint32_t symbol, std::uint32_t i) const {
    Unit unit = static_cast<Unit>(symbol);
    for (int k = 0; k < kPlanes - 1; k++)
      unit = static_cast<Unit>(unit << 7 << 1 | (job.rest[k] != nullptr ? job.rest[k][i] : job.rest_constant[k]));
    return job.rotate != 0 ? rotate_sign_up(unit) : unit;
  }
  // Units i .. i + kPerStore - 1, whose symbols are at an aligned address.
  WEFT_HD Words4 store(const std::uint8_t* symbols, std::uint32_t i) const {
    Words4 r;
    if constexpr (sizeof(Unit) == 1) {
      for (int w = 0; w < 4; w++) r.word[w] = load_aligned<std::uint32_t>(symbols + 4 * w);
    } else if constexpr (sizeof(Unit) == 2) {
      const std::uint32_t shift = job.rotate != 0 ? 1 : 0;
      for (int half = 0; half < 2; half++) {
        const auto high = load_aligned<std::uint32_t>(symbols + 4 * half);
        const std::uint32_t low = four(0, i + 4 * half);
        r.word[2 * half] = rotate_pair(permute_bytes(low, high, 0x5140), shift);
        r.word[2 * half + 1] = rotate_pair(permute_bytes(low, high, 0x7362), shift);
      }
    } else if constexpr (sizeof(Unit) == 4) {
      const auto a = load_aligned<std::uint32_t>(symbols);
      const std::uint32_t b = four(0, i), c = four(1, i), d = four(2, i);
      const std::uint32_t ab_low = permute_bytes(b, a, 0x5140), ab_high = permute_bytes(b, a, 0x7362);
      const std::uint32_t cd_low = permute_bytes(d, c, 0x5140), cd_high = permute_bytes(d, c, 0x7362);
      r.word[0] = permute_bytes(cd_low, ab_low, 0x5410);
      r.word[1] = permute_bytes(cd_low, ab_low, 0x7632);
      r.word[2] = permute_bytes(cd_high, ab_high, 0x5410);
      r.word[3] = permute_bytes(cd_high, ab_high, 0x7632);
      for (std::uint32_t& word : r.word)
        if (job.rotate != 0) word = rotate_sign_up(word);
    } else {
      for (std::uint32_t k = 0; k < 2; k++) {
        const Unit unit = one(symbols[k], i + k);
        r.word[2 * k] = static_cast<std::uint32_t>(unit);
        r.word[2 * k + 1] = static_cast<std::uint32_t>(std::uint64_t{unit} >> 32);
      }
    }
    return r;
  }

  const BlockJob& job;
  std::uint8_t* out;
  bool aligned = true;

 private:
  WEFT_HD std::uint32_t four(int k, std::uint32_t i) const {
    return job.rest[k] != nullptr ? load_aligned<std::uint32_t>(job.rest[k] + i) : job.rest_constant[k] * 0x01010101u;
  }
  // Two 16-bit units, rotated right by 0 or 1.
  WEFT_HD static std::uint32_t rotate_pair(std::uint32_t pair, std::uint32_t shift) {
    if (shift == 0) return pair;
    return (pair >> 1 & 0x7FFF7FFFu) | (pair << 15 & 0x80008000u);
  }
};

// Turns symbols, and low bits where there are any, into weights. `values` are what UniformParameters::value gives for the
// 256 symbols, where that is all it takes.
template <FloatType kType, bool kByTable>
struct Dequantize {
  using Output = typename FloatUnit<kType>::Unit;
  static constexpr std::uint32_t kPerStore = 16 / sizeof(Output);

  WEFT_HD Dequantize(const BlockJob& block, std::uint8_t* outputs, const UniformParameters& parameters,
                     const std::uint32_t* table)
      : job(block), out(outputs + block.out), uniform(parameters), values(table) {
    if constexpr (!kByTable) position = ChannelPosition(uniform, job.first_element);
  }
  WEFT_HD Output one(std::uint32_t symbol, std::uint32_t i) const {
    if constexpr (kByTable) {
      return FloatUnit<kType>::widen(values[symbol]);
    } else {
      const float step = position.step_at(uniform, i);
      return FloatUnit<kType>::widen(FloatUnit<kType>::narrow(uniform.weight(symbol, low_of(i), step)));
    }
  }
  WEFT_HD Words4 store(const std::uint8_t* symbols, std::uint32_t i) const {
    Words4 r;
    if constexpr (sizeof(Output) == 2) {
      for (std::uint32_t w = 0; w < 4; w++)
        r.word[w] = one(symbols[2 * w], i + 2 * w) | std::uint32_t{one(symbols[2 * w + 1], i + 2 * w + 1)} << 16;
    } else if constexpr (sizeof(Output) == 4) {
      for (std::uint32_t w = 0; w < 4; w++) r.word[w] = one(symbols[w], i + w);
    } else {
      for (std::uint32_t w = 0; w < 2; w++) {
        const std::uint64_t unit = one(symbols[w], i + w);
        r.word[2 * w] = static_cast<std::uint32_t>(unit);
        r.word[2 * w + 1] = static_cast<std::uint32_t>(unit >> 32);
      }
    }
    return r;
  }

  const BlockJob& job;
  std::uint8_t* out;
  const UniformParameters& uniform;
  const std::uint32_t* values;
  ChannelPosition position{};
  bool aligned = true;

 private:
  WEFT_HD std::uint32_t low_of(std::uint32_t i) const {
    if (uniform.low_bits == 0) return 0;
    return uniform.low_bits == 8 ? job.low[i] : job.low[i / 2] >> (4 * (i & 1)) & 15u;
  }
};

// Units [first, first + count) of the block, from their symbols.
template <KernelWarp W, class Finish>
WEFT_HD void finish_tile(const Finish& finish, bool vectors, const std::uint8_t* symbols, std::uint32_t first,
                         std::uint32_t count) {
  using Output = typename Finish::Output;
  constexpr std::uint32_t kPer = Finish::kPerStore;
  W::for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t at = lane * kPer; at < count; at += kLanes * kPer) {
      std::uint8_t* out = finish.out + std::size_t{first + at} * sizeof(Output);
      if (vectors && count - at >= kPer) {
        store_aligned(out, finish.store(symbols + at, first + at));
      } else {
        const std::uint32_t end = count - at < kPer ? count - at : kPer;
        for (std::uint32_t k = 0; k < end; k++)
          store_bytewise(out + k * sizeof(Output), finish.one(symbols[at + k], first + at + k));
      }
    }
  });
}

// A whole block without its exceptions. `table` is for coded symbols; `tile` has kTileSymbols bytes, aligned to 16.
template <KernelWarp W, class Finish>
WEFT_HD Status decode_planes(const Finish& finish, const std::uint32_t* table, std::uint8_t* tile) {
  const BlockJob& job = finish.job;
  const std::uint32_t n = job.n;
  const bool vectors = finish.aligned && is_aligned(finish.out, 16);
  if (job.source == SymbolSource::kBytes) {
    const bool aligned = vectors && is_aligned(job.symbols, 16);
    finish_tile<W>(finish, aligned, job.symbols, 0, n);
    return Status::kOk;
  }
  if (job.source == SymbolSource::kConstant) {
    W::for_each_lane([&](std::uint32_t lane) {
      for (std::uint32_t i = lane; i < kTileSymbols; i += kLanes) tile[i] = job.constant;
    });
    W::sync();
    for (std::uint32_t done = 0; done < n; done += kTileSymbols)
      finish_tile<W>(finish, vectors, tile, done, n - done < kTileSymbols ? n - done : kTileSymbols);
    W::sync();
    return Status::kOk;
  }
  const auto* words = reinterpret_cast<const std::uint16_t*>(job.symbols);
  const std::uint32_t word_count = job.symbol_bytes / 2, lanes = 1u << job.lanes_log2;
  DecodeState<W> state;
  if (!start_decoding<W>(state, words, word_count, lanes)) return Status::kTruncated;
  std::uint32_t done = 0;
  if (job.lanes_log2 == kLanesLog2) {
    const std::uint16_t* next = words + state.cursor;
    const std::uint16_t* end = words + word_count;
    for (; n - done >= kTileSymbols && end - next >= static_cast<std::ptrdiff_t>(kTileSymbols); done += kTileSymbols) {
#if defined(__CUDA_ARCH__)
#pragma unroll 8
#endif
      for (std::uint32_t at = 0; at < kTileSymbols; at += kLanes)
        W::store_bytes(tile + at, decode_full_round<W>(state.x, next, table));
      W::sync();
      finish_tile<W>(finish, vectors, tile, done, kTileSymbols);
      W::sync();
    }
    state.cursor = static_cast<std::uint32_t>(next - words);
  }
  const bool enough = decode_last_rounds<W>(state, words, word_count, lanes, table, done, n,
                                            [&](std::uint32_t at, std::uint32_t size, auto entry, auto active) {
                                              const std::uint32_t in_tile = at % kTileSymbols;
                                              W::store_bytes(tile + in_tile, entry, active);
                                              if (in_tile + size < kTileSymbols && at + size < n) return;
                                              W::sync();
                                              finish_tile<W>(finish, vectors, tile, at - in_tile, in_tile + size);
                                              W::sync();
                                            });
  return enough ? finish_decoding<W>(state, word_count, lanes) : Status::kTruncated;
}

// Puts the exceptions' units in their places, after all positions have proved to be ascending and within the block.
template <KernelWarp W, class Unit>
WEFT_HD Status apply_exceptions(const BlockJob& job, std::uint8_t* out) {
  const std::uint32_t count = job.exception_count;
  bool valid = true;
  for (std::uint32_t first = 0; first < count; first += kLanes) {
    // A lane says 1 for a bad position: lanes differ by value alone.
    const auto bad = W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
      const std::uint32_t i = first + lane;
      if (i >= count) return 0;
      const auto position = load_bytewise<std::uint32_t>(job.exceptions + 4 * std::size_t{i});
      const bool ascends = i == 0 || load_bytewise<std::uint32_t>(job.exceptions + 4 * std::size_t{i - 1}) < position;
      return position < job.n && ascends ? 0 : 1;
    });
    valid = valid && !W::any(W::less(W::splat(0), bad));
  }
  if (!valid) return Status::kExceptions;
  W::sync();
  const std::uint8_t* units = job.exceptions + 4 * std::size_t{count};
  W::for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t i = lane; i < count; i += kLanes) {
      const auto position = load_bytewise<std::uint32_t>(job.exceptions + 4 * std::size_t{i});
      store_bytewise(out + std::size_t{position} * sizeof(Unit),
                     load_bytewise<Unit>(units + std::size_t{i} * sizeof(Unit)));
    }
  });
  return Status::kOk;
}

template <KernelWarp W, class Unit>
WEFT_HD Status decode_block(const MergeUnits<Unit>& finish, const std::uint32_t* table, std::uint8_t* tile) {
  return decode_planes<W>(finish, table, tile);
}

template <KernelWarp W, FloatType kType, bool kByTable>
WEFT_HD Status decode_block(const Dequantize<kType, kByTable>& finish, const std::uint32_t* table, std::uint8_t* tile) {
  const Status status = decode_planes<W>(finish, table, tile);
  if (status != Status::kOk) return status;
  W::sync();
  return apply_exceptions<W, typename FloatUnit<kType>::Unit>(finish.job, finish.out);
}

// Slot `slot` of the decode table, from the frequencies' sums: cumulative[s] is the sum of the frequencies below s, and
// cumulative[256] is 4096. So that threads can build a table together.
WEFT_HD std::uint32_t decode_slot(const std::uint16_t cumulative[257], std::uint32_t slot) {
  std::uint32_t symbol = 0;  // the last one that begins at or before the slot
  for (std::uint32_t step = 128; step > 0; step /= 2)
    if (cumulative[symbol + step] <= slot) symbol += step;
  return pack_slot(symbol, cumulative[symbol + 1] - std::uint32_t{cumulative[symbol]}, slot - cumulative[symbol]);
}

}  // namespace weft::core
