// What kernels need of a warp beyond the coder's concept: scratch memory that its lanes share.
//
// * for_each_lane(f) calls f(lane) in every lane, as scalar code. Lanes of one call may not depend on each other; what
//   one lane wrote, another may read after the next sync().
// * On a GPU a thread runs f once, with its own lane; a CPU model loops.
#pragma once

#include "weft/core/warp.hpp"

namespace weft::core {

template <class W>
concept KernelWarp = Warp<W> &&
    requires(typename W::Mask m, typename W::U32 x, std::uint32_t u, std::uint32_t* small, std::uint64_t* large,
             void (*f)(std::uint32_t), std::uint32_t (*g)(std::uint32_t)) {
  W::sync();
  W::for_each_lane(f);
  { W::each_lane_value(g) } -> std::same_as<typename W::U32>;  // lane i gets g(i)
  { W::shift_left(x, x) } -> std::same_as<typename W::U32>;    // lane by lane, modulo 32
  { W::any(m) } -> std::convertible_to<bool>;
  { W::or_lanes(x) } -> std::convertible_to<std::uint32_t>;  // all lanes ored together
  W::add(small, u);                                          // *small += u, whatever other lanes and warps add
  W::add(large, std::uint64_t{});
};

}  // namespace weft::core
