#include "backends/cpu/codebook_indices.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "backends/codebook_groups.hpp"
#include "cluster/boundaries.hpp"
#include "cluster/vector_scale.hpp"

namespace weft::cpu {
namespace {

// Consecutive vectors of a segment that share a codebook.
struct Run {
  std::uint32_t group = 0, begin = 0, end = 0;
};

// All runs, those of a group one after another.
std::vector<Run> runs_by_group(const SegmentView& view) {
  std::vector<Run> runs;
  for_groups(
      *view.codebook, view.first_unit, view.units, [&](std::size_t group, std::uint64_t begin, std::uint64_t end) {
        runs.push_back(
            {static_cast<std::uint32_t>(group), static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
      });
  std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.group < b.group; });
  return runs;
}

// Calls f(codebook, runs) for each group.
template <class F>
void for_books(const SegmentView& view, std::span<const Run> runs, F f) {
  while (!runs.empty()) {
    const std::uint32_t group = runs.front().group;
    const auto end =
        std::find_if(runs.begin(), runs.end(), [&](const Run& run) { return run.group != group; }) - runs.begin();
    f(view.codebooks[view.codebook->books[group]], runs.first(static_cast<std::size_t>(end)));
    runs = runs.subspan(static_cast<std::size_t>(end));
  }
}

std::vector<float> restored_values(const Kernels& kernels, DType dtype, const Codebook& book) {
  std::vector<std::byte> units(book.values.size() * static_cast<std::size_t>(unit_bytes(dtype)));
  std::vector<float> restored(book.values.size());
  kernels.from_float(dtype, book.values.data(), book.values.size(), units.data());
  kernels.to_float(dtype, units.data(), book.values.size(), restored.data());
  return restored;
}

// Code lengths of indices, from how often the symbols of their planes occur.
class Lengths {
 public:
  Lengths(const Scratch& scratch, std::size_t planes) {
    for (std::size_t p = 0; p < planes; p++) {
      std::uint64_t counts[256] = {};
      scratch.kernels.histogram(scratch.planes[p].data(), scratch.planes[p].size(), counts);
      std::uint16_t frequencies[256];
      core::normalise(counts, frequencies);
      for (std::size_t s = 0; s < 256; s++) bits_[p][s] = core::index_bits(frequencies[s]);
    }
    two_ = planes == 2;
  }
  [[nodiscard]] double of(std::size_t index) const {
    return two_ ? bits_[0][index >> 8] + bits_[1][index & 255] : bits_[0][index];
  }

