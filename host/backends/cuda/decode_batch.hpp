// The work list of a decode batch: which blocks a device decodes, where everything lies in its memory, and what becomes of
// the answers.
//
// Read me first:
// * A device gets the blocks whose shape is in order and whose planes it knows. All others, and those that it complains
//   about, are decoded by the CPU coder, which has the last word: so a fault is the same on every backend.
// * One copy brings everything to the device (jobs, tables, blocks), one brings everything back (answers, units).
// * Device memory is planned before anything is allocated: [upload | answers | units | scratch].
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "archive/block.hpp"
#include "backends/backend.hpp"
#include "backends/cuda/class_batch.hpp"
#include "backends/cuda/device.hpp"
#include "backends/cuda/look_up_batch.hpp"
#include "backends/cuda/trellis_batch.hpp"

namespace weft::cuda {

class DecodeBatch {
 public:
  // Borrows the items. Units of item i go to the device memory that this plans, or, where outside[i] holds a number, to
  // that offset in memory of the caller.
  explicit DecodeBatch(std::span<DecodeItem> items, std::vector<std::optional<std::uint64_t>> outside = {});

  [[nodiscard]] std::size_t upload_bytes() const noexcept { return upload_; }
  [[nodiscard]] std::size_t download_bytes() const noexcept { return scratch_begin_ - answers_begin_; }
  [[nodiscard]] std::size_t device_bytes() const noexcept { return device_; }
  // Where an item's units are in the device's memory, if they are.
  [[nodiscard]] std::size_t units_offset(std::size_t item) const { return plans_[item].out; }
  [[nodiscard]] bool empty() const noexcept { return blocks_.empty(); }

  // Puts the upload together for a device buffer of device_bytes() at `device`.
  void fill(std::byte* upload, std::byte* device) const;
  // Queues the kernels, for a device buffer that has got the upload.
  void launch(Queue& queue, std::byte* device, std::byte* outside) const;
  // Queues the way back of answers and units, to `download`; or of the answers alone.
  void fetch(Queue& queue, const std::byte* device, std::byte* download) const;
  void fetch_answers(Queue& queue, const std::byte* device, std::byte* download) const;
  [[nodiscard]] std::size_t answers_bytes() const noexcept { return units_begin_ - answers_begin_; }
  // Whether all blocks are in the device's hands and it has accepted them.
  [[nodiscard]] bool all_accepted(const std::byte* download) const;
  // Copies units to where they belong and lets `cpu` decode what is left. Fills in the faults.
  void finish(const std::byte* download, SegmentCoder& cpu) const;

 private:
  struct Block {
    std::size_t item;
    std::uint32_t index;  // in the item's blocks
    archive::BlockView planes;
    std::size_t at;       // of its bytes, in the upload
    std::size_t scratch;  // in the device's memory, where planes are decoded to before the block is
    std::uint32_t job;  // that decodes the block; those of trellis_ are numbered from jobs_ on, then those of look_up_
    std::uint32_t plane_job[8];  // that decodes this plane to scratch
  };
  struct Symbols {
    const std::uint8_t* bytes = nullptr;
    std::uint8_t constant = 0;
  };
  struct Group {
    std::size_t item;
    int plane;
    std::uint32_t first_job, job_count;
  };
  struct Item {
    DecodeOp op = DecodeOp::kMerge1;
    std::size_t out = 0;                           // units in the device's memory
    std::size_t tables = 0;                        // in the upload: 512 bytes for each plane with a table
    std::size_t uniform = 0;                       // in the upload
    std::size_t codes = 0, entries = 0;            // in the upload
    std::size_t first_block = 0, block_count = 0;  // in blocks_
  };

  void plan_item(std::size_t item);
  bool plan_block(std::size_t item, std::uint32_t index, Block& block);
  [[nodiscard]] bool is_outside(std::size_t item) const { return item < outside_.size() && outside_[item].has_value(); }
  void plan_jobs();
  [[nodiscard]] bool by_class(const Block& block, int plane) const;
  [[nodiscard]] bool in_pairs(const Block& block, int plane) const;
  [[nodiscard]] DecodeOp block_op(const Block& block) const;
  [[nodiscard]] bool goes_to_scratch(const Block& block, int plane) const;
  [[nodiscard]] std::size_t scratch_of(const Block& block, int plane) const;
  void place();
  void fill_tables(const Item& plan, const DecodeItem& item, std::byte* upload, std::uint8_t* device) const;
  void fill_jobs(std::byte* upload, std::uint8_t* device) const;
  [[nodiscard]] std::uint64_t output_of(const Block& block) const;
  void fill_groups(core::BlockGroup* groups, std::uint8_t* device) const;
  void add_groups(const std::vector<Group>& from, core::BlockGroup*& to, std::uint8_t* device) const;
  [[nodiscard]] core::BlockJob symbols_job(const Block& block, int plane, std::uint8_t* device) const;
  [[nodiscard]] Symbols symbols_at(const Block& block, int plane, std::uint8_t* device) const;
  template <class Job>
  void add_exceptions(Job& job, const Block& block, int plane, std::uint8_t* device) const;
  void add_planes(core::BlockJob& job, const Block& block, std::uint8_t* device) const;
  void add_weight_planes(core::BlockJob& job, const Block& block, std::uint8_t* device) const;
  [[nodiscard]] core::LookUpJob look_up_job(const Block& block, std::uint8_t* device) const;
  void fill_plane_jobs(const Block& block, core::BlockJob* jobs, std::uint8_t* device) const;
  [[nodiscard]] std::uint64_t units_of(const Block& block) const;
  [[nodiscard]] std::uint64_t symbols_of(const Block& block) const;
  [[nodiscard]] bool is_trellis_coded(const Block& block) const;
  [[nodiscard]] std::uint64_t first_element(const Block& block) const;  // of the stream
  [[nodiscard]] std::size_t unit_offset(const Block& block) const;      // in its item's units
  [[nodiscard]] bool accepted(const Block& block, const std::byte* download) const;

  std::span<DecodeItem> items_;
  std::vector<Item> plans_;
  std::vector<Block> blocks_;
  std::vector<Group> scratch_groups_, scratch_pair_groups_;
  using GroupsOfOps = std::array<std::vector<Group>, kDecodeOps>;
  GroupsOfOps groups_, outside_groups_;
  std::vector<std::optional<std::uint64_t>> outside_;
  ClassBatch classes_;
  TrellisBatch trellis_;
  LookUpBatch look_up_;
  std::uint32_t jobs_ = 0, group_count_ = 0;
  std::size_t jobs_begin_ = 0, groups_begin_ = 0, checksums_begin_ = 0, upload_ = 0;
  std::size_t answers_begin_ = 0, units_begin_ = 0, scratch_begin_ = 0, device_ = 0;
};

}  // namespace weft::cuda
