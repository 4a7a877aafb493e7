// The passes of encoding over segments: tables, thresholds, corrections, and where blocks and planes go.
//
// * A warp, or one thread on a CPU, does a plane: a team (team.hpp). All integers are the same however many work.
#pragma once

#include <type_traits>

#include "weft/core/encode_jobs.hpp"
#include "weft/core/level_choice.hpp"

namespace weft::core {

// Sizes and places of a segment's blocks: the lanes size one each, then one of them adds up.
template <class Team>
WEFT_HD void lay_out_segment(SegmentJob& segment, EncodeBlockJob* blocks, Team& team) {
  team.for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t b = lane; b < segment.block_count; b += Team::kLanes) {
      EncodeBlockJob& block = blocks[segment.first_block + b];
      const std::uint32_t alignment = block_alignment_of(block.n);
      std::uint32_t size = 4 + 4u * segment.plane_count, used = 0, plane_bytes = 0;
      for (std::uint32_t p = 0; p < segment.plane_count; p++) {
        const PlaneShape shape = shape_of(segment, block, p);
        if ((shape.descriptor & 3) == kModeRans) used |= 1u << p;
        size = static_cast<std::uint32_t>(round_up(size, alignment)) + shape.bytes;
        plane_bytes += shape.bytes;
      }
      block.used = used;
      block.plane_bytes = plane_bytes;
      block.size = size;
    }
  });
  team.sync();
  std::uint64_t end = 0;
  for (std::uint32_t first = 0; first < segment.block_count; first += Team::kLanes) {
    const std::uint32_t left = segment.block_count - first, here = left < Team::kLanes ? left : Team::kLanes;
    EncodeBlockJob* some = blocks + segment.first_block + first;
    team.for_each_lane([&](std::uint32_t lane) {
      if (lane < here) team.scratch[lane] = std::uint64_t{some[lane].size} << 32 | block_alignment_of(some[lane].n);
    });
    team.sync();
    for (std::uint32_t i = 0; i < here; i++) {  // alike in all lanes
      const std::uint64_t begin = round_up(end, team.scratch[i] & 0xFFFFFFFF);
      team.for_each_lane([&](std::uint32_t lane) {
        if (lane != i) return;
        some[i].offset = begin;
        some[i].gap = static_cast<std::uint32_t>(begin - end);
      });
      end = begin + (team.scratch[i] >> 32);
    }
    team.sync();
  }
  team.for_each_lane([&](std::uint32_t lane) {
    if (lane == 0) segment.size = end;
  });
}

// Uniform without low bits: the thresholds for what was counted, and the counts are begun anew. Nothing counted yet:
// halfway.
template <class Team>
WEFT_HD void choose_thresholds(SegmentJob& segment, PlaneTables& plane, Team& team) {
  const bool counted = normalise(plane.counted.pairs, plane.frequencies, team) > 0;
  team.for_each_lane([&](std::uint32_t lane) {
    for (int symbol = static_cast<int>(lane); symbol <= kTableSymbols; symbol += static_cast<int>(Team::kLanes))
      segment.thresholds[symbol] =
          level_threshold(counted ? plane.frequencies : nullptr, segment.lambda_weight, symbol);
  });
  for_each_symbol(team, [&](int s) { plane.counted.pairs[s] = 0; });
}

// Indices of scalars: the thresholds for what was counted, and the counts are begun anew. Each lane takes some
// codebooks.
template <class Team>
WEFT_HD void choose_index_thresholds(const SegmentJob& segment, IndexLengths& lengths, PlaneChoice& work, Team& team) {
  for (std::uint32_t p = 0; p < segment.coded_planes; p++) {
    std::uint64_t* counts = segment.planes[p].counted.pairs;
    for_each_symbol(team, [&](int s) {
      work.counts[s] = counts[s];
      counts[s] = 0;
    });
    lengths.set(p, work.counts, work.frequencies, team);
  }
  team.for_each_lane([&](std::uint32_t lane) {
    if (lane == 0) lengths.two_bytes = segment.coded_planes > 1;
  });
  team.sync();
  team.for_each_lane([&](std::uint32_t lane) {
    for (std::uint32_t i = lane; i < segment.choice_count; i += Team::kLanes) {
      IndexChoice& choice = segment.choices[i];
      if (choice.book == nullptr || choice.book->bit_price <= 0) continue;
      choose_by_price(*choice.book, lengths, choice.chain, choice.crossings, choice.priced);
      choice.upper = choice.priced;
    }
  });
  team.sync();
}

WEFT_HD void choose_corrections(SegmentJob& segment) {
  for (int k = 0; k < 3 && segment.correct != 0; k++)
    segment.uniform.corrections[k] = correction_of(static_cast<std::int64_t>(segment.totals.inward[k]),
                                                   static_cast<std::int64_t>(segment.totals.inside[k]));
}

// The passes over segments, one warp for each plane.
enum class SegmentPass : std::uint8_t { kThresholds, kRateThresholds, kTables, kLayout };

// A warp's own memory for them: near it, because it is read again and again.
struct SegmentScratch {
  alignas(16) PlaneTables plane;
  PlaneChoice work[2];
  IndexLengths lengths;
  std::uint64_t lanes[kLanes];
};
static_assert(std::is_trivially_default_constructible_v<SegmentScratch>, "shared memory cannot be initialised");

template <KernelWarp W>
WEFT_HD void copy_tables(const PlaneTables& from, PlaneTables& to) {
  static_assert(sizeof(PlaneTables) % sizeof(Words4) == 0);
  W::for_each_lane([&](std::uint32_t lane) {
    for (std::size_t i = lane * sizeof(Words4); i < sizeof(PlaneTables); i += kLanes * sizeof(Words4))
      store_aligned(reinterpret_cast<std::uint8_t*>(&to) + i,
                    load_aligned<Words4>(reinterpret_cast<const std::uint8_t*>(&from) + i));
  });
  W::sync();
}

// `round` is that of kRateThresholds.
template <KernelWarp W>
WEFT_HD void encode_segment_pass(SegmentPass pass, std::uint32_t round, SegmentJob& segment, std::uint32_t p,
                                 EncodeBlockJob* blocks, SegmentScratch& scratch) {
  WarpTeam<W> team{scratch.lanes};
  if (pass == SegmentPass::kLayout) {
    if (p == 0) lay_out_segment(segment, blocks, team);
    return;
  }
  if (p >= segment.coded_planes) return;
  const bool halfway = segment.kind == EncodeKind::kUniform && segment.uniform.low_bits == 0;
  if (pass == SegmentPass::kThresholds && !halfway) return;
  if (pass == SegmentPass::kRateThresholds && round >= segment.price_rounds) return;
  if (pass == SegmentPass::kRateThresholds && segment.kind >= EncodeKind::kIndices) {
    if (p == 0) choose_index_thresholds(segment, scratch.lengths, scratch.work[0], team);
    return;
  }
  copy_tables<W>(segment.planes[p], scratch.plane);
  if (pass == SegmentPass::kTables) {
    choose_plane_table(scratch.plane, scratch.work, team);
    W::for_each_lane([&](std::uint32_t lane) {
      if (lane == 0 && segment.kind == EncodeKind::kUniform) choose_corrections(segment);
    });
  } else {
    choose_thresholds(segment, scratch.plane, team);
  }
  W::sync();
  copy_tables<W>(scratch.plane, segment.planes[p]);
}

}  // namespace weft::core
