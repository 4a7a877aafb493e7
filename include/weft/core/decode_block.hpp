// Decoding of a block by one warp, from its planes to finished units.
//
// Read me first:
// * Symbols of plane 0 are decoded in turns of 256, a tile: eight rounds, whose words have been brought near beforehand
//   (W::WordStream), because one warp's next step waits for them.
// * Where a symbol is all that a unit needs (Finish::kDirect), every round's units are written at once. Otherwise symbols go
//   to memory that the lanes share; from there every lane takes eight neighbours, finishes them together with what was
//   fetched of the other planes a tile ahead, and stores 16 bytes at a time.
// * Other planes that are coded are decoded to bytes first (MergeUnits<std::uint8_t> into scratch memory).
// * Whoever fills in a job has checked its sizes; what the bytes say is checked here.
#pragma once

#include "weft/core/byte_planes.hpp"
#include "weft/core/dequantize.hpp"
#include "weft/core/kernel_warp.hpp"
#include "weft/core/rans_decode.hpp"
#include "weft/core/vector_memory.hpp"

namespace weft::core {

inline constexpr std::uint32_t kTileSymbols = 256;
inline constexpr std::uint32_t kPerLane = kTileSymbols / kLanes;

enum class SymbolSource : std::uint8_t { kBytes, kConstant, kRans };

struct BlockJob {
  const std::uint8_t* symbols;  // plane 0, or its words
  std::uint64_t out;            // offset from where all jobs of a launch write
  const std::uint8_t* rest[7];  // MergeUnits: the other planes; null: constant
  const std::uint8_t* low;      // Dequantize: low bits
  const std::uint8_t* exceptions;
  const std::uint8_t* records;  // of a plane 0 coded in pairs
  std::uint64_t first_element;  // Dequantize: of the tensor, for channels
  std::uint32_t n;              // units
  std::uint32_t symbol_bytes;
  std::uint32_t exception_count;
  std::uint32_t record_count;
  std::uint64_t rest_constant[7];  // eight times the byte
  SymbolSource source;
  std::uint8_t lanes_log2;
  std::uint8_t constant;
  std::uint8_t rotate;  // MergeUnits: floats, whose sign is the lowest bit in the planes
};

// Blocks that share a table, decoded by one thread block.
struct BlockGroup {
  const std::uint16_t* frequencies;  // 256; null: no block is coded
  const UniformParameters* uniform;  // Dequantize
  const std::uint32_t* entries;      // of a codebook: what its 256 symbols stand for, as FloatUnit::narrow() says it
  std::uint32_t first_job, job_count;
  std::uint32_t pair_base;  // where the table is one of pairs
};

// What a symbol stands for where that is all it takes: an entry, or a level of one step.
template <FloatType kType>
WEFT_HD std::uint32_t value_of_symbol(const BlockGroup& group, std::uint32_t symbol) {
  if (group.entries != nullptr) return group.entries[symbol];
  return FloatUnit<kType>::narrow(group.uniform->weight(symbol, 0, group.uniform->fine_step));
}

// Memory that the lanes of a warp share: a tile, aligned to 16, and what its model keeps words in (W::kWordBytes).
struct WarpRoom {
  std::uint8_t *tile, *words;
};

// Joins byte planes to units.
template <class Unit>
struct MergeUnits {
  using Output = Unit;
  static constexpr int kPlanes = sizeof(Unit);
  static constexpr bool kDirect = sizeof(Unit) == 1;
  // Bytes of the other planes, kPerLane of each.
  struct Fetched {
    std::uint32_t word[kPlanes > 1 ? kPlanes - 1 : 1][2];
  };

  WEFT_HD MergeUnits(const BlockJob& block, std::uint8_t* outputs)
      : job(block), out(outputs + block.out), rotate_(block.rotate), kept_(block.rotate != 0 ? 0x7FFF7FFFu : ~0u) {
    for (int k = 0; k < kPlanes - 1; k++) {
      const bool stored = block.rest[k] != nullptr;
      rest_[k] = stored ? block.rest[k] : reinterpret_cast<const std::uint8_t*>(&block.rest_constant[k]);
      within_[k] = stored ? ~0u : 0u;
    }
  }