 private:
  std::array<std::array<double, 256>, 2> bits_{};
  bool two_ = false;
};

// The entry that no price may make dearer than another one.
std::optional<std::size_t> pinned_zero(std::span<const double> entries, bool pin_zero) {
  const auto zero = std::find(entries.begin(), entries.end(), 0.0);
  if (!pin_zero || zero == entries.end()) return std::nullopt;
  return static_cast<std::size_t>(zero - entries.begin());
}

void put_index(Scratch& scratch, std::size_t i, std::uint32_t index, bool wide) {
  scratch.planes[0][i] = static_cast<std::uint8_t>(wide ? index >> 8 : index);
  if (wide) scratch.planes[1][i] = static_cast<std::uint8_t>(index);
}

void choose_scalars(Scratch& scratch, const SegmentView& view, const std::vector<Run>& runs, bool pin_zero) {
  const Kernels& kernels = scratch.kernels;
  const bool wide = view.codebook->index_bytes == 2;
  std::vector<std::uint16_t> indices;
  double highest_price = 0;
  const auto choose = [&](const Lengths* lengths) {
    for_books(view, runs, [&](const Codebook& book, std::span<const Run> parts) {
      const std::vector<float> restored = restored_values(kernels, view.dtype, book);
      const std::vector<double> entries(restored.begin(), restored.end());
      std::vector<double> bits;
      if (lengths != nullptr && book.bit_price > 0) {
        bits.resize(entries.size());
        for (std::size_t i = 0; i < entries.size(); i++) bits[i] = lengths->of(i);
        if (const auto zero = pinned_zero(entries, pin_zero)) bits[*zero] = *std::min_element(bits.begin(), bits.end());
      }
      highest_price = std::max(highest_price, book.bit_price);
      const auto [upper, log2] = cluster::search_thresholds(entries, bits, book.bit_price);
      for (const Run& run : parts) {
        const std::size_t n = run.end - run.begin;
        const float* values = scratch.values.data() + run.begin;
        if (!wide) {
          kernels.search(values, n, upper.data(), log2, scratch.planes[0].data() + run.begin);
          continue;
        }
        indices.resize(n);
        kernels.search_wide(values, n, upper.data(), log2, indices.data());
        for (std::size_t i = 0; i < n; i++) put_index(scratch, run.begin + i, indices[i], true);
      }
    });
  };
  choose(nullptr);
  for (std::uint32_t round = 0; highest_price > 0 && round < core::kPriceRounds; round++) {
    const Lengths lengths(scratch, view.codebook->index_bytes);
    choose(&lengths);
  }
}

void choose_vectors(Scratch& scratch, const SegmentView& view, const std::vector<Run>& runs) {
  const Kernels& kernels = scratch.kernels;
  const auto d = static_cast<std::size_t>(view.codebook->dimension);
  const bool wide = view.codebook->index_bytes == 2;
  std::vector<float> vectors;
  std::vector<std::uint32_t> indices;
  for_books(view, runs, [&](const Codebook& book, std::span<const Run> parts) {
    std::vector<float> entries = restored_values(kernels, view.dtype, book);
    const cluster::VectorScale scale(entries);
    scale.apply(entries);
    const std::vector<float> bias = scale.biases(entries, book.dimension, book.bits, book.bit_price);
    vectors.clear();
    for (const Run& run : parts)
      for (std::size_t i = run.begin * d; i < run.end * d; i++)
        vectors.push_back(i < scratch.values.size() ? scratch.values[i] : 0.0f);
    scale.apply(vectors);
    const std::size_t count = vectors.size() / d;
    indices.resize(count);
    kernels.nearest(vectors.data(), count, book.dimension, entries.data(), bias.data(),
                    static_cast<std::uint32_t>(book.entries()), indices.data());
    std::size_t at = 0;
    for (const Run& run : parts)
      for (std::size_t i = run.begin; i < run.end; i++) put_index(scratch, i, indices[at++], wide);
  });
}

}  // namespace

void choose_indices(Scratch& scratch, const SegmentView& view, bool pin_zero) {
  const CodebookStream& stream = *view.codebook;
  for (std::size_t p = 0; p < stream.index_bytes; p++)
    scratch.planes[p].resize(vectors_in(view.units, stream.dimension));
  const std::vector<Run> runs = runs_by_group(view);
  if (stream.dimension == 1)
    choose_scalars(scratch, view, runs, pin_zero);
  else
    choose_vectors(scratch, view, runs);
}

void fill_choice(const SegmentView& view, bool pin_zero, core::IndexChoice& choice) {
  const Codebook& book = view.codebooks[view.codebook->books[0]];
  const std::vector<float> restored = restored_values(active_kernels(), view.dtype, book);
  const std::vector<double> entries(restored.begin(), restored.end());
  std::copy(entries.begin(), entries.end(), choice.entries);
  choice.bit_price = book.bit_price;
  choice.count = static_cast<std::uint32_t>(entries.size());
  const auto zero = pinned_zero(entries, pin_zero);
  choice.zero = zero ? static_cast<std::int32_t>(*zero) : -1;
  const cluster::SearchThresholds thresholds = cluster::search_thresholds(entries, {}, 0);
  choice.log2 = thresholds.log2;
  std::copy(thresholds.upper.begin(), thresholds.upper.end(), choice.upper);
}

}  // namespace weft::cpu
