// Decoding of a block whose plane 0 is coded in pairs (FORMAT.md 3.1) by one warp, from its planes to finished units.
//
// Read me first:
// * The loop is that of decode_block.hpp with half the steps: a tile of 256 pairs is 512 units.
// * Where a pair is all that two units need, they come from a table of 256 entries and are written at once. Otherwise each
//   lane takes four pairs, twice a tile, and finishes their eight units with what was fetched of the other planes.
// * Records come last: units whose symbol no pair says are finished once more.
#pragma once

#include <type_traits>

#include "weft/core/decode_block.hpp"
#include "weft/core/pairs.hpp"

namespace weft::core {

// Of a group: what pairs stand for. `values` are two units each, for finishers that need nothing else.
template <class Value>
struct PairTable {
  std::uint32_t base;
  const Value* values;
};

// Two bytes; both symbols as they are.
struct PairsToBytes {
  using Output = std::uint8_t;
  using Value = std::uint16_t;
  struct Fetched {};
  static constexpr bool kDirect = true;

  WEFT_HD PairsToBytes(const BlockJob& block, std::uint8_t* outputs, PairTable<Value> pairs)
      : job(block), out(outputs + block.out), table(pairs) {}
  WEFT_HD static Value value(const BlockGroup& group, std::uint32_t pair) {
    return static_cast<Value>(first_of_pair(pair, group.pair_base) | second_of_pair(pair, group.pair_base) << 8);
  }
  WEFT_HD Output one(std::uint32_t symbol, std::uint32_t) const { return static_cast<Output>(symbol); }

  const BlockJob& job;
  std::uint8_t* out;
  PairTable<Value> table;
};

// Weights with one step and no low bits, or of a codebook.
template <FloatType kType>
struct PairsToWeights {
  using Output = typename FloatUnit<kType>::Unit;
  using Value = std::conditional_t<sizeof(Output) == 2, std::uint32_t, std::uint64_t>;
  struct Fetched {};
  static constexpr bool kDirect = true;

  WEFT_HD PairsToWeights(const BlockJob& block, std::uint8_t* outputs, const BlockGroup& blocks, PairTable<Value> pairs)
      : job(block), out(outputs + block.out), group(blocks), table(pairs) {}
  WEFT_HD static Value value(const BlockGroup& group, std::uint32_t pair) {
    return Value{weight(group, first_of_pair(pair, group.pair_base))} |
           Value{weight(group, second_of_pair(pair, group.pair_base))} << (8 * sizeof(Output));
  }
  WEFT_HD Output one(std::uint32_t symbol, std::uint32_t) const { return weight(group, symbol); }

  const BlockJob& job;
  std::uint8_t* out;
  const BlockGroup& group;
  PairTable<Value> table;

 private:
  WEFT_HD static Output weight(const BlockGroup& group, std::uint32_t symbol) {
    return FloatUnit<kType>::widen(value_of_symbol<kType>(group, symbol));
  }
};

// Byte planes joined to units of two or four bytes.
template <class Unit>
struct PairsToUnits : MergeUnits<Unit> {
  using Value = std::uint8_t;  // not used
  static constexpr bool kDirect = false;

  WEFT_HD PairsToUnits(const BlockJob& block, std::uint8_t* outputs, PairTable<Value> pairs)
      : MergeUnits<Unit>(block, outputs), table(pairs) {}
  WEFT_HD static Value value(const BlockGroup&, std::uint32_t) { return 0; }
  // Units i .. i + 7 from four pairs.
  WEFT_HD void put_pairs(std::uint32_t pairs, const typename MergeUnits<Unit>::Fetched& rest, std::uint32_t i) const {
    const std::uint32_t bases = table.base * 0x01010101u;
    const std::uint32_t firsts = (pairs & 0x0F0F0F0F) + bases, seconds = (pairs >> 4 & 0x0F0F0F0F) + bases;
    this->put_symbols(permute_bytes(firsts, seconds, 0x5140), permute_bytes(firsts, seconds, 0x7362), rest, i);
  }

  PairTable<Value> table;
};

// The units of pairs [first, first + count), one pair at a time.
template <KernelWarp W, class Finish>
WEFT_HD void finish_pairs(const Finish& finish, const std::uint8_t* pairs, std::uint32_t first, std::uint32_t count) {
  using Output = typename Finish::Output;
  W::for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t k = lane; k < count; k += kLanes) {
      const std::uint32_t i = 2 * (first + k);
      std::uint8_t* to = finish.out + std::size_t{i} * sizeof(Output);
      store_bytewise(to, finish.one(first_of_pair(pairs[k], finish.table.base), i));
      store_bytewise(to + sizeof(Output), finish.one(second_of_pair(pairs[k], finish.table.base), i + 1));
    }
  });
}

// A round of a tile whose units need nothing but the pairs: those from unit i on.
template <KernelWarp W, class Finish>
WEFT_HD void store_pairs(const Finish& finish, std::uint32_t i, typename W::U32 pairs) {
  using Value = typename Finish::Value;
  std::uint8_t* to = finish.out + std::size_t{i} * sizeof(typename Finish::Output);
  W::for_each_lane(
      [&](std::uint32_t lane, std::uint32_t pair) {
        store_aligned(to + lane * sizeof(Value), finish.table.values[opaque(pair & 255)]);
      },
      pairs);
}