  // Whether all addresses suit fetch() and put(), or the stores of store_round().
  [[nodiscard]] WEFT_HD bool is_aligned() const {
    if (kDirect) return true;
    bool aligned = core::is_aligned(out, 16);
    for (int k = 0; k < kPlanes - 1; k++) aligned = aligned && (rest_[k] == nullptr || core::is_aligned(rest_[k], 8));
    return aligned;
  }
  // Unit i of the block, whose symbol is this.
  WEFT_HD Unit one(std::uint32_t symbol, std::uint32_t i) const {
    Unit unit = static_cast<Unit>(symbol);
    for (int k = 0; k < kPlanes - 1; k++) unit = static_cast<Unit>(unit << 7 << 1 | rest_[k][i & within_[k]]);
    return rotate_ != 0 ? rotate_sign_up(unit) : unit;
  }
  template <KernelWarp W>
  WEFT_HD void store_round(std::uint32_t i, typename W::U32 symbols) const {
    W::store_bytes(out + i, symbols);
  }
  WEFT_HD Fetched fetch(std::uint32_t i) const {
    Fetched fetched;
    for (int k = 0; k < kPlanes - 1; k++) {
      const auto both = load_global<std::uint64_t>(rest_[k] + (i & within_[k]));
      fetched.word[k][0] = static_cast<std::uint32_t>(both);
      fetched.word[k][1] = static_cast<std::uint32_t>(both >> 32);
    }
    return fetched;
  }
  // Units i .. i + 7, whose symbols are at an aligned address.
  WEFT_HD void put(const std::uint8_t* symbols, const Fetched& rest, std::uint32_t i) const {
    const auto both = load_aligned<std::uint64_t>(symbols);
    put_symbols(static_cast<std::uint32_t>(both), static_cast<std::uint32_t>(both >> 32), rest, i);
  }
  // The same from four symbols and the next four.
  WEFT_HD void put_symbols(std::uint32_t first, std::uint32_t second, const Fetched& rest, std::uint32_t i) const {
    const std::uint32_t high[2] = {first, second};
    std::uint8_t* to = out + std::size_t{i} * sizeof(Unit);
    if constexpr (sizeof(Unit) == 2) {
      Words4 r;
      for (int half = 0; half < 2; half++) {
        r.word[2 * half] = rotated_pair(permute_bytes(rest.word[0][half], high[half], 0x5140));
        r.word[2 * half + 1] = rotated_pair(permute_bytes(rest.word[0][half], high[half], 0x7362));
      }
      store_aligned(to, r);
    } else if constexpr (sizeof(Unit) == 4) {
      for (int half = 0; half < 2; half++) {
        const std::uint32_t a = high[half], b = rest.word[0][half], c = rest.word[1][half], d = rest.word[2][half];
        const std::uint32_t ab_low = permute_bytes(b, a, 0x5140), ab_high = permute_bytes(b, a, 0x7362);
        const std::uint32_t cd_low = permute_bytes(d, c, 0x5140), cd_high = permute_bytes(d, c, 0x7362);
        Words4 r;
        r.word[0] = rotated(permute_bytes(cd_low, ab_low, 0x5410));
        r.word[1] = rotated(permute_bytes(cd_low, ab_low, 0x7632));
        r.word[2] = rotated(permute_bytes(cd_high, ab_high, 0x5410));
        r.word[3] = rotated(permute_bytes(cd_high, ab_high, 0x7632));
        store_aligned(to + 16 * half, r);
      }
    } else {
      for (int k = 0; k < static_cast<int>(kPerLane); k++) {
        Unit unit = high[k / 4] >> (8 * (k % 4)) & 255;
        for (int p = 0; p < kPlanes - 1; p++)
          unit = static_cast<Unit>(unit << 7 << 1 | (rest.word[p][k / 4] >> (8 * (k % 4)) & 255));
        store_aligned(to + k * sizeof(Unit), rotate_ != 0 ? rotate_sign_up(unit) : unit);
      }
    }
  }

  const BlockJob& job;
  std::uint8_t* out;

 private:
  // Copies of the job's, so that they stay in registers whatever is stored between. Of a constant plane there are eight
  // bytes, to which every index is taken back.
  const std::uint8_t* rest_[kPlanes > 1 ? kPlanes - 1 : 1];
  std::uint32_t within_[kPlanes > 1 ? kPlanes - 1 : 1];
  std::uint32_t rotate_, kept_;  // how far bits move down, and which ones of two units do

