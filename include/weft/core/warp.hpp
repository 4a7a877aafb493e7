// The Warp concept: 32 lanes that step together.
//
// Read me first:
// * The format is defined on 32 lanes, so the width is a constant, not a property of the machine. In the CUDA model a
//   U32 is one register of one thread; in the CPU models it is a value of 32 elements. The code above cannot tell the
//   difference.
// * Woven arrays (trellis.hpp) have kWidth elements a step, which may be fewer than 32: a model of 8 lanes is for blocks of
//   at most 8. Nothing else may be given such a model.
// * All branches of core code are warp-uniform; lanes differ by mask and select alone.
// * expand_load and its dual compress_store are the whole of rANS renormalisation: lane i of the mask gets word
//   rank(i), where rank counts the lanes of the mask below i.
#pragma once

#include <concepts>

#include "weft/core/rans_params.hpp"

namespace weft::core {

template <class W>
concept Warp = requires(typename W::U32 x, typename W::Mask m, std::uint32_t u, const std::uint32_t* table,
                        const std::uint8_t* bytes, std::uint8_t* out, const std::uint16_t* words, std::uint16_t* end,
                        std::uint32_t* entries) {
  { W::kWidth } -> std::convertible_to<std::uint32_t>;           // lanes; "32" below means this number
  { W::splat(u) } -> std::same_as<typename W::U32>;              // the same value in all lanes
  { W::first_lanes(u) } -> std::same_as<typename W::Mask>;       // lanes 0 .. u - 1; u <= 32
  { W::load_bytes(bytes) } -> std::same_as<typename W::U32>;     // lane i gets bytes[i]; reads 32 bytes
  { W::load_bytes(bytes, m) } -> std::same_as<typename W::U32>;  // the same for lanes in the mask; others get 0
  W::store_bytes(out, x);                                        // out[i] = low byte of lane i; writes 32 bytes
  W::store_bytes(out, x, m);                                     // the same for lanes in the mask
  { W::gather(table, x) } -> std::same_as<typename W::U32>;      // lane i gets table[x_i]
  { W::gather(table, x, u) } -> std::same_as<typename W::U32>;   // and table[x_i & u]
  { W::select(m, x, x) } -> std::same_as<typename W::U32>;       // lane in mask ? first : second
  { W::less(x, x) } -> std::same_as<typename W::Mask>;           // values below 2^31 only: models may compare signed
  { W::both(m, m) } -> std::same_as<typename W::Mask>;
  { W::count(m) } -> std::convertible_to<std::uint32_t>;
  { W::all_equal(x, u, m) } -> std::convertible_to<bool>;               // every lane of the mask holds u
  { W::expand_load(words, m) } -> std::same_as<typename W::U32>;        // fast: may read up to 32 words from `words`
  { W::expand_load_exact(words, m) } -> std::same_as<typename W::U32>;  // reads count(mask) words, no more
  // Stores the low 16 bits of the mask's lanes so that the last one ends at `end`; may scribble on 8 words below the
  // first one. Returns how many were stored.
  { W::compress_store(end, x, m) } -> std::convertible_to<std::uint32_t>;
  { W::mul_high(x, x) } -> std::same_as<typename W::U32>;             // upper 32 bits of the product
  { W::load_words(bytes) } -> std::same_as<typename W::U32>;          // lane i gets bytes 4i .. 4i + 3, little-endian
  { W::load_aligned_words(bytes) } -> std::same_as<typename W::U32>;  // the same from a multiple of four
  { W::load_table(table) } -> std::same_as<typename W::U32>;          // lane i gets table[i]
  { W::xor_lanes(x) } -> std::convertible_to<std::uint32_t>;          // all lanes xored together
  { W::shift_right(x, x) } -> std::same_as<typename W::U32>;          // lane by lane, modulo 32
  { W::ballot(m) } -> std::convertible_to<std::uint32_t>;             // bit i: lane i is in the mask
  { W::lane_numbers() } -> std::same_as<typename W::U32>;             // lane i gets i
  W::store_table(entries, x);                                         // entries[i] = lane i; writes 32 words
  W::store_halves(end, x);                                            // end[i] = low half of lane i; writes 32 halves
  { x + x } -> std::same_as<typename W::U32>;
  { x - x } -> std::same_as<typename W::U32>;
  { x* x } -> std::same_as<typename W::U32>;  // lower 32 bits
  { x& x } -> std::same_as<typename W::U32>;
  { x | x } -> std::same_as<typename W::U32>;
  { x ^ x } -> std::same_as<typename W::U32>;
  { x << 1 } -> std::same_as<typename W::U32>;
  { x >> 1 } -> std::same_as<typename W::U32>;
};

}  // namespace weft::core
