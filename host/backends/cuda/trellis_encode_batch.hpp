// The work list of an encode batch of codec trellis: where streams, jobs and scratch lie in a device's memory, which
// passes run, and what comes back (core/trellis_encode.hpp).
//
// Read me first:
// * Takes the segments that encodes_trellis_on_device() says yes to. Prices beyond kMostPriceBytes (predictive streams
//   over some 25 classes) do not fit into shared memory, and segments of more than 2^22 weights do not sum up exactly:
//   both stay with the CPU.
// * The jobs come back with the answers in them, then the planes of all blocks in one piece. The blocks are put
//   together here: the planes are a small part of what the weights were.
// * Device memory: [jobs | groups | streams, tables, units | scratch | planes]; the first three are uploaded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cpu/trellis_tables.hpp"
#include "backends/cuda/device.hpp"
#include "backends/cuda/trellis_upload.hpp"
#include "trellis/scales.hpp"

namespace weft::cuda {

// The tables are looked up in `cache`.
[[nodiscard]] bool encodes_trellis_on_device(const EncodeItem& item, cpu::TrellisCache& cache);

class TrellisEncodeBatch {
 public:
  // Borrows the items, all of which encodes_trellis_on_device(), and the cache.
  TrellisEncodeBatch(std::span<EncodeItem* const> items, cpu::TrellisCache& cache);

  [[nodiscard]] std::size_t upload_bytes() const noexcept { return scratch_begin_; }
  [[nodiscard]] std::size_t jobs_bytes() const noexcept { return groups_begin_; }
  [[nodiscard]] std::size_t device_bytes() const noexcept { return device_; }
  [[nodiscard]] std::size_t most_download_bytes() const noexcept { return device_ - planes_begin_; }

  void fill(std::byte* upload, std::byte* device) const;
  // Queues the passes, for a device buffer that has got the upload.
  void launch(Queue& queue, std::byte* device) const;
  // Queues the way back of the jobs; then, with them, that of the planes. Returns the planes' bytes.
  void fetch_jobs(Queue& queue, const std::byte* device, std::byte* jobs) const;
  std::size_t fetch(Queue& queue, const std::byte* jobs, const std::byte* device, std::byte* planes) const;
  // Fills in the items' segments.
  void finish(const std::byte* jobs, const std::byte* planes, SegmentCoder& cpu) const;

 private:
  // Tables of one shape at one price, for a range of classes.
  struct Rows {
    const Shape* shape;
    const TrellisStream* stream;  // one that needs them
    weft::trellis::ClassRange range;
    std::uint32_t reach = 0;  // of the widest class
    std::size_t prices = 0, coders = 0;
    [[nodiscard]] bool serve(const SegmentView& view) const;
    [[nodiscard]] std::uint32_t tables() const noexcept;
    [[nodiscard]] std::uint32_t count() const noexcept;
  };
  // Where a segment's things are.
  struct Item {
    std::size_t item = 0, rows = 0;
    std::uint32_t first_job = 0;
    std::size_t encoding = 0, units = 0, woven = 0, classes = 0, path = 0, decisions = 0, words = 0;
    TrellisUpload scales{};
  };
  // Segments of one op, one after the other, and the searches of their blocks.
  struct Part {
    std::vector<Item> items;
    std::vector<core::TrellisSearchGroup> groups;
    std::uint32_t first_job = 0, job_count = 0, memory_bytes = 0;
  };

  [[nodiscard]] std::size_t find_rows(const SegmentView& view, cpu::TrellisCache& cache);
  void plan_searches(Part& part) const;
  void place();
  void fill_rows(const Rows& rows, std::byte* upload) const;
  void fill_item(const Item& plan, std::byte* upload, std::uint8_t* device) const;
  void build_blocks(const Item& plan, const core::TrellisEncodeJob* jobs, const std::byte*& planes) const;

  std::span<EncodeItem* const> items_;
  cpu::TrellisCache& cache_;
  std::vector<Rows> rows_;
  std::array<Part, kTrellisEncodeOps> parts_;
  std::uint32_t jobs_ = 0;
  std::size_t groups_begin_ = 0, scratch_begin_ = 0, planes_begin_ = 0, device_ = 0;
};

}  // namespace weft::cuda