  WEFT_HD std::uint32_t rotated(std::uint32_t unit) const { return rotate_ != 0 ? rotate_sign_up(unit) : unit; }
  // Two 16-bit units.
  WEFT_HD std::uint32_t rotated_pair(std::uint32_t pair) const {
    const std::uint32_t down = pair >> rotate_, up = pair << 15;
    return (down & kept_) | (up & ~kept_);  // one instruction
  }
};

// Turns symbols, and low bits where there are any, into weights. `values` are what value_of_symbol() gives for the
// 256 symbols, where that is all it takes.
template <FloatType kType, bool kByTable>
struct Dequantize {
  using Output = typename FloatUnit<kType>::Unit;
  static constexpr bool kDirect = kByTable && sizeof(Output) <= 4;
  struct Fetched {};

  WEFT_HD Dequantize(const BlockJob& block, std::uint8_t* outputs, const UniformParameters& parameters,
                     const std::uint32_t* table)
      : job(block), out(outputs + block.out), uniform(parameters), values(table) {
    if constexpr (!kByTable) position = ChannelPosition(uniform, job.first_element);
  }
  [[nodiscard]] WEFT_HD bool is_aligned() const { return core::is_aligned(out, kDirect ? sizeof(Output) : 16); }
  WEFT_HD Output one(std::uint32_t symbol, std::uint32_t i) const {
    if constexpr (kByTable)
      return FloatUnit<kType>::widen(values[symbol]);
    else
      return weight(symbol, i, position.step_at(uniform, i));
  }
  template <KernelWarp W>
  WEFT_HD void store_round(std::uint32_t i, typename W::U32 symbols) const {
    const auto bits = W::gather(values, symbols, 255);
    if constexpr (sizeof(Output) == 2)
      W::store_halves(reinterpret_cast<std::uint16_t*>(out) + i, bits);
    else
      W::store_table(reinterpret_cast<std::uint32_t*>(out) + i, bits);
  }
  WEFT_HD Fetched fetch(std::uint32_t) const { return {}; }
  WEFT_HD void put(const std::uint8_t* symbols, const Fetched&, std::uint32_t i) const {
    if constexpr (!kByTable) {
      // Channels begin at multiples of eight most often: then eight neighbours have one step.
      if (uniform.scale_codes == nullptr || ((uniform.inner | position.left) & (kPerLane - 1)) == 0) {
        const float step = position.step_at(uniform, i);
        return put_each(i, [&](std::uint32_t k) { return weight(symbols[k], i + k, step); });
      }
    }
    put_each(i, [&](std::uint32_t k) { return one(symbols[k], i + k); });
  }

  const BlockJob& job;
  std::uint8_t* out;
  const UniformParameters& uniform;
  const std::uint32_t* values;
  ChannelPosition position{};

 private:
  WEFT_HD Output weight(std::uint32_t symbol, std::uint32_t i, float step) const {
    return FloatUnit<kType>::widen(FloatUnit<kType>::narrow(uniform.weight(symbol, low_of(i), step)));
  }
  // Stores units i + k, unit(k), for the eight of a lane.
  template <class One>
  WEFT_HD void put_each(std::uint32_t i, One unit) const {
    constexpr std::uint32_t kPerStore = 16 / sizeof(Output);
    for (std::uint32_t k = 0; k < kPerLane; k += kPerStore) {
      Words4 r;
      if constexpr (sizeof(Output) == 2) {
        for (std::uint32_t w = 0; w < 4; w++) r.word[w] = unit(2 * w) | std::uint32_t{unit(2 * w + 1)} << 16;
      } else if constexpr (sizeof(Output) == 4) {
        for (std::uint32_t w = 0; w < 4; w++) r.word[w] = unit(k + w);
      } else {
        for (std::uint32_t w = 0; w < 2; w++) {
          const std::uint64_t one = unit(k + w);
          r.word[2 * w] = static_cast<std::uint32_t>(one);
          r.word[2 * w + 1] = static_cast<std::uint32_t>(one >> 32);
        }
      }
      store_aligned(out + std::size_t{i + k} * sizeof(Output), r);
    }
  }
  WEFT_HD std::uint32_t low_of(std::uint32_t i) const {
    if (uniform.low_bits == 0) return 0;
    return uniform.low_bits == 8 ? job.low[i] : job.low[i / 2] >> (4 * (i & 1)) & 15u;
  }
};

// Units [first, first + count) of the block, one at a time from their symbols.
template <KernelWarp W, class Finish>
WEFT_HD void finish_units(const Finish& finish, const std::uint8_t* symbols, std::uint32_t first, std::uint32_t count) {
  using Output = typename Finish::Output;
  W::for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t i = lane; i < count; i += kLanes)
      store_bytewise(finish.out + std::size_t{first + i} * sizeof(Output), finish.one(symbols[i], first + i));
  });
}

