// Pruning: weights that are zero before anything looks at them.
//
// * Whether a weight is pruned follows from its tensor's values, its own and its place alone, so any run of a tensor can be
//   read pruned, in any order and by any thread; nothing is kept per weight.
// * Of equal magnitudes or norms the first in the tensor is pruned first (scope rule: the first tensor's).
// * NaN and infinities are never pruned, nor are channels that hold one; what is pruned becomes +0.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "weft/config.hpp"
#include "weft/network.hpp"

namespace weft::engine {

// N:M pruning along rows.
struct GroupPattern {
  std::uint64_t keep = 0, group = 0;
};

struct TensorPruning {
  std::optional<Prune> wanted;  // none: the tensor stays as it is
  int rule = -1;                // that says so

  // sparsity: what is smaller than this is pruned, and of what equals it everything before this unit.
  double threshold = 0;
  std::uint64_t ties_end = 0;
  // channels: the channel of unit i is i / inner % channels.size().
  std::uint64_t inner = 1;
  std::vector<bool> channels;
};

[[nodiscard]] GroupPattern pattern_of(const Prune& prune);

// Reads units [first, first + out.size() / unit bytes) of a tensor of the network, pruned.
void read_pruned(const Network& network, std::size_t tensor, const TensorPruning& pruning, std::uint64_t first,
                 std::span<std::byte> out);

// Whether every unit is the same, or +0 of a type that can be pruned.
[[nodiscard]] bool is_same_but_for_zeros(DType dtype, std::span<const std::byte> original,
                                         std::span<const std::byte> pruned);

// Whether what is zero was restored as zero.
[[nodiscard]] bool keeps_zeros(DType dtype, std::span<const std::byte> coded, std::span<const std::byte> restored);

// How many weights of a run are zero, and how many of them were not before.
struct PruneCounts {
  std::uint64_t zeros = 0, pruned = 0;
};
[[nodiscard]] PruneCounts count_pruned(DType dtype, std::span<const std::byte> original,
                                       std::span<const std::byte> pruned);

}  // namespace weft::engine
