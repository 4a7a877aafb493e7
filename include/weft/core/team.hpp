// Who works on a table of 256 entries: one thread, or the lanes of a warp.
//
// * Code over a team calls for_each_lane(f) with every lane of 0 .. kLanes - 1, and lets lane i have the symbols i,
//   i + kLanes, ... or a run of them. What one lane wrote, another may read after sync().
// * Lanes meet in `scratch`, so the answer of a reduction is the same in all of them.
#pragma once

#include "weft/core/kernel_warp.hpp"

namespace weft::core {

inline constexpr int kTableSymbols = 256;

struct OneThread {
  static constexpr std::uint32_t kLanes = 1;
  std::uint64_t scratch[1] = {};
  template <class F>
  WEFT_HD void for_each_lane(F f) {
    f(0u);
  }
  WEFT_HD void sync() {}
};

template <KernelWarp W>
struct WarpTeam {
  static constexpr std::uint32_t kLanes = core::kLanes;
  std::uint64_t* scratch;  // kLanes numbers that nobody else uses
  template <class F>
  WEFT_HD void for_each_lane(F f) {
    W::for_each_lane(f);
  }
  WEFT_HD void sync() { W::sync(); }
};

// All f(lane) by combine(a, b), which is associative and commutative.
template <class Team, class F, class Combine>
WEFT_HD std::uint64_t reduce(Team& team, F f, Combine combine) {
  team.for_each_lane([&](std::uint32_t lane) { team.scratch[lane] = f(lane); });
  team.sync();
  for (std::uint32_t width = Team::kLanes / 2; width > 0; width /= 2) {
    team.for_each_lane([&](std::uint32_t lane) {
      if (lane < width) team.scratch[lane] = combine(team.scratch[lane], team.scratch[lane + width]);
    });
    team.sync();
  }
  const std::uint64_t all = team.scratch[0];
  team.sync();
  return all;
}

// The sum of f(symbol) over all symbols.
template <class Team, class F>
WEFT_HD std::uint64_t sum_symbols(Team& team, F f) {
  return reduce(
      team,
      [&](std::uint32_t lane) {
        std::uint64_t sum = 0;
        for (int s = static_cast<int>(lane); s < kTableSymbols; s += static_cast<int>(Team::kLanes)) sum += f(s);
        return sum;
      },
      [](std::uint64_t a, std::uint64_t b) { return a + b; });
}

template <class Team, class F>
WEFT_HD void for_each_symbol(Team& team, F f) {
  team.for_each_lane([&](std::uint32_t lane) {
    for (int s = static_cast<int>(lane); s < kTableSymbols; s += static_cast<int>(Team::kLanes)) f(s);
  });
  team.sync();
}

}  // namespace weft::core