// A tile of the block from symbols at any address.
template <KernelWarp W, class Finish>
WEFT_HD void finish_tile(const Finish& finish, bool aligned, const std::uint8_t* symbols, std::uint32_t first) {
  if (Finish::kDirect && aligned) {
    for (std::uint32_t at = 0; at < kTileSymbols; at += kLanes)
      finish.template store_round<W>(first + at, W::load_bytes(symbols + at));
  } else if (aligned && is_aligned(symbols, 8)) {
    W::for_each_lane([&](std::uint32_t lane) {
      const std::uint32_t at = kPerLane * lane;
      finish.put(symbols + at, finish.fetch(first + at), first + at);
    });
  } else {
    finish_units<W>(finish, symbols, first, kTileSymbols);
  }
}

// The coded symbols of all tiles that the block is sure to fill, when all addresses are as they should be. Returns how many
// symbols that were; `ok` becomes false when the words did not suffice.
template <KernelWarp W, class Finish, class Tables>
WEFT_HD std::uint32_t decode_tiles(const Finish& finish, DecodeState<W>& state, const std::uint16_t* words,
                                   std::uint32_t word_count, const Tables& tables, const WarpRoom& room, bool& ok) {
  const std::uint32_t n = finish.job.n / kTileSymbols * kTileSymbols;
  if (n == 0 || !finish.is_aligned()) return 0;
  typename W::WordStream stream(words + state.cursor, word_count - state.cursor, room.words);
  typename W::template PerLane<typename Finish::Fetched> next{};
  const auto fetch = [&](std::uint32_t first) {
    if (Finish::kDirect) return;
    W::for_each_lane([&](std::uint32_t lane) { next[lane] = finish.fetch(first + kPerLane * lane); });
  };
  fetch(0);
  for (std::uint32_t done = 0; done < n; done += kTileSymbols) {
    const auto rest = next;
    fetch(n - done > kTileSymbols ? done + kTileSymbols : done);  // the last one once more: cheaper than a branch
    stream.ready();
    WEFT_UNROLL(8)
    for (std::uint32_t at = 0; at < kTileSymbols; at += kLanes) {
      const auto entry = decode_step<W>(state.x, tables);
      W::take_words(stream, state.x);
      if constexpr (Finish::kDirect)
        finish.template store_round<W>(done + at, entry);
      else
        W::store_bytes(room.tile + at, entry);
    }
    if constexpr (!Finish::kDirect) {
      W::sync();
      W::for_each_lane([&](std::uint32_t lane) {
        const std::uint32_t at = kPerLane * lane;
        finish.put(room.tile + at, rest[lane], done + at);
      });
      W::sync();
    }
  }
  ok = stream.left() >= 0;
  state.cursor = word_count - static_cast<std::uint32_t>(stream.left());
  return n;
}

// The words of plane 0, which say n symbols: whole tiles by decode_whole(state, words, word count, ok), as decode_tiles() does; the
// rest comes to the room's tile, from where finish(first, count) takes symbols [first, first + count).
template <KernelWarp W, class Tables, class Tiles, class Finish>
WEFT_HD Status decode_coded(const BlockJob& job, std::uint32_t n, const Tables& tables, const WarpRoom& room,
                            Tiles decode_whole, Finish finish) {
  const auto* words = reinterpret_cast<const std::uint16_t*>(job.symbols);
  const std::uint32_t word_count = job.symbol_bytes / 2, lanes = 1u << job.lanes_log2;
  DecodeState<W> state;
  if (!start_decoding<W>(state, words, word_count, lanes)) return Status::kTruncated;
  std::uint32_t done = 0;
  bool ok = true;
  if (job.lanes_log2 == kLanesLog2) done = decode_whole(state, words, word_count, ok);
  if (!ok) return Status::kTruncated;
  if (done < n) {
    typename W::WordStream stream(words + state.cursor, word_count - state.cursor, room.words);
    std::uint32_t rounds = 0;
    (void)decode_last_rounds<W>(
        state.x, lanes, tables, done, n,
        [&](auto& x, auto active) {
          if (rounds++ % (kTileSymbols / kLanes) == 0) stream.ready();
          W::take_words(stream, x, active);
          return true;  // whether there were enough is seen in the end
        },
        [&](std::uint32_t at, std::uint32_t size, auto entry, auto active) {
          const std::uint32_t in_tile = at % kTileSymbols;
          W::store_bytes(room.tile + in_tile, entry, active);
          if (in_tile + size < kTileSymbols && at + size < n) return;
          W::sync();
          finish(at - in_tile, in_tile + size);
          W::sync();
        });
    if (stream.left() < 0) return Status::kTruncated;
    state.cursor = word_count - static_cast<std::uint32_t>(stream.left());
  }
  return finish_decoding<W>(state, word_count, lanes);
}

