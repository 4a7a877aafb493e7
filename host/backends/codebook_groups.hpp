// Which codebook of a stream a vector belongs to (FORMAT.md 3.3): that of its first weight's channel.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "weft/archive.hpp"

namespace weft {

// Indices of n units.
[[nodiscard]] constexpr std::uint64_t vectors_in(std::uint64_t units, int dimension) noexcept {
  const auto d = static_cast<std::uint64_t>(dimension);
  return units / d + (units % d != 0 ? 1 : 0);
}

// Codebooks of a stream: one, or one for each group of channels.
[[nodiscard]] constexpr std::uint64_t group_count(const CodebookStream& stream) noexcept {
  return stream.group == 0 ? 1 : (stream.channels - 1) / stream.group + 1;
}

// Whether a byte is an index of scalars in the stream's only codebook.
[[nodiscard]] inline bool has_byte_scalars(const CodebookStream& stream) noexcept {
  return stream.dimension == 1 && stream.index_bytes == 1 && stream.group == 0;
}

// The groups that units [first, first + units) of the stream belong to, ascending.
[[nodiscard]] inline std::vector<std::uint32_t> groups_among(const CodebookStream& stream, std::uint64_t first,
                                                             std::uint64_t units) {
  std::vector<std::uint32_t> groups;
  const std::uint64_t begin = stream.group == 0 ? 0 : first / stream.inner,
                      end = stream.group == 0 ? 1 : (first + units - 1) / stream.inner + 1;
  std::vector<bool> occurs(group_count(stream));
  // All channels occur in that many rows.
  for (std::uint64_t row = begin; row < end && row - begin < std::max<std::uint64_t>(stream.channels, 1); row++)
    occurs[stream.group == 0 ? 0 : row % stream.channels / stream.group] = true;
  for (std::uint32_t group = 0; group < occurs.size(); group++)
    if (occurs[group]) groups.push_back(group);
  return groups;
}

// Calls f(group, begin, end) for the runs of vectors of one group in units [first, first + units) of the stream, where the
// first vector begins at unit `first`, and vectors are counted from there.
template <class F>
void for_groups(const CodebookStream& stream, std::uint64_t first, std::uint64_t units, F f) {
  const std::uint64_t all = vectors_in(units, stream.dimension);
  if (stream.group == 0) return f(std::size_t{0}, std::uint64_t{0}, all);
  for (std::uint64_t begin = 0; begin < all;) {
    const std::uint64_t row = (first + begin * stream.dimension) / stream.inner, channel = row % stream.channels;
    const std::uint64_t group = channel / stream.group;
    const std::uint64_t next =
        (group + 1) * stream.group < stream.channels ? (group + 1) * stream.group : stream.channels;
    const std::uint64_t end = vectors_in((row - channel + next) * stream.inner - first, stream.dimension);
    f(static_cast<std::size_t>(group), begin, end < all ? end : all);
    begin = end;
  }
}

}  // namespace weft
