// The part of a decode batch whose codebooks are more than a table of 256 scalars: their entries, streams and jobs, a second
// step behind the planes of indices.
//
// * What a stream needs goes to the device once for a batch, however many of its segments are in it; so does a codebook that
//   several streams share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cuda/device.hpp"

namespace weft::cuda {

// Codec codebook, and not one that DecodeOp::kTable... can decode.
[[nodiscard]] bool needs_look_up(const SegmentView& view);

class LookUpBatch {
 public:
  // Numbers the job of a block of a segment. `outside`: its units go to the caller's memory.
  [[nodiscard]] std::uint32_t add(const SegmentView& view, bool outside);
  [[nodiscard]] std::uint32_t job_count() const noexcept { return static_cast<std::uint32_t>(jobs_.size()); }

  // Places everything in the upload. take(bytes, alignment) answers with an offset.
  void place(const std::function<std::size_t(std::size_t bytes, std::size_t alignment)>& take);
  // All but the jobs.
  void fill(std::byte* upload, std::uint8_t* device) const;
  // A job, all of which is filled in but the stream.
  void fill_job(std::byte* upload, std::uint8_t* device, std::uint32_t number, core::LookUpJob job) const;
  // Queues the kernels; status[i] answers job i.
  void launch(Queue& queue, std::byte* device, std::byte* outside, std::uint32_t* status) const;

 private:
  struct Book {
    const Codebook* codebook;
    std::size_t at = 0;  // in the upload, like all that follows
  };
  struct Stream {
    const CodebookStream* stream;
    std::vector<std::size_t> books;  // in books_
    std::size_t at = 0, list = 0;    // the list of its books
  };
  // Jobs that one launch can do.
  struct Run {
    core::FloatType type;
    bool outside;
    std::uint32_t first, count;
  };

  [[nodiscard]] std::size_t find_stream(const SegmentView& view);
  [[nodiscard]] std::size_t find_book(const Codebook& codebook);

  std::vector<Book> books_;
  std::map<const Codebook*, std::size_t> book_numbers_;
  std::vector<Stream> streams_;
  std::vector<std::size_t> jobs_;  // their streams
  std::vector<Run> runs_;
  std::size_t jobs_begin_ = 0;
};

}  // namespace weft::cuda