// What a lane has fetched of the other planes for a tile.
template <class Finish>
struct PairHalves {
  typename Finish::Fetched rest[2];
};

// As decode_tiles(), in pairs.
template <KernelWarp W, class Finish>
WEFT_HD std::uint32_t decode_pair_tiles(const Finish& finish, DecodeState<W>& state, const std::uint16_t* words,
                                        std::uint32_t word_count, const std::uint32_t* table, const WarpRoom& room,
                                        bool& ok) {
  constexpr std::uint32_t kHalf = kTileSymbols / 2, kPairsPerLane = kHalf / kLanes;
  const std::uint32_t n = finish.job.n / 2 / kTileSymbols * kTileSymbols;
  if (n == 0) return 0;
  if constexpr (Finish::kDirect) {
    if (!is_aligned(finish.out, sizeof(typename Finish::Value))) return 0;
  } else {
    if (!finish.is_aligned()) return 0;
  }
  typename W::WordStream stream(words + state.cursor, word_count - state.cursor, room.words);
  typename W::template PerLane<PairHalves<Finish>> next{};
  const auto fetch = [&](std::uint32_t first) {
    if constexpr (!Finish::kDirect)
      W::for_each_lane([&](std::uint32_t lane) {
        for (std::uint32_t half = 0; half < 2; half++)
          next[lane].rest[half] = finish.fetch(2 * (first + kHalf * half + kPairsPerLane * lane));
      });
  };
  fetch(0);
  for (std::uint32_t done = 0; done < n; done += kTileSymbols) {
    if constexpr (Finish::kDirect) {
      stream.ready();
      WEFT_UNROLL(8)
      for (std::uint32_t at = 0; at < kTileSymbols; at += kLanes) {
        const auto entry = decode_step<W>(state.x, table);
        W::take_words(stream, state.x);
        store_pairs<W>(finish, 2 * (done + at), entry);
      }
    } else {
      const auto current = next;
      fetch(n - done > kTileSymbols ? done + kTileSymbols : done);  // the last one once more: cheaper than a branch
      stream.ready();
      WEFT_UNROLL(8)
      for (std::uint32_t at = 0; at < kTileSymbols; at += kLanes) {
        const auto entry = decode_step<W>(state.x, table);
        W::take_words(stream, state.x);
        W::store_bytes(room.tile + at, entry);
      }
      W::sync();
      W::for_each_lane([&](std::uint32_t lane) {
        for (std::uint32_t half = 0; half < 2; half++) {
          const std::uint32_t at = kHalf * half + kPairsPerLane * lane;
          finish.put_pairs(load_aligned<std::uint32_t>(room.tile + at), current[lane].rest[half], 2 * (done + at));
        }
      });
      W::sync();
    }
  }
  ok = stream.left() >= 0;
  state.cursor = word_count - static_cast<std::uint32_t>(stream.left());
  return n;
}

// Finishes the units that have a record, after all positions have proved to be descending and within the block.
template <KernelWarp W, class Finish>
WEFT_HD Status apply_records(const Finish& finish) {
  using Output = typename Finish::Output;
  const BlockJob& job = finish.job;
  const std::uint32_t count = job.record_count;
  const auto record = [&job](std::uint32_t i) {
    return load_bytewise<std::uint32_t>(job.records + std::size_t{i} * kRecordBytes);
  };
  const bool valid =
      ascend_within<W>(count, job.n, [&](std::uint32_t i) { return position_of_record(record(count - 1 - i)); });
  if (!valid) return Status::kRecords;
  W::sync();
  W::for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t i = lane; i < count; i += kLanes) {
      const std::uint32_t position = position_of_record(record(i));
      store_bytewise(finish.out + std::size_t{position} * sizeof(Output),
                     finish.one(symbol_of_record(record(i)), position));
    }
  });
  return Status::kOk;
}

// A whole block; `table` is the one of the pairs.
template <KernelWarp W, class Finish>
WEFT_HD Status decode_pairs(const Finish& finish, const std::uint32_t* table, const WarpRoom& room) {
  const Status status = decode_coded<W>(
      finish.job, finish.job.n / 2, table, room,
      [&](DecodeState<W>& state, const std::uint16_t* words, std::uint32_t word_count, bool& ok) {
        return decode_pair_tiles<W>(finish, state, words, word_count, table, room, ok);
      },
      [&](std::uint32_t first, std::uint32_t count) { finish_pairs<W>(finish, room.tile, first, count); });
  if (status != Status::kOk) return status;
  W::sync();
  return apply_records<W>(finish);
}

template <KernelWarp W>
WEFT_HD Status decode_block(const PairsToBytes& finish, const std::uint32_t* table, const WarpRoom& room) {
  return decode_pairs<W>(finish, table, room);
}
template <KernelWarp W, class Unit>
WEFT_HD Status decode_block(const PairsToUnits<Unit>& finish, const std::uint32_t* table, const WarpRoom& room) {
  return decode_pairs<W>(finish, table, room);
}
template <KernelWarp W, FloatType kType>
WEFT_HD Status decode_block(const PairsToWeights<kType>& finish, const std::uint32_t* table, const WarpRoom& room) {
  const Status status = decode_pairs<W>(finish, table, room);
  if (status != Status::kOk) return status;
  W::sync();
  return apply_exceptions<W, typename FloatUnit<kType>::Unit>(finish.job, finish.out);
}

}  // namespace weft::core
