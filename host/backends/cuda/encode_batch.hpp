// The work list of an encode batch: where segments, blocks and scratch lie in a device's memory, which passes run, and
// what comes back.
//
// Read me first:
// * Takes the segments that encodes_on_device() says yes to; what else there is, zstd above all, is the CPU coder's.
// * The jobs come back from the device with the answers in them, the blocks in a second copy, when their sizes are known.
// * Device memory: [jobs | groups | units | codebooks | symbols | scratch | blocks]; the first four are uploaded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cuda/device.hpp"
#include "backends/cuda/encode_books.hpp"

namespace weft::cuda {

[[nodiscard]] bool encodes_on_device(const EncodeItem& item);
// Whether restored weights of a uniform segment may be infinite, which only the CPU coder prevents.
[[nodiscard]] bool may_overflow(const SegmentView& view);

class EncodeBatch {
 public:
  // Borrows the items, all of which encodes_on_device(). With `outside`, units of item i are there, in device memory at a
  // multiple of 16, and not in items[i]->units.
  explicit EncodeBatch(std::span<EncodeItem* const> items, std::vector<const std::uint8_t*> outside = {});

  [[nodiscard]] std::size_t upload_bytes() const noexcept { return symbols_begin_; }
  [[nodiscard]] std::size_t jobs_bytes() const noexcept { return groups_begin_; }  // what answers() reads
  [[nodiscard]] std::size_t device_bytes() const noexcept { return device_; }
  [[nodiscard]] std::size_t most_download_bytes() const noexcept { return device_ - blocks_begin_; }

  void fill(std::byte* upload, std::byte* device) const;
  // Queues the passes, for a device buffer that has got the upload.
  void launch(Queue& queue, std::byte* device) const;
  // Queues the way back of the jobs.
  void fetch_jobs(Queue& queue, const std::byte* device, std::byte* jobs) const;
  // Queues the way back of the blocks that were written, to `blocks`; returns their bytes.
  std::size_t fetch(Queue& queue, const std::byte* jobs, const std::byte* device, std::byte* blocks) const;
  // Whether an item's blocks did fit: if not, there are none.
  [[nodiscard]] bool fits(const std::byte* jobs, std::size_t item) const;
  // The segment of an item that fits.
  void take(const std::byte* jobs, const std::byte* blocks, std::size_t item, EncodedSegment& out) const;
  // Fills in the items' segments. Those whose blocks did not fit go to `cpu`.
  void finish(const std::byte* jobs, const std::byte* blocks, SegmentCoder& cpu) const;

 private:
  struct Item {
    EncodeOp op = EncodeOp::kUnits1;
    std::uint32_t planes = 1, coded = 0;
    std::uint32_t first_block = 0, blocks = 0;
    std::uint8_t price_rounds = 0;
    std::size_t books = 0;  // number of a segment with codebooks
    std::size_t tables = 0, codes = 0, units = 0, symbols = 0, next_plane = 0, low = 0, words = 0, out = 0,
                out_bytes = 0;
  };

  void place();
  [[nodiscard]] bool is_outside() const { return !outside_.empty(); }
  [[nodiscard]] core::SegmentJob segment_job(std::size_t item, std::uint8_t* device) const;
  void fill_blocks(std::size_t item, core::EncodeBlockJob* blocks, std::uint8_t* device) const;
  std::span<EncodeItem* const> items_;
  std::vector<const std::uint8_t*> outside_;
  std::vector<Item> plans_;
  EncodeBooks books_;
  std::array<std::vector<EncodeGroup>, kEncodeOps> groups_;
  std::uint32_t blocks_ = 0, group_count_ = 0;
  std::size_t block_jobs_begin_ = 0, groups_begin_ = 0, symbols_begin_ = 0, blocks_begin_ = 0, device_ = 0;
};

}  // namespace weft::cuda
