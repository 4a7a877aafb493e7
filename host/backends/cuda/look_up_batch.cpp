#include "backends/cuda/look_up_batch.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "backends/codebook_groups.hpp"
#include "backends/cuda/trellis_upload.hpp"

namespace weft::cuda {

bool needs_look_up(const SegmentView& view) {
  return view.codec == CodecId::kCodebook && (!has_byte_scalars(*view.codebook) || view.dtype == DType::kF64);
}

std::size_t LookUpBatch::find_book(const Codebook& codebook) {
  const auto [known, is_new] = book_numbers_.try_emplace(&codebook, books_.size());
  if (is_new) books_.push_back({&codebook});
  return known->second;
}

std::size_t LookUpBatch::find_stream(const SegmentView& view) {
  const auto found = std::find_if(streams_.rbegin(), streams_.rend(),
                                  [&](const Stream& stream) { return stream.stream == view.codebook; });
  if (found != streams_.rend()) return static_cast<std::size_t>(streams_.rend() - found) - 1;
  Stream stream{view.codebook, {}};
  for (const std::uint32_t book : view.codebook->books) stream.books.push_back(find_book(view.codebooks[book]));
  streams_.push_back(std::move(stream));
  return streams_.size() - 1;
}

std::uint32_t LookUpBatch::add(const SegmentView& view, bool outside) {
  const core::FloatType type = float_type(view.dtype);
  const std::uint32_t number = job_count();
  if (runs_.empty() || runs_.back().type != type || runs_.back().outside != outside)
    runs_.push_back({type, outside, number, 0});
  runs_.back().count++;
  jobs_.push_back(find_stream(view));
  return number;
}

void LookUpBatch::place(const std::function<std::size_t(std::size_t, std::size_t)>& take) {
  if (jobs_.empty()) return;
  jobs_begin_ = take(jobs_.size() * sizeof(core::LookUpJob), 16);
  for (Book& book : books_) book.at = take(book.codebook->values.size() * sizeof(float), 16);
  for (Stream& stream : streams_) {
    stream.at = take(sizeof(core::LookUpStream), 16);
    stream.list = take(stream.books.size() * sizeof(core::LookUpBook), 16);
  }
}

void LookUpBatch::fill(std::byte* upload, std::uint8_t* device) const {
  for (const Book& book : books_)
    std::memcpy(upload + book.at, book.codebook->values.data(), book.codebook->values.size() * sizeof(float));
  for (const Stream& stream : streams_) {
    auto* list = reinterpret_cast<core::LookUpBook*>(upload + stream.list);
    for (const std::size_t number : stream.books) {
      const Book& book = books_[number];
      ::new (list++) core::LookUpBook{reinterpret_cast<const float*>(device + book.at),
                                      static_cast<std::uint32_t>(book.codebook->entries())};
    }
    const CodebookStream& from = *stream.stream;
    ::new (upload + stream.at) core::LookUpStream{reinterpret_cast<const core::LookUpBook*>(device + stream.list),
                                                  {from.inner, from.channels, from.group},
                                                  static_cast<std::uint32_t>(std::countr_zero(from.dimension))};
  }
}

void LookUpBatch::fill_job(std::byte* upload, std::uint8_t* device, std::uint32_t number, core::LookUpJob job) const {
  job.stream = reinterpret_cast<const core::LookUpStream*>(device + streams_[jobs_[number]].at);
  ::new (upload + jobs_begin_ + number * sizeof job) core::LookUpJob(job);
}

void LookUpBatch::launch(Queue& queue, std::byte* device, std::byte* outside, std::uint32_t* status) const {
  const auto* jobs = reinterpret_cast<const core::LookUpJob*>(device + jobs_begin_);
  for (const Run& run : runs_)
    queue.look_up(run.type, jobs + run.first, run.count,
                  reinterpret_cast<std::uint8_t*>(run.outside ? outside : device), status + run.first);
}

}  // namespace weft::cuda
