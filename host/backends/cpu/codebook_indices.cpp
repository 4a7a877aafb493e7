#include "backends/cpu/codebook_indices.hpp"

#include <algorithm>

#include "backends/codebook_groups.hpp"
#include "backends/cpu/compared_books.hpp"

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

void put_index(Scratch& scratch, std::size_t i, std::uint32_t index, bool wide) {
  scratch.planes[0][i] = static_cast<std::uint8_t>(wide ? index >> 8 : index);
  if (wide) scratch.planes[1][i] = static_cast<std::uint8_t>(index);
}

void search(Scratch& scratch, const core::ScalarBook& book, const float* upper, std::span<const Run> runs, bool wide) {
  std::vector<std::uint16_t> indices;
  for (const Run& run : runs) {
    const std::size_t n = run.end - run.begin;
    const float* values = scratch.values.data() + run.begin;
    if (!wide) {
      scratch.kernels.search(values, n, upper, book.log2, scratch.planes[0].data() + run.begin);
      continue;
    }
    indices.resize(n);
    scratch.kernels.search_wide(values, n, upper, book.log2, indices.data());
    for (std::size_t i = 0; i < n; i++) put_index(scratch, run.begin + i, indices[i], true);
  }
}

// Those of a plane's symbols.
void set_lengths(const Kernels& kernels, std::span<const std::uint8_t> symbols, std::uint32_t plane,
                 core::IndexLengths& lengths) {
  core::OneThread team;
  std::uint64_t counts[256] = {};
  std::uint16_t frequencies[256];
  kernels.histogram(symbols.data(), symbols.size(), counts);
  lengths.set(plane, counts, frequencies, team);
}

// Thresholds of a search for the cheapest entries.
std::vector<float> thresholds_of(const ComparedScalars& book, const core::IndexLengths& lengths) {
  std::vector<std::uint32_t> chain(book.entries.size());
  std::vector<double> crossings(book.entries.size());
  std::vector<float> upper(book.upper.size());
  core::choose_by_price(book.here(), lengths, chain.data(), crossings.data(), upper.data());
  return upper;
}

void choose_scalars(Scratch& scratch, const SegmentView& view, const std::vector<Run>& runs, bool pin_zero) {
  const std::uint32_t planes = view.codebook->index_bytes;
  const bool wide = planes == 2;
  struct Priced {
    ComparedScalars book;
    std::span<const Run> runs;
  };
  std::vector<Priced> priced;
  for_books(view, runs, [&](const Codebook& book, std::span<const Run> parts) {
    ComparedScalars compared = compare_scalars(view.dtype, book, pin_zero);
    search(scratch, compared.here(), compared.upper.data(), parts, wide);
    if (book.bit_price > 0) priced.push_back({std::move(compared), parts});
  });
  for (std::uint32_t round = 0; !priced.empty() && round < core::kPriceRounds; round++) {
    core::IndexLengths lengths{};
    lengths.two_bytes = wide;
    for (std::uint32_t p = 0; p < planes; p++) set_lengths(scratch.kernels, scratch.planes[p], p, lengths);
    for (const Priced& one : priced)
      search(scratch, one.book.here(), thresholds_of(one.book, lengths).data(), one.runs, wide);
  }
}

void choose_vectors(Scratch& scratch, const SegmentView& view, const std::vector<Run>& runs) {
  const auto d = static_cast<std::size_t>(view.codebook->dimension);
  const bool wide = view.codebook->index_bytes == 2;
  std::vector<float> vectors;
  std::vector<std::uint32_t> indices;
  for_books(view, runs, [&](const Codebook& book, std::span<const Run> parts) {
    const ComparedVectors compared = compare_vectors(view.dtype, book);
    vectors.clear();
    for (const Run& run : parts)
      for (std::size_t i = run.begin * d; i < run.end * d; i++)
        vectors.push_back(i < scratch.values.size() ? scratch.values[i] : 0.0f);
    for (float& value : vectors) value = core::scaled_component(value, compared.rest.factor);
    const std::size_t count = vectors.size() / d;
    indices.resize(count);
    scratch.kernels.nearest(vectors.data(), count, book.dimension, compared.entries.data(), compared.biases.data(),
                            compared.rest.entries.count, indices.data());
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

bool has_price_by_class(const SegmentView& view) {
  return has_byte_scalars(*view.codebook) && view.codebooks[view.codebook->books[0]].bit_price > 0;
}

void choose_indices_by_class(Scratch& scratch, const SegmentView& view, bool pin_zero,
                             std::span<const std::uint8_t> numbers, std::size_t tables) {
  constexpr std::uint32_t kRounds = 2;  // each of which follows from the lengths of the one before
  const ComparedScalars compared = compare_scalars(view.dtype, view.codebooks[view.codebook->books[0]], pin_zero);
  std::vector<std::uint8_t>& symbols = scratch.planes[0];
  // Values and indices, those of a table together.
  std::vector<std::size_t> end(tables + 1), next(tables);
  for (const std::uint8_t number : numbers) end[number + 1u]++;
  for (std::size_t table = 0; table < tables; table++) next[table] = end[table], end[table + 1] += end[table];
  std::vector<float> values(numbers.size());
  std::vector<std::uint8_t> indices(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); i++) {
    const std::size_t to = next[numbers[i]]++;
    values[to] = scratch.values[i];
    indices[to] = symbols[i];
  }
  for (std::size_t table = 0; table < tables; table++) {
    const std::size_t begin = end[table], count = end[table + 1] - begin;
    for (std::uint32_t round = 0; round < kRounds; round++) {
      core::IndexLengths lengths{};
      set_lengths(scratch.kernels, std::span(indices).subspan(begin, count), 0, lengths);
      scratch.kernels.search(values.data() + begin, count, thresholds_of(compared, lengths).data(), compared.rest.log2,
                             indices.data() + begin);
    }
    next[table] = begin;
  }
  for (std::size_t i = 0; i < numbers.size(); i++) symbols[i] = indices[next[numbers[i]]++];
}

}  // namespace weft::cpu
