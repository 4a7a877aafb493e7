// Decoding of a plane whose symbols have a table by their unit's class (FORMAT.md 3.1) by one warp, to symbols.
//
// Read me first:
// * Tables are near the warp in 5 KB each: a byte for each slot says its symbol, and a word for each symbol the rest. That is
//   a look-up more than one in 16 KB, but eight tables leave room for as many warps as registers do.
// * A round's units are neighbours, so a lane goes so many units ahead with each. It knows where it is in every factor's
//   codes and gets to the next place by additions; only its first unit costs divisions.
// * Codes are fetched a round before they are needed.
#pragma once

#include "weft/core/decode_block.hpp"
#include "weft/core/trellis.hpp"

namespace weft::core {

inline constexpr std::uint32_t kUnitFactors = 3;
inline constexpr std::uint32_t kMostPeriod = (1u << 31) - 1;  // of a factor: inner * count

// Unit e of a stream has the class base + the factors' codes number (e / inner) % count, as near as there is one.
struct UnitFactor {
  const std::uint8_t* codes;  // signed
  std::uint32_t inner, count;
};
struct UnitScales {
  UnitFactor factors[kUnitFactors];
  std::uint32_t factor_count;
  std::int32_t base;
};

// Blocks of a segment, decoded by one thread block.
struct ClassGroup {
  const UnitScales* scales;
  const std::uint16_t* frequencies;  // 256 of each table
  const std::uint8_t* numbers;       // of the tables of all kScaleClasses classes
  std::uint32_t table_count, first_job, job_count;
};

// The classes of the units of a block, round by round.
template <KernelWarp W>
class ClassWalk {
 public:
  // The first round begins with unit `first` of the stream; rounds have this many lanes.
  WEFT_HD ClassWalk(const UnitScales& scales, std::uint64_t first, std::uint32_t lanes)
      : factor_count_(scales.factor_count), base_(scales.base) {
    for_factors([&](std::uint32_t f) {
      const UnitFactor& factor = scales.factors[f];
      factors_[f] = {factor, lanes / factor.inner % factor.count, lanes % factor.inner};
    });
    W::for_each_lane([&](std::uint32_t lane) {
      Lane& at = lanes_[lane];
      for_factors([&](std::uint32_t f) {
        const UnitFactor& factor = factors_[f].codes;
        const auto place = static_cast<std::uint32_t>((first + lane) % (factor.inner * factor.count));
        at.index[f] = place / factor.inner;
        at.within[f] = place % factor.inner;
        at.code[f] = load_global<std::int8_t>(factor.codes + at.index[f]);
      });
    });
  }

  // The classes of the next round's units.
  WEFT_HD typename W::U32 next() {
    auto classes = W::splat(0);
    W::for_each_lane(
        [this](std::uint32_t lane, std::uint32_t& here) {
          Lane& at = lanes_[lane];
          std::int32_t sum = base_;
          for_factors([&](std::uint32_t f) {
            sum += at.code[f];
            move_on(factors_[f], at.index[f], at.within[f]);
            at.code[f] = load_global<std::int8_t>(factors_[f].codes.codes + at.index[f]);
          });
          here = static_cast<std::uint32_t>(sum < 0 ? 0 : sum < kScaleClasses ? sum : kScaleClasses - 1);
        },
        classes);
    return classes;
  }

 private:
  // And how far a round moves on.
  struct Factor {
    UnitFactor codes;
    std::uint32_t index_step, within_step;
  };
  struct Lane {
    std::uint32_t index[kUnitFactors], within[kUnitFactors];
    std::int32_t code[kUnitFactors];
  };

  // Without a loop, so that what there is of factors stays in registers.
  template <class F>
  WEFT_HD void for_factors(F f) const {
    static_assert(kUnitFactors == 3);
    if (factor_count_ > 0) f(0);
    if (factor_count_ > 1) f(1);
    if (factor_count_ > 2) f(2);
  }
  WEFT_HD static void move_on(const Factor& factor, std::uint32_t& index, std::uint32_t& within) {
    index += factor.index_step;
    within += factor.within_step;
    if (within >= factor.codes.inner) within -= factor.codes.inner, index++;
    if (index >= factor.codes.count) index -= factor.codes.count;
  }

  std::uint32_t factor_count_;
  std::int32_t base_;
  Factor factors_[kUnitFactors] = {};
  typename W::template PerLane<Lane> lanes_{};
};

// Tables near the warp, and whose turn they are.
template <KernelWarp W>
struct ClassTables {
  const std::uint32_t* symbols;  // 256 of each
  const std::uint8_t* slots;     // 4096 of each
  const std::uint8_t* numbers;   // by class
  ClassWalk<W>& walk;
};
inline constexpr std::uint32_t kClassTableBytes = 256 * sizeof(std::uint32_t) + kProbScale;

// What `symbols` has of a symbol with slots from `begin` on: with a state's slot added to its upper bits, the table entry.
WEFT_HD std::uint32_t pack_class_symbol(std::uint32_t symbol, std::uint32_t frequency, std::uint32_t begin) {
  return pack_slot(symbol, frequency, 0 - begin);
}

// Of the next round.
template <KernelWarp W, class... Where>
WEFT_HD typename W::U32 entries_of(const ClassTables<W>& by, typename W::U32 x, const Where&...) {
  auto entries = by.walk.next();
  W::for_each_lane(
      [&by](std::uint32_t, std::uint32_t& entry, std::uint32_t& state) {
        const std::uint32_t number = by.numbers[entry];
        const std::uint32_t symbol = by.slots[number << kProbBits | (state & (kProbScale - 1))];
        entry = by.symbols[number << 8 | symbol] + (state << (32 - kProbBits));
      },
      entries, x);
  return entries;
}

// The symbols of a coded plane; the tables' walk begins with it.
template <KernelWarp W>
WEFT_HD Status decode_by_class(const BlockJob& job, std::uint8_t* out, const ClassTables<W>& tables,
                               const WarpRoom& room) {
  return decode_planes<W>(MergeUnits<std::uint8_t>(job, out), tables, room);
}

}  // namespace weft::core
