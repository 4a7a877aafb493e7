// How the planes of a segment are coded: the decision, by what was counted, and the tables that it takes.
//
// One decision for all backends: a CPU takes it with one thread, a device with a warp.
#pragma once

#include "weft/core/pairs.hpp"
#include "weft/core/table_choice.hpp"

namespace weft::core {

// Of a segment's plane.
struct PlaneTables {
  PairCounts counted;              // with a window that is not usable, `pairs` counts single symbols
  std::uint16_t frequencies[256];  // answer, as is what follows
  std::uint8_t replacement[256];   // if paired: what is coded for a pair
  EncodeTable encode;
  double keep;  // 1 - min_saving
  PairWindow window;
  std::uint8_t paired;      // answer: pairs are what is coded
  std::uint32_t has_table;  // answer
};

// Chooses between pairs, single symbols and no table. `work` is memory of the team's.
template <class Team>
WEFT_HD void choose_plane_table(PlaneTables& plane, PlaneChoice work[2], Team& team) {
  PlaneChoice &pairs = work[0], &singles = work[1];
  PairDecision decision;
  if (plane.window.usable != 0) {
    decision = choose_pairs(plane.counted, plane.window, pairs, singles, plane.replacement, team);
  } else {
    for_each_symbol(team, [&](int s) { singles.counts[s] = plane.counted.pairs[s]; });
    normalise(singles.counts, singles.frequencies, team);
  }
  const PlaneChoice& chosen = decision.pairs ? pairs : singles;
  const bool pays = sum_symbols(team, [&](int s) { return chosen.counts[s] != 0 ? 1 : 0; }) >= 2 &&
                    table_pays(chosen.counts, chosen.frequencies, plane.keep, team, decision.pairs ? 2 : 1,
                               decision.records * kRecordBytes);
  for_each_symbol(team, [&](int s) { plane.frequencies[s] = chosen.frequencies[s]; });
  team.for_each_lane([&](std::uint32_t lane) {
    if (lane != 0) return;
    plane.has_table = pays ? 1 : 0;
    plane.paired = pays && decision.pairs ? 1 : 0;
  });
  team.sync();
  if (pays) build_encode_table(plane.frequencies, plane.encode, team);
}

}  // namespace weft::core