// A whole block without its exceptions. The tables are for coded symbols: one, or whatever entries_of() knows.
template <KernelWarp W, class Finish, class Tables>
WEFT_HD Status decode_planes(const Finish& finish, const Tables& tables, const WarpRoom& room) {
  const BlockJob& job = finish.job;
  const std::uint32_t n = job.n;
  if (job.source != SymbolSource::kRans) {
    const bool constant = job.source == SymbolSource::kConstant, aligned = finish.is_aligned();
    if (constant) {
      W::for_each_lane([&](std::uint32_t lane) {
        for (std::uint32_t i = lane; i < kTileSymbols; i += kLanes) room.tile[i] = job.constant;
      });
      W::sync();
    }
    std::uint32_t done = 0;
    for (; n - done >= kTileSymbols; done += kTileSymbols)
      finish_tile<W>(finish, aligned, constant ? room.tile : job.symbols + done, done);
    finish_units<W>(finish, constant ? room.tile : job.symbols + done, done, n - done);
    W::sync();
    return Status::kOk;
  }
  return decode_coded<W>(
      job, n, tables, room,
      [&](DecodeState<W>& state, const std::uint16_t* words, std::uint32_t word_count, bool& ok) {
        return decode_tiles<W>(finish, state, words, word_count, tables, room, ok);
      },
      [&](std::uint32_t first, std::uint32_t count) { finish_units<W>(finish, room.tile, first, count); });
}

// Whether position(0) .. position(count - 1) ascend and are below n.
template <KernelWarp W, class Position>
WEFT_HD bool ascend_within(std::uint32_t count, std::uint32_t n, Position position) {
  bool valid = true;
  for (std::uint32_t first = 0; first < count; first += kLanes) {
    // A lane says 1 for a bad position: lanes differ by value alone.
    const auto bad = W::each_lane_value([&](std::uint32_t lane) -> std::uint32_t {
      const std::uint32_t i = first + lane;
      if (i >= count) return 0;
      const std::uint32_t here = position(i);
      const bool ascends = i == 0 || position(i - 1) < here;
      return here < n && ascends ? 0 : 1;
    });
    valid = valid && !W::any(W::less(W::splat(0), bad));
  }
  return valid;
}

// Puts the exceptions' units in their places, after all positions have proved to be ascending and within the block.
template <KernelWarp W, class Unit, class Job>
WEFT_HD Status apply_exceptions(const Job& job, std::uint8_t* out) {
  const std::uint32_t count = job.exception_count;
  const auto position_of = [&job](std::uint32_t i) {
    return load_bytewise<std::uint32_t>(job.exceptions + 4 * std::size_t{i});
  };
  if (!ascend_within<W>(count, job.n, position_of)) return Status::kExceptions;
  W::sync();
  const std::uint8_t* units = job.exceptions + 4 * std::size_t{count};
  W::for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t i = lane; i < count; i += kLanes) {
      store_bytewise(out + std::size_t{position_of(i)} * sizeof(Unit),
                     load_bytewise<Unit>(units + std::size_t{i} * sizeof(Unit)));
    }
  });
  return Status::kOk;
}

template <KernelWarp W, class Unit>
WEFT_HD Status decode_block(const MergeUnits<Unit>& finish, const std::uint32_t* table, const WarpRoom& room) {
  return decode_planes<W>(finish, table, room);
}

template <KernelWarp W, FloatType kType, bool kByTable>
WEFT_HD Status decode_block(const Dequantize<kType, kByTable>& finish, const std::uint32_t* table,
                            const WarpRoom& room) {
  const Status status = decode_planes<W>(finish, table, room);
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
