#include "backends/cuda/encode_books.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "backends/codebook_groups.hpp"
#include "backends/cuda/known_blocks.hpp"

namespace weft::cuda {
namespace {

template <class T>
std::size_t bytes_of(const std::vector<T>& values) {
  return values.size() * sizeof(T);
}

template <class T>
void put(std::byte* to, const std::vector<T>& values) {
  if (!values.empty()) std::memcpy(to, values.data(), bytes_of(values));
}

bool has_vectors_in(const SegmentView& view) { return view.codebook->dimension > 1; }

}  // namespace

std::size_t EncodeBooks::find_book(const Codebook& codebook, DType dtype, bool pin_zero) {
  const auto [known, is_new] = book_numbers_.try_emplace({&codebook, dtype, pin_zero}, books_.size());
  if (!is_new) return known->second;
  Book& book = books_.emplace_back();
  if (codebook.dimension == 1)
    book.scalars = cpu::compare_scalars(dtype, codebook, pin_zero);
  else
    book.vectors = cpu::compare_vectors(dtype, codebook);
  return known->second;
}

std::size_t EncodeBooks::add(const SegmentView& view, bool pin_zero) {
  const CodebookStream& stream = *view.codebook;
  Segment segment{&view, {}};
  for (const std::uint32_t group : groups_among(stream, view.first_unit, view.units))
    segment.uses.push_back({group, find_book(view.codebooks[stream.books[group]], view.dtype, pin_zero)});
  has_vectors_ |= has_vectors_in(view);
  has_groups_of_vectors_ |= has_vectors_in(view) && stream.group != 0;
  segments_.push_back(std::move(segment));
  return segments_.size() - 1;
}

bool EncodeBooks::has_price(std::size_t segment) const {
  const std::vector<Use>& uses = segments_[segment].uses;
  return std::any_of(uses.begin(), uses.end(),
                     [&](const Use& use) { return books_[use.book].scalars.rest.bit_price > 0; });
}

void EncodeBooks::place_upload(const Take& take) {
  for (Book& book : books_) {
    const bool scalars = !book.scalars.entries.empty();
    if (scalars) book.head = take(sizeof(core::ScalarBook), 16);
    book.entries = take(bytes_of(scalars ? book.scalars.entries : book.vectors.entries), 16);
    book.rest = take(bytes_of(scalars ? book.scalars.upper : book.vectors.biases), 16);
  }
  for (Segment& segment : segments_) {
    const std::size_t each = has_vectors_in(*segment.view) ? sizeof(core::VectorBook) : sizeof(core::IndexChoice);
    segment.list = take(segment.listed() * each, 16);
  }
}

void EncodeBooks::place_scratch(const Take& take) {
  for (Segment& segment : segments_) {
    for (Use& use : segment.uses) {
      const cpu::ComparedScalars& book = books_[use.book].scalars;
      if (book.rest.bit_price > 0)
        use.room = take(book.rest.count * (sizeof(double) + sizeof(std::uint32_t)) + bytes_of(book.upper), 16);
    }
    if (!has_vectors_in(*segment.view)) continue;
    const std::uint64_t n = symbols_in(*segment.view, segment.view->units);
    segment.vectors = take(n * segment.view->codebook->dimension * sizeof(float), 16);
    segment.nearest = take(n * sizeof(std::uint32_t), 16);
    if (segment.view->codebook->group == 0) segment.unsettled = take((n + 1) * sizeof(std::uint32_t), 16);
  }
}

core::VectorBook EncodeBooks::vector_book(const Book& book, const std::uint8_t* device) const {
  return book.vectors.at(reinterpret_cast<const float*>(device + book.entries),
                         reinterpret_cast<const float*>(device + book.rest));
}

core::IndexChoice EncodeBooks::choice(const Use& use, std::uint8_t* device) const {
  const Book& book = books_[use.book];
  core::IndexChoice choice{};
  choice.book = reinterpret_cast<const core::ScalarBook*>(device + book.head);
  choice.upper = reinterpret_cast<const float*>(device + book.rest);
  choice.log2 = book.scalars.rest.log2;
  if (book.scalars.rest.bit_price <= 0) return choice;
  choice.crossings = reinterpret_cast<double*>(device + use.room);
  choice.chain = reinterpret_cast<std::uint32_t*>(choice.crossings + book.scalars.rest.count);
  choice.priced = reinterpret_cast<float*>(choice.chain + book.scalars.rest.count);
  return choice;
}

void EncodeBooks::fill(std::byte* upload, std::uint8_t* device) const {
  for (const Book& book : books_) {
    if (book.scalars.entries.empty()) {
      put(upload + book.entries, book.vectors.entries);
      put(upload + book.rest, book.vectors.biases);
      continue;
    }
    put(upload + book.entries, book.scalars.entries);
    put(upload + book.rest, book.scalars.upper);
    ::new (upload + book.head) core::ScalarBook(book.scalars.at(reinterpret_cast<const float*>(device + book.entries),
                                                                reinterpret_cast<const float*>(device + book.rest)));
  }
  for (const Segment& segment : segments_) {
    // Groups between that do not occur have nothing.
    const auto put_list = [&](auto nothing, auto of_use) {
      using Listed = decltype(nothing);
      auto* list = reinterpret_cast<Listed*>(upload + segment.list);
      for (std::uint32_t i = 0; i < segment.listed(); i++) ::new (list + i) Listed(nothing);
      for (const Use& use : segment.uses) list[use.group - segment.first_group()] = of_use(use);
    };
    if (has_vectors_in(*segment.view))
      put_list(core::VectorBook{}, [&](const Use& use) { return vector_book(books_[use.book], device); });
    else
      put_list(core::IndexChoice{}, [&](const Use& use) { return choice(use, device); });
  }
}

void EncodeBooks::fill_job(std::size_t number, std::uint8_t* device, core::SegmentJob& job) const {
  const Segment& segment = segments_[number];
  const CodebookStream& stream = *segment.view->codebook;
  job.groups = {stream.inner, stream.channels, stream.group};
  job.first_group = segment.first_group();
  job.vector_log2 = static_cast<std::uint8_t>(std::countr_zero(stream.dimension));
  if (!has_vectors_in(*segment.view)) {
    job.choices = reinterpret_cast<core::IndexChoice*>(device + segment.list);
    job.choice_count = segment.listed();
    return;
  }
  job.books = reinterpret_cast<const core::VectorBook*>(device + segment.list);
  job.vectors = reinterpret_cast<float*>(device + segment.vectors);
  job.nearest = reinterpret_cast<std::uint32_t*>(device + segment.nearest);
}

void EncodeBooks::search(Queue& queue, std::uint8_t* device) const {
  for (const Segment& segment : segments_) {
    if (!has_vectors_in(*segment.view) || segment.view->codebook->group != 0) continue;
    VectorArrays arrays{};
    arrays.vectors.vectors = reinterpret_cast<const float*>(device + segment.vectors);
    arrays.vectors.n = symbols_in(*segment.view, segment.view->units);
    arrays.vectors.dimension = segment.view->codebook->dimension;
    arrays.entries = vector_book(books_[segment.uses[0].book], device).entries;
    arrays.answers.nearest = reinterpret_cast<std::uint32_t*>(device + segment.nearest);
    arrays.unsettled_count = reinterpret_cast<std::uint32_t*>(device + segment.unsettled);
    arrays.unsettled = arrays.unsettled_count + 1;
    queue.cluster_vectors(VectorPass::kNearest, arrays);
  }
}

}  // namespace weft::cuda
