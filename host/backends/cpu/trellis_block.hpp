// Quantizing one block of weights along the trellis: what encoding a block and trying a model have in common.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "backends/cpu/kernels.hpp"
#include "backends/cpu/trellis_tables.hpp"
#include "trellis/scales.hpp"
#include "weft/archive.hpp"
#include "weft/core/quantize.hpp"
#include "weft/core/table_choice.hpp"

namespace weft::cpu {

// Memory that is kept from block to block. Woven arrays are in the order of core::Weave.
struct TrellisWork {
  TrellisCache cache;
  std::vector<std::uint32_t> taps, shifts, woven_fixed, decisions, indices, entries;
  std::array<std::uint32_t, core::kLanes> places{};  // where in the period of the taps the lanes begin
  std::vector<std::uint8_t> classes, woven_classes, path;
  std::vector<std::uint16_t> woven_levels, words;
  std::vector<float> levels;
  std::vector<std::byte> far;
};

[[nodiscard]] TrellisMode mode_of(const TrellisStream& stream) noexcept;

// The stream's predictor: taps, a word for each place in their period, and how energies move classes. Made once per segment.
void make_predictor(const TrellisStream& stream, TrellisWork& work);
[[nodiscard]] core::Predictor predictor_of(const TrellisStream& stream, const TrellisWork& work) noexcept;

// Sets where in the period of the stream's taps the lanes begin: f(lane) is the stream's element there. All 32 of them, for
// kernels look up taps for lanes that a block does not have, too.
template <class F>
void set_places(TrellisWork& work, const TrellisStream& stream, F f) {
  for (std::uint32_t lane = 0; lane < core::kLanes; lane++)
    work.places[lane] = static_cast<std::uint32_t>(std::uint64_t{f(lane)} % trellis::period_of(stream));
}

// The classes in `work`, of the block's weights in their own order, woven.
void weave_classes(TrellisWork& work, const core::Weave& order);
// Those of the weights from `first` on, and where in the period their lanes begin.
void weave_classes(TrellisWork& work, const TrellisStream& stream, std::uint64_t first, const core::Weave& order);

// The order of a block of n weights, woven as these kernels want it.
[[nodiscard]] inline core::Weave weave_for(const Kernels& kernels, std::uint64_t n, int lanes_log2) {
  return {static_cast<std::uint32_t>(n), lanes_log2, kernels.trellis(1u << lanes_log2).width};
}

// Calls f(i, where it is in woven arrays) for all weights of a block, in ascending order.
template <class F>
void for_woven(const core::Weave& order, F f) {
  for (std::uint32_t lane = 0; lane < order.lanes; lane++) {
    const std::uint32_t begin = lane * order.run < order.n ? lane * order.run : order.n;
    const std::uint32_t end = order.n - begin < order.run ? order.n : begin + order.run;
    std::size_t at = lane;
    for (std::uint32_t i = begin; i < end; i++, at += order.width) f(i, at);
  }
}

// The error, in 1/4096 squared steps, beyond which a weight is stored apart.
[[nodiscard]] std::uint32_t far_cost(const TrellisStream& stream) noexcept;

// The same in squared steps; and the largest level that weights of a type are restored from.
[[nodiscard]] float far_limit(const TrellisStream& stream) noexcept;
[[nodiscard]] float largest_level(DType dtype, const TrellisStream& stream) noexcept;

// Steps in a unit of weight.
[[nodiscard]] inline float steps_in_unit(float fine_step) noexcept {
  return 1.0f / (fine_step * static_cast<float>(1 << core::kFineBits));
}

// Where level 0 is, in steps: exact.
[[nodiscard]] inline float offset_in_steps(const TrellisStream& stream) noexcept {
  return static_cast<float>(stream.offset) / static_cast<float>(1 << core::kFineBits);
}

// A correction, from how far `count` weights lie inside of their levels, in steps.
[[nodiscard]] std::int8_t trellis_correction(double sum, double count) noexcept;

// Lanes for a block of n weights: each costs about 23 bits and a known first state, so it should have some 4000 weights.
[[nodiscard]] constexpr int trellis_lanes_log2(std::uint64_t n) noexcept { return core::lanes_log2_for(n, 13); }

// What a search needs of the tables.
struct SearchTables {
  const std::uint32_t* prices;  // [row][256]
  const std::uint32_t* reach;   // [class]
};
[[nodiscard]] inline SearchTables search_tables(const TrellisTables& tables) noexcept {
  return {tables.prices(), tables.reach()};
}

// Finds the path of the weights (in steps from level 0; those that are not finite count as zero) and leaves its entries and
// levels in `work`. The tables are prepared for the stream, the predictor made, the classes woven, the lanes' places known.
void quantize_block(const Kernels& kernels, const TrellisStream& stream, const SearchTables& tables,
                    std::span<const float> values, const core::Weave& order, TrellisWork& work);

}  // namespace weft::cpu
