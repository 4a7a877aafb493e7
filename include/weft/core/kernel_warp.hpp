// What kernels need of a warp beyond the coder's concept: scratch memory that its lanes share.
//
// * for_each_lane(f, xs...) calls f(lane, the lane's own part of each x) in every lane, as scalar code; f may change the
//   parts. Lanes of one call may not depend on each other; what one lane wrote, another may read after the next sync().
// * On a GPU a thread runs f once, with its own lane; a CPU model loops.
// * What is near a warp is memory that all lanes reach at once, as fast as they can: shared memory of a GPU.
// * A WordStream hands out a plane's words in order. Words beyond the end are zero, so that a corrupt plane reads nothing
//   else's memory; left() tells in the end how many were not taken, below zero if there were too few. ready() comes before
//   each 8 rounds of take_words().
#pragma once

#include <bit>

#include "weft/core/warp.hpp"

namespace weft::core {

// Of what W::ballot() says.
WEFT_HD std::uint32_t count_bits(std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return static_cast<std::uint32_t>(__popc(bits));
#else
  return static_cast<std::uint32_t>(std::popcount(bits));
#endif
}

// Two numbers of a table near the warp.
struct alignas(8) NearPair {
  std::uint32_t first, second;
};

template <class W>
concept KernelWarp = Warp<W> &&
    requires(typename W::Mask m, typename W::Mask& is_second, typename W::U32 x, std::uint32_t u, std::uint32_t* small,
             std::uint64_t* large, void (*f)(std::uint32_t), void (*change)(std::uint32_t, std::uint32_t&),
             std::uint32_t (*g)(std::uint32_t), typename W::WordStream& stream,
             typename W::template PerLane<std::uint32_t> each, const std::uint16_t* words, std::uint8_t* room) {
  W::sync();
  W::for_each_lane(f);
  W::for_each_lane(change, x);
  { W::each_lane_value(g) } -> std::same_as<typename W::U32>;      // lane i gets g(i)
  { W::from_lane(x, x) } -> std::same_as<typename W::U32>;         // lane i gets what lane number_i has
  { W::least(x, x, is_second) } -> std::same_as<typename W::U32>;  // and where that is less than the first
  { W::shift_left(x, x) } -> std::same_as<typename W::U32>;        // lane by lane, modulo 32
  { W::any(m) } -> std::convertible_to<bool>;
  { W::or_lanes(x) } -> std::convertible_to<std::uint32_t>;   // all lanes ored together
  { W::sum_lanes(x) } -> std::convertible_to<std::uint32_t>;  // and added up
  W::add(small, u);                                           // *small += u, whatever other lanes and warps add
  W::add(large, std::uint64_t{});
  { each[u] } -> std::same_as<std::uint32_t&>;  // what lane u keeps for itself; of use only inside for_each_lane
  requires std::constructible_from<typename W::WordStream, decltype(words), std::uint32_t, decltype(room)>;
  stream.ready();
  W::take_words(stream, x);     // the lanes that have run low, in ascending order, take a word each
  W::take_words(stream, x, m);  // the same of the lanes in the mask
  { stream.left() } -> std::same_as<std::int32_t>;
  W::prefetch(room);  // in a lane: the line of far memory with that byte
  // Memory near the warp by its own addresses, which bytes may be added to; and one that others are made of in a loop.
  { W::near(room) } -> std::same_as<typename W::Near>;
  { W::kept_near(room) } -> std::same_as<typename W::Near>;
  // In a lane: the pair at that byte of a table; and at the sum of the products of two words' bytes, which are not signed.
  { W::load_pair(W::near(room), u) } -> std::same_as<NearPair>;
  { W::load_pair(W::near(room), u, u) } -> std::same_as<NearPair>;
  { W::compress_store_near(W::near(room), x, m) } -> std::same_as<std::uint32_t>;  // as compress_store does
};

}  // namespace weft::core
