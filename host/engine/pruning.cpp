#include "engine/pruning.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "engine/values.hpp"

namespace weft::engine {
namespace {

constexpr std::uint64_t kLargestGroup = 99;  // that a config can name

void prune_by_size(DType dtype, const TensorPruning& pruning, std::uint64_t first, std::span<std::byte> units) {
  const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
  for_values(dtype, units, [&](std::size_t at, std::span<const double> values) {
    for (std::size_t i = 0; i < values.size(); i++) {
      const double size = std::fabs(values[i]);
      if (size < pruning.threshold || (size == pruning.threshold && first + at + i < pruning.ties_end))
        std::memset(units.data() + (at + i) * unit, 0, unit);
    }
  });
}

// Of one group: all but the `keep` largest. What is not finite is larger than anything.
void prune_group(const double* values, std::size_t n, std::size_t keep, std::size_t unit, std::byte* units) {
  std::array<bool, kLargestGroup> gone{};
  for (std::size_t left = n; left > keep; left--) {
    double smallest = std::numeric_limits<double>::infinity();
    std::size_t chosen = n;
    for (std::size_t i = 0; i < n; i++)
      if (!gone[i] && std::fabs(values[i]) < smallest) smallest = std::fabs(values[i]), chosen = i;
    if (chosen == n) return;
    gone[chosen] = true;
    std::memset(units + chosen * unit, 0, unit);
  }
}

std::uint64_t row_of(const TensorInfo& tensor) { return tensor.shape.empty() ? 1 : tensor.shape.back(); }

// The beginning of the group that a unit is in, for groups that start afresh with every row.
std::uint64_t group_begin(std::uint64_t i, std::uint64_t row, std::uint64_t group) { return i - i % row % group; }

// Units from the beginning of a group to the end of one.
void prune_groups(DType dtype, std::uint64_t row, const GroupPattern& pattern, std::uint64_t first,
                  std::span<std::byte> units) {
  const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
  std::array<double, kLargestGroup> values;
  for (std::uint64_t at = 0, n = units.size() / unit; at < n;) {
    const std::uint64_t size = std::min(pattern.group, row - (first + at) % row);
    std::byte* place = units.data() + at * unit;
    to_doubles(dtype, {place, size * unit}, size, values.data());
    prune_group(values.data(), size, pattern.keep, unit, place);
    at += size;
  }
}

void read_groups(const Network& network, std::size_t tensor, const GroupPattern& pattern, std::uint64_t first,
                 std::span<std::byte> out) {
  const TensorInfo& info = network.tensors()[tensor];
  const auto unit = static_cast<std::uint64_t>(unit_bytes(info.dtype));
  const std::uint64_t row = row_of(info), last = first + out.size() / unit - 1;
  const std::uint64_t begin = group_begin(first, row, pattern.group), start = group_begin(last, row, pattern.group);
  const std::uint64_t end = start + std::min(pattern.group, row - start % row);
  if (begin == first && end == last + 1) {
    network.read_tensor(tensor, first * unit, out);
    return prune_groups(info.dtype, row, pattern, first, out);
  }
  std::vector<std::byte> wider((end - begin) * unit);
  network.read_tensor(tensor, begin * unit, wider);
  prune_groups(info.dtype, row, pattern, begin, wider);
  std::copy_n(wider.begin() + static_cast<std::ptrdiff_t>((first - begin) * unit), out.size(), out.begin());
}

void prune_channels(DType dtype, const TensorPruning& pruning, std::uint64_t first, std::span<std::byte> units) {
  const auto unit = static_cast<std::uint64_t>(unit_bytes(dtype));
  for (std::uint64_t at = 0, n = units.size() / unit; at < n;) {
    const std::uint64_t channel = (first + at) / pruning.inner;
    const std::uint64_t size = std::min(n - at, (channel + 1) * pruning.inner - first - at);
    if (pruning.channels[channel % pruning.channels.size()]) std::memset(units.data() + at * unit, 0, size * unit);
    at += size;
  }
}

}  // namespace

GroupPattern pattern_of(const Prune& prune) {
  const std::string& text = prune.pattern.value();
  const std::size_t colon = text.find(':');
  return {std::stoull(text.substr(0, colon)), std::stoull(text.substr(colon + 1))};
}

void read_pruned(const Network& network, std::size_t tensor, const TensorPruning& pruning, std::uint64_t first,
                 std::span<std::byte> out) {
  const DType dtype = network.tensors()[tensor].dtype;
  if (pruning.wanted && pruning.wanted->pattern && !out.empty())
    return read_groups(network, tensor, pattern_of(*pruning.wanted), first, out);
  network.read_tensor(tensor, first * static_cast<std::uint64_t>(unit_bytes(dtype)), out);
  if (!pruning.wanted) return;
  if (pruning.wanted->sparsity) prune_by_size(dtype, pruning, first, out);
  if (pruning.wanted->channels) prune_channels(dtype, pruning, first, out);
}

bool is_same_but_for_zeros(DType dtype, std::span<const std::byte> original, std::span<const std::byte> pruned) {
  if (!is_quantizable(dtype)) return std::equal(original.begin(), original.end(), pruned.begin());
  const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
  constexpr std::array<std::byte, 8> kZero{};
  for (std::size_t at = 0; at < original.size(); at += unit)
    if (std::memcmp(original.data() + at, pruned.data() + at, unit) != 0 &&
        std::memcmp(pruned.data() + at, kZero.data(), unit) != 0)
      return false;
  return true;
}

bool keeps_zeros(DType dtype, std::span<const std::byte> coded, std::span<const std::byte> restored) {
  const auto unit = static_cast<std::size_t>(unit_bytes(dtype));
  bool kept = true;
  std::array<double, kValueChunk> after;
  for_values(dtype, coded, [&](std::size_t at, std::span<const double> before) {
    to_doubles(dtype, restored.subspan(at * unit, before.size() * unit), before.size(), after.data());
    for (std::size_t i = 0; i < before.size(); i++) kept = kept && (before[i] != 0 || after[i] == 0);
  });
  return kept;
}

PruneCounts count_pruned(DType dtype, std::span<const std::byte> original, std::span<const std::byte> pruned) {
  const auto count_zeros = [&](std::span<const std::byte> units) {
    std::uint64_t zeros = 0;
    for_values(dtype, units, [&](std::size_t, std::span<const double> values) {
      zeros += static_cast<std::uint64_t>(std::count(values.begin(), values.end(), 0.0));
    });
    return zeros;
  };
  const std::uint64_t zeros = count_zeros(pruned);
  return {zeros, zeros - count_zeros(original)};
}

}  // namespace weft::engine
